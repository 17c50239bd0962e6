"""Rows that mean the same have the same number, and no others."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.content import content
from services.importer.core.record import Contact, LeadRow, Warning_

CELLS = st.none() | st.text('ab\0\x1f,"\u00e9', max_size=3)
KEPT = [13_404_637_986_817_155_799, 13_409_259_862_244_374_304]
PLAIN = ("website", "status", "status_date", "city", "owner", "deal_crm_id", "unknown_status")
ROWS = st.builds(
    LeadRow,
    line=st.integers(1, 9),
    name=CELLS.map(lambda cell: cell or "x"),
    status_from_default=st.booleans(),
    leadbay_id=st.none() | st.sampled_from([UUID(int=1), UUID(int=2)]),
    custom=st.dictionaries(st.sampled_from(["CUSTOM.1", "CUSTOM.2"]), st.text("a\0", max_size=2)).map(
        lambda fields: tuple(sorted(fields.items()))
    ),
    contact=st.none() | st.builds(Contact, first_name=st.just("a"), last_name=CELLS, linkedin=CELLS),
    cells=st.just(("x",)),
    raw=st.integers(0, 9),
    **dict.fromkeys(PLAIN, CELLS),
)


def meaning(row: LeadRow) -> tuple[Any, ...]:
    return row._replace(line=0, warnings=(), cells=(), raw=0)


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, max_size=12))
def test_rows_have_the_same_number_exactly_when_they_mean_the_same(rows: list[LeadRow]) -> None:
    numbers = content(rows)

    assert len({*zip(map(meaning, rows), numbers, strict=True)}) == len({*numbers}) == len({*map(meaning, rows)})


@settings(max_examples=50, deadline=None)
@given(st.lists(ROWS, max_size=6))
def test_the_number_of_a_row_does_not_depend_on_the_others(rows: list[LeadRow]) -> None:
    assert content(rows) == [number for row in rows for number in content([row])]


def test_where_a_row_stands_and_what_was_odd_about_it_is_no_part_of_what_it_means() -> None:
    row = LeadRow(2, "Acme", city="Lyon")
    moved = row._replace(line=9, warnings=(Warning_(9, None, "short_row", "x"),), cells=("Acme", "Lyon"), raw=7)

    assert content([row]) == content([moved])


@pytest.mark.parametrize(
    "other",
    [
        LeadRow(2, "Acme", city="", owner="Zoe"),
        LeadRow(2, "Acme", city="Zoe"),
        LeadRow(2, "Acme", contact=Contact(first_name="Zoe")),
        LeadRow(2, "Acme", custom=(("CUSTOM.1", "Zoe"),)),
        LeadRow(2, "Acme\0", owner="Zoe"),
        LeadRow(2, "Acme", owner="Zoe", status_from_default=True),
    ],
    ids=lambda row: "-".join(name for name, value in row._asdict().items() if value),
)
def test_each_field_and_each_empty_text_counts(other: LeadRow) -> None:
    assert content([other]) != content([LeadRow(2, "Acme", owner="Zoe")])


def test_the_numbers_are_those_that_were_kept_by_earlier_versions() -> None:
    row = LeadRow(
        line=2,
        name="Soci\u00e9t\u00e9",
        website="acme.fr",
        leadbay_id=UUID(int=1),
        custom=(("CUSTOM.1", "a"), ("CUSTOM.2", "b")),
        contact=Contact(email="a@acme.fr"),
    )

    assert content([row, row._replace(city="\0")]) == KEPT
