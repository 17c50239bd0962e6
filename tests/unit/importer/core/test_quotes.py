"""Quotes that are a mistake are told from those around cells, doubled ones and the sign for inches."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.dialect import Dialect
from services.importer.core.quotes import Quotes

COMMA = Quotes(Dialect(","), width=3)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('Acme"x,Paris,1', ['Acme"x', "Paris", "1"]),
        ('Acme,Paris",1', ["Acme", 'Paris"', "1"]),
        ('Acme,Boots"Made of felt, warm."', ["Acme", 'Boots"Made of felt', ' warm."']),
    ],
)
def test_a_lone_quote_is_stray(text: str, cells: list[str]) -> None:
    assert COMMA.is_stray(text, cells)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('"Acme","Paris",1', ["Acme", "Paris", "1"]),
        ('"the ""best"" shop",Paris,1', ['the "best" shop', "Paris", "1"]),
        ('5" pipe,Paris,1', ['5" pipe', "Paris", "1"]),
        ('"Acme, Inc.",Paris,1', ["Acme, Inc.", "Paris", "1"]),
    ],
)
def test_a_quote_that_means_something_is_not(text: str, cells: list[str]) -> None:
    assert not COMMA.is_stray(text, cells)


def test_with_backslashes_or_without_quotes_none_is_stray() -> None:
    assert not Quotes(Dialect(",", escape="\\"), 3).is_stray('Acme"x,Paris,1', ['Acme"x', "Paris", "1"])
    assert not Quotes(Dialect(",", ""), 3).is_stray('Acme"x,Paris,1', ['Acme"x', "Paris", "1"])


def test_a_record_of_the_wrong_width_with_a_whole_row_inside_has_swallowed_it() -> None:
    # Given that the quote before "Paris" was closed by one two rows below
    cells = ["Acme", "Paris,1\nBeta,Lyon,2\nGamma", "Lille", "3"]

    assert COMMA.swallowed_rows(cells)
    assert not Quotes(Dialect(","), width=0).swallowed_rows(cells)


def test_text_of_several_lines_has_swallowed_nothing() -> None:
    assert not COMMA.swallowed_rows(["Acme", "12 rue de la Paix\n75002 Paris, France", "1"])
    assert not COMMA.swallowed_rows(["Acme", "a note, with commas, that are prose\nand more", "1"])


def test_a_record_that_is_as_wide_as_the_table_by_chance_is_told_by_all_its_lines() -> None:
    lines = "\n".join(f"C{number},Paris,{number}" for number in range(5))

    assert COMMA.swallowed_rows(["Acme", f"Lyon,1\n{lines}\nBeta,Nice", "9"])


@given(lines=st.lists(st.text('ab", 5\u00a0', max_size=12), max_size=5), mark=st.sampled_from([",", " ", "\t"]))
def test_lines_among_which_one_has_a_stray_quote_may_have_one(lines: list[str], mark: str) -> None:
    quotes = Quotes(Dialect(mark), width=3)
    stray = any(quotes.is_stray(line, line.split(mark)) for line in lines)

    assert quotes.may_be_stray("".join(f"{line}\r\n" for line in lines), lines) or not stray


def test_ordinary_quoted_lines_have_no_stray_quote() -> None:
    lines = ['"Acme","Paris","a ""b"" c"\n', 'Beta,"Lyon, 3e",7\n']

    assert not COMMA.may_be_stray("".join(lines), lines)
