"""A cell is told by its looks, at a bounded cost."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.shapes import kind_of


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("empty", ["", "  ", "-", "N/A", "null", "#N/A"]),
        ("number", ["12", "-1.5", "1,5", "1 234,50", "1,234.5", "1'000", "1e5", "12 %", ".5", "\u22121"]),
        ("money", ["\u20ac12", "$1,234.50", "12,50 \u20ac", "EUR 5", "-\u00a33"]),
        ("time", ["12:30", "2026-03-04", "04/03/2026", "4.3.26", "2026-03-04T10:00:00Z", "3 mars 2026", "May 3, 2026"]),
        ("email", ["a@acme.fr", "jean.dupont+x@acme.co.uk"]),
        ("url", ["https://acme.fr/x?y=1", "www.acme.fr", "acme.fr", "ftp://x.y"]),
        ("path", ["/a/b", "C:\\temp\\x"]),
        ("phone", ["+33 1 23 45 67 89", "(01) 23-45-67", "01.23.45.67.89"]),
        ("uuid", ["0190a1b2-0000-7000-8000-000000000001"]),
        ("code", ["A12", "1E5x", "A12-xy/3", "2B:1"]),
        ("text", ["Acme", "Acme & Fils", "L'Oreal", "Soci\u00e9t\u00e9 (Paris)", "\u682a\u5f0f\u4f1a\u793e", "A. B."]),
        ("odd", ["a;b", "a|b", "a,b", '"a', "{x}", "<b>", "a\tb", "\\N", "=1"]),
    ],
)
def test_each_cell_has_the_kind_that_a_person_sees(kind: str, cells: list[str]) -> None:
    assert {cell: kind_of(cell) for cell in cells} == dict.fromkeys(cells, kind)


@given(cell=st.text(max_size=30))
def test_spaces_around_a_cell_make_no_difference(cell: str) -> None:
    assert kind_of(f" {cell}\n") == kind_of(cell)


@pytest.mark.parametrize("unit", ["1", "1 ", "1,", "a-", "a.", "/a", "@", "x@y.", "\\a", "0-", "(", "\u00e9"])
def test_hostile_cells_take_no_time(unit: str) -> None:
    began = time.perf_counter()
    kind_of(unit * 500_000 + "!")

    assert time.perf_counter() - began < 0.1
