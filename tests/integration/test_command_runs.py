"""Runs are listed and explained at once, however many there are; whoever may not see them all is told so."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool
from typer.testing import CliRunner

from deploy.command import looking
from deploy.command.main import app
from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from shared.database import Db, connect, queries, see_all
from tests.integration.scheduler.builders import Desk

SQL = queries(Path(looking.__file__).with_name("queries.sql"))
# As new_id makes them, in the order of time: of 200 connectors, of whose runs few failed.
FILL = """
    insert into runs (id, org_id, connector_id, trigger, stage, outcome, queued_at, finished_at, lease_until)
    select (lpad(to_hex(n), 8, '0') || '-0000-7000-8000-000000000000')::uuid, org_id, id, 'schedule', 'done',
           case when n %% 1000 = 0 then 'failed' else 'unchanged' end, made.at, made.at, made.at
    from generate_series(1, 20000) n, lateral (select now() - make_interval(secs => 20000 - n) as at) made,
         lateral (select id, org_id from connectors order by id offset n %% 200 limit 1) c
"""


@pytest.fixture
def url(postgres: Postgres, database_url: str) -> dict[str, str]:
    """The database as each role sees it."""
    postgres.let_in(*ROLES.values())
    name = str(conninfo_to_dict(database_url)["dbname"])
    return {role: postgres.dsn(name, user=login) for role, login in ROLES.items()}


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """No connector yet."""
    return Desk(connections)


def plan(url: str, statement: str, **values: Any) -> str:
    """How PostgreSQL finds what the operator asks for."""
    with connect(url, name="test") as db, db.transaction():
        see_all(db)
        rows = db.execute(f"explain {SQL[statement]}", {"open": False, "failed": False, "limit": 50} | values)
        return "\n".join(str(row["QUERY PLAN"]) for row in rows)


def test_runs_are_found_without_reading_all(url: dict[str, str], desk: Desk) -> None:
    connector_id = desk.insert_many(200)[0]
    desk.all(FILL)
    desk.all("analyze runs")

    plans = {
        "newest": plan(url["operator"], "runs"),
        "failed": plan(url["operator"], "runs", failed=True),
        "open": plan(url["operator"], "runs", open=True),
        "of one": plan(url["operator"], "runs_of_connector", connector=connector_id),
        "failed of one": plan(url["operator"], "runs_of_connector", connector=connector_id, failed=True),
    }

    assert not [name for name, found in plans.items() if "Seq Scan" in found], plans
    assert not [name for name in ("newest", "failed", "of one") if "Sort" in plans[name]], plans
    assert "runs_failed" in plans["failed"]
    # and not by going through those of all others
    assert "runs_of_connector" in plans["of one"]


def insert_run(desk: Desk, number: int, **columns: Any) -> UUID:
    """A run of a new connector, whose lease goes on unless it is said otherwise."""
    values = {"stage": "done", "outcome": None, "lease": 60} | columns
    desk.all(
        "insert into runs (id, org_id, connector_id, trigger, stage, outcome, server, lease_until)"
        " select %(id)s, org_id, id, 'manual', %(stage)s, %(outcome)s, host, now() + make_interval(secs => %(lease)s)"
        " from connectors where id = %(connector_id)s",
        id=UUID(int=number),
        connector_id=desk.insert_connector(),
        **values,
    )
    return UUID(int=number)


def test_a_cancelled_look_takes_up_room_as_long_as_its_lease_goes_on(url: dict[str, str], desk: Desk) -> None:
    run_id = insert_run(desk, 1, stage="waiting")
    insert_run(desk, 2, stage="fetching")
    insert_run(desk, 3, outcome="cancelled")
    insert_run(desk, 4, outcome="cancelled", lease=-1)

    said = CliRunner().invoke(app, ["explain", str(run_id)], env={"SFTP_CONNECTOR_DATABASE_URL": url["operator"]})

    assert "2 looks are under way at its server, 2 of its organisation" in said.stdout


@pytest.mark.parametrize("words", ["runs", "connectors", "show ID", "explain ID", "rejects ID"])
def test_a_role_that_sees_one_organisation_is_told_which_to_use(url: dict[str, str], desk: Desk, words: str) -> None:
    desk.insert_connector()
    given = words.replace("ID", str(UUID(int=1))).split()

    said = CliRunner().invoke(app, given, env={"SFTP_CONNECTOR_DATABASE_URL": url["importer"]})

    assert (said.exit_code, said.stdout, said.stderr.count("\n")) == (1, "", 1)
    assert said.stderr.startswith(
        "The database's role sees one organisation at a time: connect as sftp_connector_operator"
    )


def test_the_scheduler_and_the_owner_see_all(url: dict[str, str], database_url: str, desk: Desk) -> None:
    connector_id = str(desk.insert_connector())

    for seeing in (url["scheduler"], url["operator"], database_url):
        assert (
            connector_id in CliRunner().invoke(app, ["connectors"], env={"SFTP_CONNECTOR_DATABASE_URL": seeing}).stdout
        )
