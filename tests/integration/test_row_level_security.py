"""The wall between organisations: every table has it, and no service's role sees, writes or learns beyond it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from deploy.local.stack import ROLES
from shared.database import Db, every_organisation, organisation, see, see_all, seeing_all
from tests.integration.conftest import emptied, pool_of
from tests.integration.scheduler.builders import Desk

A, B = uuid4(), uuid4()
LEAD = uuid4()  # both have a lead of this id: only the organisation tells them apart
# As PostgreSQL spells what the migrations say.
ONE = (
    "(NOT uuid_ne(org_id, ( SELECT (NULLIF(current_setting('sftp_connector.org_id'::text, true), ''::text))::uuid"
    ' AS "nullif")))'
)
EVERY = "( SELECT (current_setting('sftp_connector.every_organisation'::text, true) = 'on'::text))"
# A row of an organisation in each table, in an order in which they may come.
ROWS = {
    "connectors": "(id, org_id, host, port, username, path, sealed_password, interval_seconds)"
    " values (%(id)s, %(org)s, 'sftp.acme.com', 22, 'crm', '/leads.csv', 'sealed', 900)",
    "runs": "(id, org_id, connector_id, trigger, stage, lease_until)"
    " values (%(id)s, %(org)s, %(id)s, 'first', 'queued', now())",
    "decisions": "(run_id, org_id, connector_id, step) values (%(id)s, %(org)s, %(id)s, 'stored')",
    "rejects": "(run_id, org_id, line, code, reason) values (%(id)s, %(org)s, 1, 'no_name', 'Give it a name.')",
    "connection_tests": "(id, org_id, reply_to, host, port) values (%(id)s, %(org)s, 'q', 'sftp.acme.com', 22)",
    "host_keys_seen": "(org_id, host, port, host_key) values (%(org)s, 'sftp.acme.com', 22, 'key')",
    "import_mappings": "(org_id, version, fields, statuses, saved_by) values (%(org)s, 1, '{}', '{}', %(org)s)",
    "custom_fields": "(org_id, id, name, kind) values (%(org)s, '7', 'Tier', 'TEXT')",
    "fingerprints": "(connector_id, org_id, blob, checksum, mapping_version, recipe)"
    " values (%(id)s, %(org)s, 'b', 'c', 1, 'r')",
    "leads": "(id, org_id, name) values (%(lead)s, %(org)s, 'Acme')",
    "lead_keys": "(org_id, key, lead_id) values (%(org)s, 'web:acme.com', %(lead)s)",
    "contacts": "(org_id, lead_id, key) values (%(org)s, %(lead)s, 'ann@acme.com')",
    "deals": "(org_id, crm_id, lead_id) values (%(org)s, 'D1', %(lead)s)",
    "removals": "(org_id, reply_to, lease_until) values (%(org)s, 'q', now())",
}
WITH_ORGANISATION = (
    "select relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and attname = 'org_id'"
    " where relnamespace = 'public'::regnamespace and relkind = 'r'"
)
# Keys that may tell one organisation of another. Their values are made by chance, and nobody can guess them.
UNGUESSABLE = {"connectors_pkey", "runs_pkey", "runs_one_open", "connection_tests_pkey", "fingerprints_pkey"}


@pytest.fixture
def database_url(common_url: str) -> str:
    """An empty database."""
    return emptied(common_url)


@pytest.fixture
def db(connections: ConnectionPool[Db]) -> Iterator[Db]:
    """A superuser's look at a database in which both organisations have a row in each table."""
    with connections.connection() as made:
        for org_id in (A, B):
            values = {"org": org_id, "id": uuid4(), "lead": LEAD}
            for table, row in ROWS.items():
                made.execute(f"insert into {table} {row}", values)
        made.commit()
        with made.transaction(force_rollback=True):
            yield made


@contextmanager
def acting(db: Db, service: str, *, org_id: UUID | None = None, every: bool = False) -> Iterator[None]:
    """Within it the role of a service acts, for an organisation, for all or for nobody; what it does is undone."""
    with db.transaction(force_rollback=True):
        # Whatever was granted: only the wall is in the way.
        db.execute(f"grant all on all tables in schema public to {ROLES[service]}")
        db.execute(f"set local role {ROLES[service]}")
        if org_id:
            see(db, org_id)
        if every:
            see_all(db)
        yield


def seen(db: Db, table: str) -> set[UUID]:
    """The organisations of which rows are seen."""
    return {row["org_id"] for row in db.execute(f"select org_id from {table}")}


def add_again(db: Db, table: str, row: str) -> None:
    """Write a row that is there, all columns as they are."""
    db.execute(f"insert into {table} select (%s::{table}).*", [row])


def row_of(db: Db, table: str, org_id: UUID) -> str:
    found = db.execute(f"select t::text as line from {table} t where org_id = %s", [org_id]).fetchone()
    assert found is not None
    line: str = found["line"]
    return line


def deviations(db: Db) -> list[str]:
    """What is wrong with the wall, table by table."""
    tables = db.execute(
        "select c.oid, c.relname as name, relrowsecurity and relforcerowsecurity as walled, attnotnull as owned"
        " from pg_class c join pg_attribute a on a.attrelid = c.oid"
        " where c.relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and attname = 'org_id'"
        " and not attisdropped order by relname"
    ).fetchall()
    return [f"{table['name']}: {wrong}" for table in tables for wrong in _wrong(db, table)]


def _wrong(db: Db, table: dict[str, Any]) -> Iterator[str]:
    if not table["walled"]:
        yield "row-level security is not enabled and forced"
    if not table["owned"]:
        yield "a row may belong to nobody"
    found = db.execute(
        "select policyname, permissive, cmd, qual, with_check, roles::text[] as roles from pg_policies"
        " where tablename = %s",
        [table["name"]],
    )
    policies = {row["policyname"]: row for row in found}
    if set(policies) != {"organisation", "every_organisation"}:
        yield f"its policies are {sorted(policies)}"
        return
    owner = db.execute("select relowner::regrole::text as name from pg_class where oid = %s", [table["oid"]]).fetchone()
    assert owner is not None
    few = {ROLES["scheduler"], ROLES["operator"], owner["name"]}
    for name, words, roles in (("organisation", ONE, {"public"}), ("every_organisation", EVERY, few)):
        policy = policies[name]
        if (policy["permissive"], policy["cmd"], set(policy["roles"])) != ("PERMISSIVE", "ALL", roles):
            yield f"the policy {name} is for others or for less"
        if (policy["qual"], policy["with_check"]) != (words, words):
            yield f"the policy {name} says something else"


def test_every_table_with_a_column_of_organisations_has_the_wall(db: Db) -> None:
    assert deviations(db) == []
    # And a table that comes without it would be noticed
    assert set(ROWS) == {row["name"] for row in db.execute(WITH_ORGANISATION)}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "create table notes (org_id uuid)",
            [
                "notes: row-level security is not enabled and forced",
                "notes: a row may belong to nobody",
                "notes: its policies are []",
            ],
        ),
        ("alter table leads no force row level security", ["leads: row-level security is not enabled and forced"]),
        ("alter table leads disable row level security", ["leads: row-level security is not enabled and forced"]),
        (
            "create policy more on leads for select using (true)",
            ["leads: its policies are ['every_organisation', 'more', 'organisation']"],
        ),
        (
            "alter policy organisation on deals with check (true)",
            ["deals: the policy organisation says something else"],
        ),
        (
            "alter policy every_organisation on deals to public",
            ["deals: the policy every_organisation is for others or for less"],
        ),
        (
            f"alter policy every_organisation on deals to {ROLES['scheduler']}, {ROLES['importer']}",
            ["deals: the policy every_organisation is for others or for less"],
        ),
    ],
)
def test_a_hole_in_the_wall_is_noticed(db: Db, change: str, expected: list[str]) -> None:
    db.execute(change)
    assert deviations(db) == expected


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("service", ROLES)
class TestForOneOrganisation:
    def test_no_row_of_another_is_seen_changed_or_removed(self, db: Db, service: str, table: str) -> None:
        with acting(db, service, org_id=A):
            assert seen(db, table) == {A}
            assert db.execute(f"update {table} set org_id = org_id where org_id = %s", [B]).rowcount == 0
            assert db.execute(f"delete from {table} where org_id = %s", [B]).rowcount == 0
            # Without a condition it is the same
            assert db.execute(f"update {table} set org_id = org_id").rowcount == 1

    def test_no_row_is_written_for_another(self, db: Db, service: str, table: str) -> None:
        row = row_of(db, table, B)
        with acting(db, service, org_id=A), pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"):
            add_again(db, table, row)

    def test_no_row_moves_to_another(self, db: Db, service: str, table: str) -> None:
        with acting(db, service, org_id=A), pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"):
            db.execute(f"update {table} set org_id = %s", [B])


@pytest.mark.parametrize("table", ROWS)
@pytest.mark.parametrize("service", ROLES)
class TestForNobody:
    def test_no_row_is_seen_changed_or_removed(self, db: Db, service: str, table: str) -> None:
        with acting(db, service):
            assert seen(db, table) == set()
            assert db.execute(f"update {table} set org_id = org_id").rowcount == 0
            assert db.execute(f"delete from {table}").rowcount == 0

    def test_no_row_is_written(self, db: Db, service: str, table: str) -> None:
        row = row_of(db, table, A)
        with acting(db, service), pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level"):
            add_again(db, table, row)


@pytest.mark.parametrize("table", ROWS)
class TestForEveryOrganisation:
    @pytest.mark.parametrize("service", ["scheduler", "operator"])
    def test_all_is_seen_and_written(self, db: Db, service: str, table: str) -> None:
        with acting(db, service, every=True):
            assert seen(db, table) == {A, B}
            assert db.execute(f"update {table} set org_id = org_id").rowcount == 2

    def test_an_importer_cannot_ask_for_it(self, db: Db, table: str) -> None:
        with acting(db, "importer", every=True):
            assert seen(db, table) == set()
        with acting(db, "importer", org_id=A, every=True):
            assert seen(db, table) == {A}


def test_what_belongs_to_a_lead_goes_with_it_and_with_it_alone(db: Db) -> None:
    # Whoever deletes leads, the trigger runs in that role and sees as much
    db.execute(f"grant delete on leads, contacts, deals to {ROLES['importer']}")
    db.execute(f"set local role {ROLES['importer']}")
    see(db, A)
    assert db.execute("delete from leads").rowcount == 1
    db.execute("reset role")
    assert {table: seen(db, table) for table in ("leads", "lead_keys", "contacts", "deals")} == {
        "leads": {B},
        "lead_keys": {B},
        "contacts": {B},
        "deals": {B},
    }


def test_no_unique_key_tells_one_organisation_of_another(db: Db) -> None:
    rows = db.execute(
        "select i.indexrelid::regclass::text as name from pg_index i"
        " join pg_attribute o on o.attrelid = i.indrelid and o.attname = 'org_id'"
        " join pg_class c on c.oid = i.indrelid and c.relnamespace = 'public'::regnamespace"
        " where i.indisunique and i.indkey[0] <> o.attnum"
    )
    assert {row["name"] for row in rows} == UNGUESSABLE


@pytest.mark.usefixtures("db")
class TestTransactions:
    def test_the_organisation_is_that_of_one_transaction(self, connections: ConnectionPool[Db]) -> None:
        service = pool_of("importer", connections)
        with organisation(service, A) as own:
            assert seen(own, "leads") == {A}
            own.commit()
            # Then the next one has none
            assert seen(own, "leads") == set()
        with service.connection() as next_one:
            assert seen(next_one, "leads") == set()

    def test_every_organisation_is_as_well(self, connections: ConnectionPool[Db]) -> None:
        with every_organisation(pool_of("scheduler", connections)) as own:
            assert seen(own, "connectors") == {A, B}
            own.commit()
            assert seen(own, "connectors") == set()

    def test_a_look_at_all_ends_and_leaves_nothing(self, connections: ConnectionPool[Db]) -> None:
        with organisation(pool_of("scheduler", connections), A) as own:
            with seeing_all(own):
                assert seen(own, "connectors") == {A, B}
                own.execute("update connectors set name = 'written'")
            assert seen(own, "connectors") == {A}
            assert own.execute("select name from connectors").fetchall() == [{"name": ""}]


def test_an_admin_waits_for_room_at_a_server_that_others_fill(connections: ConnectionPool[Db]) -> None:
    # Given a server that bears one look, and another organisation's is under way there
    desk = Desk(connections, max_per_server=1)
    desk.insert_connector(org_id=B)
    desk.handler.tick()
    # When an admin connects to the same server, then the first sync waits
    connector_id = desk.created()
    (run_id,) = desk.open_runs(connector_id)
    assert desk.run(run_id)["stage"] == "waiting"


def test_what_an_admin_asks_for_is_done_for_that_organisation_alone(connections: ConnectionPool[Db]) -> None:
    # Given a database that writes down what was said when a connector comes
    desk = Desk(connections)
    desk.all(
        "create function note_scope() returns trigger language plpgsql as $$ begin new.name = concat("
        "current_setting('sftp_connector.org_id', true), current_setting('sftp_connector.every_organisation', true));"
        " return new; end $$"
    )
    desk.all("create trigger note_scope before insert on connectors for each row execute function note_scope()")
    try:
        connector_id = desk.created()
    finally:
        desk.all("drop function note_scope cascade")
    assert desk.connector(connector_id)["name"] == str(desk.org_id)
