"""What a merge writes: all that changes, nothing else, and nothing that belongs to a lead that is gone."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from services.importer.copy_text import block
from services.importer.core import merge
from services.importer.core.identity import Resolved
from services.importer.core.record import Contact, LeadRow
from services.importer.lead_store import LeadStore
from shared.database import Db, Row, connect, organisation
from shared.ids import new_id
from tests.integration.importer.builders import TABLES, Imports, csv_of

ACME = {"Company": "Acme", "Website": "acme.fr", "Id": "1", "Email": "jane@acme.fr", "Deal": "D1", "Status": "Customer"}
BOLT = {"Company": "Bolt", "Website": "bolt.fr", "Id": "2", "Email": "bob@bolt.fr"}
# Whatever a cell may hold: PostgreSQL has no NUL, and UTF-8 no lone surrogates.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.sampled_from(
    ["", "\\N", "\\", "\\.", "\t", "\r\n", "a\\\tb\nc", "C:\\New", "\\\\N"]
)
WRITTEN = """
    select sum(n_tup_ins + n_tup_upd + n_tup_del)::int as rows, sum(n_dead_tup)::int as dead
    from pg_stat_user_tables where relname = any(%s)
"""


def merged(db: Db, imports: Imports, *rows: Resolved) -> set[UUID]:
    with closing(LeadStore(db, imports.org_id)) as store:
        store.begin_merge()
        return store.merge(merge.build(rows, {}))


def an_addition(lead: UUID) -> Resolved:
    """A row that brings a contact, a deal and a key to a lead that the database knows."""
    row = LeadRow(line=2, name="Acme", status="WON", deal_crm_id="D9", contact=Contact(email="new@acme.fr"))
    return Resolved(row, lead, False, ("siren:732829320",))


@contextmanager
def deleting(imports: Imports, url: str, lead: UUID) -> Iterator[Db]:
    """A transaction of somebody else, which has deleted the lead and is not committed."""
    with connect(url, name="platform") as db, db.transaction():
        db.execute("delete from leads where org_id = %s and id = %s", [imports.org_id, lead])
        yield db


def wait_for_a_waiter(imports: Imports) -> None:
    deadline = time.monotonic() + 10
    while not imports.value(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    ):
        assert time.monotonic() < deadline, "nobody waits for the other's lock"
        time.sleep(0.005)


def orphans(imports: Imports) -> list[int]:
    return [
        imports.value(
            f"select count(*) from {table} o where not exists (select from leads l where l.org_id = o.org_id"
            " and l.id = o.lead_id)"
        )
        for table in ("contacts", "deals", "lead_keys")
    ]


def test_a_lead_that_is_deleted_takes_with_it_what_belongs_to_it(imports: Imports) -> None:
    imports.imported(csv_of([ACME, BOLT]))

    imports.all("delete from leads where name = 'Acme'")

    assert imports.names() == ["Bolt"]
    assert imports.contacts("email") == [("bob@bolt.fr",)]
    assert imports.value("select count(*) from deals") == 0
    assert imports.value("select count(*) from lead_keys where key like '%%acme%%' or key = 'crm:1'") == 0
    assert imports.value("select count(*) from lead_keys") == 2


def test_what_a_lead_gets_while_somebody_deletes_it_is_left_out(imports: Imports, database_url: str) -> None:
    # Given a lead that somebody deletes, and has not committed it
    imports.imported(csv_of([ACME]))
    lead = imports.lead("Acme")["id"]
    done: list[set[UUID]] = []

    def merging() -> None:
        with imports.connections.connection() as db:
            done.append(merged(db, imports, an_addition(lead)))

    importing = threading.Thread(target=merging)
    with deleting(imports, database_url, lead):
        # When an import adds to it, then it waits
        importing.start()
        wait_for_a_waiter(imports)
        assert not done
    importing.join(30)
    # And writes nothing when the lead is gone
    assert done == [set()]
    assert orphans(imports) == [0, 0, 0]


def test_what_a_lead_got_goes_with_it_when_somebody_deletes_it_meanwhile(imports: Imports) -> None:
    # Given an import that has added to a lead, and is not committed
    imports.imported(csv_of([ACME]))
    lead = imports.lead("Acme")["id"]

    def delete() -> None:
        imports.all("delete from leads where id = %(id)s", id=lead)

    with imports.connections.connection() as db:
        assert merged(db, imports, an_addition(lead)) == {lead}
        # When somebody deletes the lead, then that waits
        deleter = threading.Thread(target=delete)
        deleter.start()
        wait_for_a_waiter(imports)
    deleter.join(30)
    # And takes away what the import has added, too
    assert imports.names() == []
    assert orphans(imports) == [0, 0, 0]


def test_keys_whose_lead_is_gone_are_nobody_s(imports: Imports) -> None:
    imports.all(
        "insert into lead_keys (org_id, key, lead_id) values (%(org)s, 'crm:1', gen_random_uuid())", org=imports.org_id
    )
    imports.imported(csv_of([BOLT]))

    run = imports.imported(csv_of([ACME]))

    assert run["rows_created"] == 1
    assert orphans(imports) == [0, 0, 0]


def written(db: Db) -> Row | None:
    """How many rows of leads and what belongs to them were ever written, and how many of them are dead."""
    db.execute("select pg_stat_force_next_flush()")
    db.commit()
    return db.execute(WRITTEN, [list(TABLES)]).fetchone()


def test_the_same_rows_again_write_nothing(imports: Imports, database_url: str) -> None:
    with connect(database_url, name="test") as db:
        db.autocommit = False
        # Given a lead with a contact and a deal
        contact = Contact(email="jane@acme.fr", phone="+331")
        row = LeadRow(line=2, name="Acme", status="WON", crm_id="1", contact=contact, deal_crm_id="D1")
        first = Resolved(row, new_id(), True, ("crm:1",))
        merged(db, imports, first)
        before = written(db)
        # When its row is merged once more, then no row is written, and none is dead
        assert merged(db, imports, first._replace(is_new=False, new_keys=())) == set()
        assert written(db) == before
        # And a change is seen in these figures
        changed = first._replace(row=row._replace(city="Paris"), is_new=False, new_keys=())
        assert merged(db, imports, changed) == {first.lead_id}
        assert written(db) != before


@pytest.mark.parametrize(
    ("edit", "shown"),
    [
        ("update leads set owner = 'typed'", "select name = 'Acme SA' and owner = 'typed' from leads"),
        ("update contacts set title = 'typed'", "select phone = '+332' and title = 'typed' from contacts"),
        ("update deals set status = 'LOST'", "select status_date = '2026-01-31' and status = 'LOST' from deals"),
    ],
    ids=["lead", "contact", "deal"],
)
def test_what_somebody_types_during_an_import_stays_where_the_file_says_nothing(
    imports: Imports, edit: str, shown: str
) -> None:
    # Given a lead that somebody is changing
    contact = Contact(email="jane@acme.fr", phone="+331")
    row = LeadRow(line=2, name="Acme", status="WON", crm_id="1", contact=contact, deal_crm_id="D1")
    first = Resolved(row, new_id(), True, ("crm:1",))
    with imports.service.connection() as db:
        merged(db, imports, first)
    # When an import changes other cells of it, and has to wait
    stated = row._replace(
        name="Acme SA", status=None, status_date="2026-01-31", contact=Contact(email="jane@acme.fr", phone="+332")
    )
    again = first._replace(row=stated, is_new=False, new_keys=())

    def importing() -> None:
        with imports.service.connection() as db:
            merged(db, imports, again)

    thread = threading.Thread(target=importing)
    with imports.connections.connection() as db:
        db.execute(edit)
        thread.start()
        wait_for_a_waiter(imports)
    thread.join()
    # Then both are there
    assert imports.value(shown) is True


def test_readers_never_wait_for_an_import(imports: Imports) -> None:
    imports.imported(csv_of([ACME]))
    lead = imports.lead("Acme")["id"]

    with imports.service.connection() as db:
        merged(db, imports, an_addition(lead), Resolved(LeadRow(line=3, name="Bolt"), new_id(), True, ()))
        with imports.connections.connection() as other:
            other.execute("set local lock_timeout = '100ms'")
            assert other.execute("select name from leads").fetchall() == [{"name": "Acme"}]


def test_deals_are_found_with_their_leads(imports: Imports) -> None:
    imports.imported(csv_of([ACME]))

    with organisation(imports.service, imports.org_id) as db:
        assert LeadStore(db, imports.org_id).deal_owners(["D1", "D2"]) == {"D1": imports.lead("Acme")["id"]}


@pytest.mark.parametrize("sure", [False, True])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(st.none() | TEXTS, TEXTS), max_size=6))
def test_any_text_comes_back_from_a_copy_as_it_was(
    connections: ConnectionPool[Db], rows: list[tuple[str | None, str]], sure: bool
) -> None:
    # A first row with a backslash has all the others escaped, too.
    rows = [("\\", "")] * sure + rows
    with connections.connection() as db:
        db.execute("create temp table copied (first text, a text, b text) on commit drop")
        if rows:
            with db.cursor() as cursor, cursor.copy("copy copied from stdin") as copy:
                copy.write(block(rows, "x"))
        found = db.execute("select first, a, b from copied").fetchall()
        assert [(row["first"], row["a"], row["b"]) for row in found] == [("x", *row) for row in rows]
