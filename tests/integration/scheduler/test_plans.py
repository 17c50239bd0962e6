"""What the scheduler asks again and again costs what there is to do, however many connectors and runs there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from services.scheduler import measures, statements
from shared.database import Db, connect, see_all
from tests.bench.schedule_population import populate
from tests.conftest import TEMPLATE

NOBODY = UUID(int=0)
SQL = statements.SQL | measures.SQL
VALUES: dict[str, Any] = {
    "after": NOBODY,
    "batch_size": 100,
    "closed_orgs": [],
    "closed_servers": [],
    "connector_ids": [NOBODY, uuid4()],
    "max_attempts": 5,
    "org_id": NOBODY,
    "page": 100,
    "place_orgs": [NOBODY],
    "place_servers": ["192.0.2.7"],
    "run_id": NOBODY,
    "server": "192.0.2.7",
    "since": datetime(2020, 1, 1, tzinfo=UTC),
    "timeout": 30,
}
OFTEN = (
    "under_way",
    "crowd",
    "asked",
    "due",
    "claim",
    "lock_fetch",
    "leave_server",
    "overdue_runs",
    "resume_recovered",
    "overdue_tests",
    "forget_tests",
    "backlog",
    "open_runs",
    "paused",
    "make_due",
)
# The outbox and the inbox hold what there is to do; the mappings here fill three pages, which may well be read whole.
LARGE = {"connectors", "runs", "connection_tests"}


@pytest.fixture(scope="module")
def crowded(postgres: Postgres) -> Iterator[Db]:
    """A database with some thousand connectors and runs, whose statistics are fresh."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name, template=TEMPLATE)
    with connect(postgres.dsn(name), name="plans") as db:
        populate(db, 4_000, 900)
        db.execute("update connectors set due_at = now() where id in (select id from connectors limit 100)")
        yield db
    postgres.drop_database(name)


@contextmanager
def as_scheduler(db: Db) -> Iterator[None]:
    """Within it the planner has to mind what the scheduler's role may see."""
    with db.transaction():
        db.execute(f"set local role {ROLES['scheduler']}")
        see_all(db)
        yield
        db.execute("reset role")


def scanned(plan: dict[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from one end to the other."""
    if plan["Node Type"] == "Seq Scan":
        yield plan["Relation Name"]
    for part in plan.get("Plans", ()):
        yield from scanned(part)


@pytest.mark.parametrize("name", OFTEN)
def test_no_statement_that_is_asked_often_reads_a_large_table_whole(crowded: Db, name: str) -> None:
    with as_scheduler(crowded):
        row = crowded.execute(f"explain (format json) {SQL[name]}", VALUES).fetchone()

    assert row is not None
    assert LARGE & set(scanned(row["QUERY PLAN"][0]["Plan"])) == set()


def test_a_page_of_what_is_due_costs_as_much_when_everything_is(crowded: Db) -> None:
    with crowded.transaction(force_rollback=True):
        crowded.execute("update connectors set due_at = now() - random() * interval '1 hour'")
        crowded.execute("analyze connectors")
        with as_scheduler(crowded):
            row = crowded.execute(f"explain (analyze, format json) {SQL['due']}", VALUES).fetchone()

    assert row is not None
    assert most_rows(row["QUERY PLAN"][0]["Plan"]) < 1_000


def most_rows(plan: dict[str, Any]) -> float:
    """The most rows that any part of a plan has handed on or thrown away at a time."""
    own = float(plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return max([own, *map(most_rows, plan.get("Plans", ()))])
