"""A line whose quotes are not doubled still has its cells, if their number bears it out."""

import csv
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.dialect import Dialect
from services.importer.core.salvage import split_leniently

COMMA = Dialect(",")


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("a,b\r\n", ("a", "b")),
        ("", ("",)),
        (",", ("", "")),
        ('"",""\n', ("", "")),
        ('1,"the "best" shop",2', ("1", 'the "best" shop', "2")),
        ('"a"b,c', None),
        ('"Acme" Ltd","x"', ('Acme" Ltd', "x")),
        ('"a "" b",c', ('a " b', "c")),
        ('"a, b",c', ("a, b", "c")),
        ('"a","b', None),
        ('"', None),
        ('a "b" c,d', ('a "b" c', "d")),
        ('"a",', ("a", "")),
    ],
)
def test_only_a_quote_before_a_separator_or_the_end_closes_a_cell(line: str, cells: tuple[str, ...] | None) -> None:
    assert split_leniently(line, COMMA) == cells


def test_the_separator_may_be_several_characters() -> None:
    assert split_leniently('"a "b" c"||d|e', Dialect("||")) == ('a "b" c', "d|e")


def test_the_quote_may_be_an_apostrophe_or_none() -> None:
    assert split_leniently("'it's','x'", Dialect(",", "'")) == ("it's", "x")
    assert split_leniently('"a"b,c', Dialect(",", "")) is None


@given(cells=st.lists(st.text('ab" ;', max_size=6), min_size=1, max_size=5))
def test_a_line_that_was_written_well_keeps_its_cells(cells: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow(cells)

    assert split_leniently(out.getvalue(), COMMA) == tuple(cells)


@pytest.mark.parametrize("unit", ['"', '",', '"x', '","', '"a"b,', "a,", '""'])
def test_hostile_lines_are_split_in_linear_time(unit: str) -> None:
    line = unit * (900_000 // len(unit))

    began = time.perf_counter()
    split_leniently(line, COMMA)

    assert time.perf_counter() - began < 2
