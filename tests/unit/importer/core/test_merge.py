"""A batch writes each lead, contact, deal and key once, and every record is counted as exactly one thing."""

import json
import re
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.identity import Resolved, resolve
from services.importer.core.merge import Batch, Tally, Values, build
from services.importer.core.people import Person
from services.importer.core.record import Contact, LeadRow
from services.importer.lead_store import SQL

LEAD, OTHER = UUID(int=1001), UUID(int=1002)
STAGING = SQL["staging"]
SOME_TEXT = st.none() | st.sampled_from(["a", "b", "c"])
CONTACTS = st.builds(Contact, first_name=SOME_TEXT, last_name=SOME_TEXT, email=SOME_TEXT, phone=st.just("1"))
ROWS = st.lists(
    st.builds(
        LeadRow,
        line=st.integers(2, 99),
        name=st.sampled_from(["Acme", "ACME", "Beta"]),
        crm_id=SOME_TEXT,
        city=SOME_TEXT,
        status=st.none() | st.sampled_from(["WON", "LOST"]),
        status_from_default=st.booleans(),
        deal_crm_id=SOME_TEXT,
        contact=st.none() | CONTACTS,
    ),
    max_size=8,
)


def columns(table: str) -> list[str]:
    """The columns of a staging table, in order, after the organisation that stands before each row."""
    (body,) = re.findall(rf"create temp table if not exists {table} \((.*?)\) on commit", STAGING, re.DOTALL)
    first, *others = re.findall(r"\b(\w+) (?:uuid|text|date|jsonb)\b", body)
    assert first == "org_id"
    return others


def staged(table: str, rows: list[Values]) -> list[dict[str, Any]]:
    return [dict(zip(columns(table), row, strict=True)) for row in rows]


def a_row(
    name: str = "Acme", *, lead: UUID = LEAD, is_new: bool = False, keys: tuple[str, ...] = (), **more: Any
) -> Resolved:
    return Resolved(LeadRow(line=2, name=name, **more), lead, is_new, keys)


def the_lead(*rows: Resolved) -> dict[str, Any]:
    batch = build(rows, {})
    (lead,) = staged("staged_leads", batch.leads + batch.new_leads)
    return lead


def contacts(*rows: Resolved) -> list[dict[str, Any]]:
    return staged("staged_contacts", build(rows, {}).contacts)


def deals(*rows: Resolved) -> list[dict[str, Any]]:
    return staged("staged_deals", build(rows, {}).deals)


def test_no_rows_write_nothing() -> None:
    assert build([], {}) == Batch()


def test_every_column_lands_under_its_own_name() -> None:
    texts: dict[str, Any] = {
        name: f"the {name}"
        for name in (
            *("website", "location", "street_num", "street", "postcode", "city", "sector", "size"),
            *("crm_id", "siren", "email", "owner", "score"),
        )
    }
    row = a_row(is_new=True, status="WON", status_date="2025-03-01", custom=(("CUSTOM.1", "\u00e9"),), **texts)

    lead = the_lead(row)

    assert json.loads(lead.pop("custom")) == {"CUSTOM.1": "\u00e9"}
    assert lead == {
        "id": LEAD.hex,
        "name": "Acme",
        "status": "WON",
        "status_date": "2025-03-01",
        **texts,
    }


def test_a_row_that_says_nothing_writes_no_value() -> None:
    lead = the_lead(a_row())

    assert {name for name, value in lead.items() if value is not None} == {"id", "name", "custom"}
    assert lead["custom"] == "{}"


def test_a_later_cell_wins_unless_it_is_empty() -> None:
    lead = the_lead(a_row("Old", city="Paris", score="1"), a_row("New", score="2"))

    assert (lead["name"], lead["city"], lead["score"]) == ("New", "Paris", "2")


def test_leads_that_are_new_stand_apart_with_what_belongs_to_them() -> None:
    jane = Contact(email="jane@acme.fr")
    rows = [a_row(is_new=True, keys=("crm:1",)), a_row(contact=jane), a_row(lead=OTHER, contact=jane, keys=("crm:2",))]

    batch = build(rows, {})

    assert [lead[0] for lead in batch.new_leads] == [contact[0] for contact in batch.new_contacts] == [LEAD.hex]
    assert [lead[0] for lead in batch.leads] == [contact[0] for contact in batch.contacts] == [OTHER.hex]
    assert (batch.new_keys, batch.keys) == ([(LEAD.hex, "crm:1")], [(OTHER.hex, "crm:2")])


def test_custom_fields_of_several_rows_add_up() -> None:
    rows = [a_row(custom=(("CUSTOM.1", "a"), ("CUSTOM.2", "b"))), a_row(custom=(("CUSTOM.2", "c"),))]

    assert json.loads(the_lead(*rows)["custom"]) == {"CUSTOM.1": "a", "CUSTOM.2": "c"}


def test_a_stated_status_beats_a_default_one() -> None:
    stated = a_row(status="WON")
    default = a_row(status="DEFAULT", status_from_default=True, unknown_status="En sommeil")

    assert the_lead(stated, default)["status"] == "WON"
    assert the_lead(default, stated)["status"] == "WON"
    assert the_lead(default, default)["status"] == "DEFAULT"


def test_the_default_for_an_empty_cell_is_only_for_new_leads() -> None:
    empty: dict[str, Any] = {"status": "WANTED", "status_from_default": True}

    assert the_lead(a_row(**empty))["status"] is None
    assert the_lead(a_row(is_new=True, **empty))["status"] == "WANTED"
    assert the_lead(a_row(is_new=True, status="WON"), a_row(**empty))["status"] == "WON"
    assert the_lead(a_row(is_new=True))["status"] == "DEFAULT"


def test_a_status_keeps_its_own_date() -> None:
    won = a_row(status="WON", status_date="2026-01-01")

    assert the_lead(won, a_row(status="LOST"))["status_date"] is None
    assert the_lead(won, a_row(status="WON"))["status_date"] == "2026-01-01"
    assert the_lead(won, a_row(status="LOST", status_date="2026-02-02"))["status_date"] == "2026-02-02"
    assert the_lead(a_row(status_date="2026-02-02"))["status_date"] == "2026-02-02"


def test_new_keys_belong_to_the_lead_that_adopted_them() -> None:
    batch = build([a_row(keys=("crm:1", "web:acme.fr")), a_row(lead=OTHER, keys=("crm:2",))], {})

    assert batch.keys == [(LEAD.hex, "crm:1"), (LEAD.hex, "web:acme.fr"), (OTHER.hex, "crm:2")]


def test_rows_of_one_person_are_one_contact_to_which_each_adds() -> None:
    found = contacts(
        a_row(contact=Contact(email="jane@acme.fr", first_name="Jane", title="CTO")),
        a_row(contact=Contact(email="JANE@acme.fr", title="CEO", phone="+331")),
    )

    assert [(one["email"], one["first_name"], one["title"], one["phone"]) for one in found] == [
        ("JANE@acme.fr", "Jane", "CEO", "+331")
    ]


def test_a_person_whom_the_database_knows_keeps_the_key_that_he_has_there() -> None:
    jane = Person("name:jane doe", None, None, "Jane", "Doe")
    row = a_row(contact=Contact(first_name="JANE", last_name="Doe", email="jane@acme.fr"))

    (found,) = staged("staged_contacts", build([row], {LEAD: [jane]}).contacts)

    assert (found["key"], found["email"]) == ("name:jane doe", "jane@acme.fr")


def test_one_person_at_two_companies_is_two_contacts() -> None:
    jane = Contact(email="jane@acme.fr")

    assert [one["lead_id"] for one in contacts(a_row(contact=jane), a_row(contact=jane, lead=OTHER))] == [
        LEAD.hex,
        OTHER.hex,
    ]


def test_people_of_one_company_stay_apart() -> None:
    found = contacts(a_row(contact=Contact(last_name="Doe")), a_row(contact=Contact(last_name="Roe")), a_row())

    assert [one["last_name"] for one in found] == ["Doe", "Roe"]


def test_a_deal_takes_the_last_status_that_was_stated() -> None:
    found = deals(
        a_row(deal_crm_id="D1", status="WANTED", status_date="2025-01-01"),
        a_row(deal_crm_id="D1", status="WON", status_date="2025-03-01"),
        a_row(deal_crm_id="D1"),
        a_row(deal_crm_id="D1", status="DEFAULT", status_from_default=True),
        a_row(deal_crm_id="D2", status="DEFAULT", status_from_default=True),
        a_row(status="LOST"),
    )

    assert [(deal["crm_id"], deal["status"], deal["status_date"]) for deal in found] == [
        ("D1", "WON", "2025-03-01"),
        ("D2", None, None),
    ]


def test_a_deal_belongs_to_the_lead_that_its_last_row_means() -> None:
    assert deals(a_row(deal_crm_id="D1"), a_row(deal_crm_id="D1", lead=OTHER))[0]["lead_id"] == OTHER.hex


@given(rows=ROWS)
def test_nothing_is_staged_twice(rows: list[LeadRow]) -> None:
    numbers = count(1)
    found = resolve(rows, {}, {}, lambda: UUID(int=next(numbers)))
    batch = build([item for item in found if isinstance(item, Resolved)], {})

    leads, contacts, keys = (
        batch.leads + batch.new_leads,
        batch.contacts + batch.new_contacts,
        batch.keys + batch.new_keys,
    )
    ids = {lead[0] for lead in leads}
    for unique in (
        [lead[0] for lead in leads],
        [contact[:2] for contact in contacts],
        [deal[0] for deal in batch.deals],
        [key for _, key in keys],
    ):
        assert len(set(unique)) == len(unique)
    owners = {*(contact[0] for contact in contacts), *(deal[1] for deal in batch.deals)}
    assert owners | {lead for lead, _ in keys} <= ids
    tables = {"staged_leads": leads, "staged_contacts": contacts, "staged_deals": batch.deals, "staged_keys": keys}
    for table, staged_rows in tables.items():
        assert all(len(row) == len(columns(table)) for row in staged_rows)


def test_a_row_counts_as_created_updated_or_unchanged() -> None:
    third = UUID(int=1003)
    tally = Tally(read=5)

    tally.count_merged(
        [a_row(is_new=True), a_row(), a_row(lead=OTHER), a_row(lead=OTHER), a_row(lead=third)], touched={OTHER}
    )

    assert tally == Tally(read=5, created=1, updated=3, unchanged=1)
    assert tally.balanced()


def test_a_second_batch_adds_to_the_first() -> None:
    tally = Tally(read=2)

    tally.count_merged([a_row(is_new=True)], touched=set())
    tally.count_merged([a_row()], touched={LEAD})

    assert tally == Tally(read=2, created=1, updated=1)


@given(
    batches=st.lists(
        st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=6).map(
            lambda rows: [a_row(lead=UUID(int=number), is_new=is_new) for number, is_new in rows]
        ),
        max_size=4,
    ),
    touched=st.sets(st.integers(1, 6).map(lambda number: UUID(int=number))),
    rejected=st.integers(0, 9),
    ignored=st.integers(0, 9),
)
def test_whatever_is_merged_the_tally_balances(
    batches: list[list[Resolved]], touched: set[UUID], rejected: int, ignored: int
) -> None:
    tally = Tally(read=sum(map(len, batches)) + rejected + ignored, rejected=rejected, ignored=ignored)

    for batch in batches:
        tally.count_merged(batch, touched)

    assert tally.balanced()
    assert tally.created == sum(item.is_new for batch in batches for item in batch)


@pytest.mark.parametrize("tally", [Tally(read=1), Tally(created=1), Tally(read=2, updated=1), Tally(read=0, ignored=1)])
def test_a_record_that_is_lost_or_counted_twice_is_noticed(tally: Tally) -> None:
    assert not tally.balanced()
