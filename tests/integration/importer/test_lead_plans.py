"""What a batch asks of leads costs what the batch holds, however many leads there are."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from psycopg_pool import ConnectionPool

from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from services.importer.lead_store import SQL, LeadStore
from shared.database import Db
from tests.conftest import TEMPLATE

LARGE = {"leads", "lead_keys", "contacts", "deals"}
LEADS, BATCH = 2_000, 200
# Leads with all that belongs to them, and a batch about a tenth of them.
FILLED = """
    insert into leads (org_id, id, name)
    select %(org)s, lpad(n::text, 32, '0')::uuid, 'Acme' from generate_series(1, {0}) n;
    insert into lead_keys (org_id, lead_id, key) select org_id, id, 'crm:' || id from leads;
    insert into contacts (org_id, lead_id, key) select org_id, id, 'ann' from leads;
    insert into deals (org_id, lead_id, crm_id) select org_id, id, id::text from leads
"""
STAGED = """
    insert into sought select org_id, row_number() over (), id, 'crm:' || id from leads limit {0};
    insert into staged_leads (org_id, id, name, custom) select org_id, id, 'Bolt', '{{}}' from leads limit {0};
    insert into staged_contacts (org_id, lead_id, key) select org_id, id, 'bob' from leads limit {0};
    insert into staged_deals (org_id, lead_id, crm_id) select org_id, id, id::text from leads limit {0};
    insert into staged_keys (org_id, lead_id, key) select org_id, id, 'web:' || id from leads limit {0}
"""


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """A database of which the planner has no statistics, as of a table that grows fast."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.dsn(name)
    postgres.drop_database(name)


@pytest.fixture
def db(connections: ConnectionPool[Db]) -> Iterator[Db]:
    """A transaction of an importer's, with leads of its organisation and of another one, and a batch."""
    with connections.connection() as made, made.transaction(force_rollback=True):
        for org_id in (uuid4(), org := uuid4()):
            for statement in FILLED.format(LEADS).split(";"):
                made.execute(statement.replace("from leads", "from leads where org_id = %(org)s"), {"org": org_id})
        made.execute(f"set local role {ROLES['importer']}")
        LeadStore(made, org).begin_look()
        for statement in STAGED.format(BATCH).split(";"):
            made.execute(statement)
        yield made


def read(plan: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The large tables that a plan reads, and how many of their rows each time and in all."""
    if plan.get("Relation Name") in LARGE and plan["Node Type"] != "ModifyTable":
        rows = (
            plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        )
        yield plan["Relation Name"], rows * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from read(part)


@pytest.mark.parametrize(
    "name", ["known_keys", "strangers", "update_leads", "upsert_contacts", "upsert_deals", "insert_keys"]
)
def test_a_batch_reads_as_many_rows_as_it_means(db: Db, name: str) -> None:
    row = db.execute(f"explain (analyze, format json) {SQL[name]}").fetchone()

    assert row is not None
    assert [found for found in read(row["QUERY PLAN"][0]["Plan"]) if found[1] > BATCH] == []
