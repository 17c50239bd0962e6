"""Collections of bad files and of encodings that may lie beside the project are read as their own lists say."""

import json
import time
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from services.importer.core.binding import Binding
from services.importer.core.formulas import neutralised, restored
from services.importer.core.identity import Resolved, resolve
from services.importer.core.mapping import Mapping, bind
from services.importer.core.merge import fold_lead
from services.importer.core.record import LeadRow, Record, Refusal, Reject
from services.importer.core.table import Header, Table
from services.importer.core.targets import CustomField
from services.importer.reading import open_file
from services.importer.reject_file import RejectFile
from services.importer.text import FileRefused
from shared.ids import new_id

BESIDE = Path(__file__).parents[3].parent / "shared"
ENCODINGS = BESIDE / "encodings"
BAD_INPUTS = BESIDE / "bad-inputs"


def listed(file: Path) -> list[dict[str, Any]]:
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []


ENCODED = listed(ENCODINGS / "manifest.json")
ITEMS = {item["id"]: item for item in listed(BAD_INPUTS / "bad_inputs.json")}
needs_encodings = pytest.mark.skipif(not ENCODED, reason="no folder of encodings lies beside the project")
needs_bad_inputs = pytest.mark.skipif(not ITEMS, reason="no folder of bad inputs lies beside the project")


def table(data: bytes) -> Table:
    found = open_file(lambda: [data]).table
    assert isinstance(found, Table)
    return found


def bound(found: Table, fields: dict[str, str], **custom: CustomField) -> Binding:
    custom_fields = {key.removeprefix("field_"): field for key, field in custom.items()}
    binding = bind(Mapping(1, fields, {}, None, custom_fields), found.header)
    assert isinstance(binding, Binding)
    return binding


@needs_encodings
@pytest.mark.parametrize("entry", ENCODED, ids=lambda entry: entry["file"])
def test_every_encoding_is_told_and_read(entry: dict[str, Any]) -> None:
    file = ENCODINGS / entry["file"]

    found = table(file.read_bytes())

    rows = [list(found.header.names), *(list(row.cells) for row in found.records if isinstance(row, Record))]
    assert rows == json.loads((ENCODINGS / f"{entry['file']}.expected.json").read_text(encoding="utf-8"))


# By the name of the item: the columns, the rows, and the lines that are no plain rows; or why the file is refused.
Expected = tuple[list[str], list[list[str]], list[tuple[int, str]]] | str
CASES: dict[str, Expected] = {
    "C01": "empty_file",
    "C02": (["email", "company"], [], []),
    "C03": (["email", "company"], [["a@b.test", "X"]], []),
    "C04": (["email", "company"], [["a@b.test", "\u00dcn\u00efcode"]], []),
    "C06": (["email", "company"], [["b@b.test", "B"]], [(2, "nul_byte")]),
    "C07": "not_text",
    "C16": (
        ["email", "company", "city"],
        [["a@b.test", "A", ""], ["c@b.test", "C", "Y"]],
        [(2, "short_row"), (3, "extra_cells")],
    ),
    "C17": (
        ["email", "Email", "email", "", "email", "caf\u00e9", "cafe\u0301"],
        [["a@b.test", "b", "c", "d", "e", "f", "g"]],
        [],
    ),
    "C18": (["#1", "#2"], [["a@b.test", "A"], ["b@b.test", "B"]], []),
    "C20": (["email", "company"], [["a@b.test", "A"], ["b@b.test", "B"], ["c@b.test", "C\nC"]], []),
    "C22": (["email", "company", "amount"], [["a@b.test", "A;B", "1,50"]], []),
    "C23": "empty_file",
    "C24": (["email", "company"], [["a@b.test", "A"], ["\\.", ""], ["b@b.test", "B"]], [(3, "short_row")]),
    "Q01": (['x" int); drop table t; --', "email"], [["1", "a@b.test"]], []),
    "Q02": "bad_header",
    "V01": (["email", "company"], [["A@b.test", "First"], [" a@B.test ", "Second"]], []),
    "V03": (["email", "amount"], [["a@b.test", "1e999999"], ["b@b.test", "1"]], []),
    "V06": (
        ["email", "phone", "zip", "id", "code"],
        [["a@b.test", "00001234", "01234", "12345678901234567", "1E5"]],
        [],
    ),
    "V08": (
        ["email", "{{7*7}}", "${jndi:ldap://x/a}"],
        [["a@b.test", "<script>alert(1)</script>", "{0.__class__.__init__}"]],
        [],
    ),
}
ELSEWHERE = {"C08", "C09", "C10"}  # archives are told and unpacked before a file is read
ALONE = {"C11", "V05"}  # have a test of their own


def data_of(item: str) -> bytes:
    return (BAD_INPUTS / str(ITEMS[item]["file"])).read_bytes()


@needs_bad_inputs
def test_every_bad_file_is_looked_at() -> None:
    files = {name for name, item in ITEMS.items() if item["area"] in "CQV" and item["file"]}

    assert files == CASES.keys() | ELSEWHERE | ALONE


@needs_bad_inputs
@pytest.mark.parametrize("item", [*CASES, *sorted(ELSEWHERE)])
def test_every_bad_file_is_read_or_refused_as_expected(item: str) -> None:
    if item in ELSEWHERE:
        pytest.skip("archives are another part's business")
    expected = CASES[item]
    data = data_of(item)

    began = time.perf_counter()
    found = open_file(lambda: [data]).table

    assert time.perf_counter() - began < 1
    if isinstance(found, Refusal):
        assert found.code == expected
        return
    outcomes = list(found.records)
    rows = [list(outcome.cells) for outcome in outcomes if isinstance(outcome, Record)]
    odd = [
        (o.line, getattr(o, "flag", None) or getattr(o, "code", "")) for o in outcomes if getattr(o, "flag", "reject")
    ]
    assert (list(found.header.names), rows, odd) == expected


@needs_bad_inputs
def test_an_unclosed_quote_in_a_big_file_costs_its_line_alone() -> None:
    data = data_of("C11")

    found = list(table(data).records)

    (reject,) = (outcome for outcome in found if isinstance(outcome, Reject))
    assert (reject.line, reject.code) == (2, "unclosed_quote")
    assert len(found) == data.count(b"\n") - 1


@needs_bad_inputs
def test_a_header_with_one_name_three_times_is_never_silently_one_of_them() -> None:
    header = table(data_of("C17")).header

    for name in ("email", "EMAIL", "caf\u00e9"):
        found = bind(Mapping(1, {name: "LEAD_NAME"}, {}, None), header)
        assert isinstance(found, Refusal)
        assert found.code in ("duplicate_column", "company_name_not_mapped")


@needs_bad_inputs
def test_one_key_twice_is_one_lead_and_the_last_row_wins() -> None:
    found = table(data_of("V01"))
    binding = bound(found, {"email": "EMAIL", "company": "LEAD_NAME"})
    rows = binding.read([record for record in found.records if isinstance(record, Record)])

    resolved = resolve([row for row in rows if isinstance(row, LeadRow)], {}, {}, new_id)

    first, second = (item for item in resolved if isinstance(item, Resolved))
    assert first.lead_id == second.lead_id
    assert (first.is_new, second.is_new) == (True, False)
    assert fold_lead([first.row, second.row])[0] == "Second"


@needs_bad_inputs
def test_an_exponent_bomb_costs_its_cell_and_no_time() -> None:
    found = table(data_of("V03"))
    binding = bound(
        found, {"email": "LEAD_NAME", "amount": "CUSTOM.1"}, field_1=CustomField("Amount", "NUMBER")
    ).proven({})

    began = time.perf_counter()
    first, second = binding.read([record for record in found.records if isinstance(record, Record)])

    assert time.perf_counter() - began < 0.1
    assert isinstance(first, LeadRow)
    assert isinstance(second, LeadRow)
    assert [warning.code for warning in first.warnings] == ["number_too_large"]
    assert second.custom == (("CUSTOM.1", "1"),)


@needs_bad_inputs
def test_dates_that_are_none_are_left_out_each_with_a_code() -> None:
    found = table(data_of("V05"))
    binding = bound(found, {"email": "LEAD_NAME", "date": "LEAD_STATUS_DATE"}).proven({})

    rows = binding.read([record for record in found.records if isinstance(record, Record)])

    leads = [row for row in rows if isinstance(row, LeadRow)]
    assert [lead.status_date for lead in leads] == [None] * 6
    assert [warning.code for lead in leads for warning in lead.warnings] == [
        "date_impossible",
        "date_ambiguous",
        "date_impossible",
        "date_not_understood",
        "date_not_understood",
        "date_not_understood",
    ]


@needs_bad_inputs
@pytest.mark.parametrize("item", sorted(name for name, item in ITEMS.items() if item["area"] == "X"))
def test_formulas_are_text_in_every_file_for_people_and_come_back(item: str) -> None:
    said = ITEMS[item]["input"]
    if not said.startswith("lead cell `"):
        pytest.skip("logs and metrics are another part's business")
    cell = said.removeprefix("lead cell `").partition("` then")[0].replace("\\r", "\r").partition(" (semicolon")[0]

    with RejectFile(("Company",), 10) as file:
        file.add([Reject(2, None, "extra_cells", "", cells=(cell,))])
        data = b"".join(file.chunks())
    (row,) = (outcome for outcome in table(data).records if isinstance(outcome, Record))

    assert row.cells[0] == neutralised(cell)
    assert row.cells[0][0] not in "=+-@\t\r"
    assert restored(row.cells[0]) == cell


def test_a_cell_of_ten_megabytes_costs_its_row_alone() -> None:
    data = b"email,company\na@b.test," + b"x" * 10_000_000 + b"\nb@b.test,B\n"

    found = list(table(data).records)

    assert [(type(outcome), outcome.line) for outcome in found] == [(Reject, 2), (Record, 3)]
    assert isinstance(found[0], Reject)
    assert found[0].code == "cell_too_large"


def test_a_huge_file_without_line_ends_is_refused_in_little_memory() -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(64):
            yield b"x" * 1024 * 1024

    tracemalloc.start()
    try:
        with pytest.raises(FileRefused) as caught:
            open_file(chunks)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert caught.value.refusal.code == "too_large"
    assert peak < 160 * 1024 * 1024  # measured: 119 MiB, for the longest line that is held


def test_a_header_of_a_million_columns_is_refused_at_once() -> None:
    data = ",".join(f"c{number}" for number in range(1_000_000)).encode()

    began = time.perf_counter()
    found = open_file(lambda: [data]).table

    assert isinstance(found, Refusal)
    assert found.code == "too_many_columns"
    assert time.perf_counter() - began < 2  # measured: 0.2 s


def test_a_million_rows_stream_in_little_memory() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"Company,City\n"
        for _ in range(10):
            yield b"a,b\n" * 100_000

    began = time.perf_counter()
    found = open_file(chunks).table
    assert isinstance(found, Table)
    count = sum(1 for _ in islice(found.records, 900_000))
    tracemalloc.start()
    try:
        count += sum(1 for _ in found.records)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 1_000_000
    assert peak < 32 * 1024 * 1024
    assert time.perf_counter() - began < 30  # measured: 4 s


@pytest.mark.parametrize(
    ("target", "cell", "code"),
    [
        ("LEAD_WEBSITE", "javascript:alert(1)", "bad_website"),
        ("LEAD_WEBSITE", "http://169.254.169.254/", "bad_website"),
        ("EMAIL", "a@b@c", "bad_email"),
        ("EMAIL", "x" * 65_536 + "@b.test", "too_long"),
    ],
)
def test_addresses_are_data_and_bad_ones_cost_their_cell_alone(target: str, cell: str, code: str) -> None:
    binding = bind(Mapping(1, {"a": "LEAD_NAME", "b": target}, {}, None), Header(1, ("a", "b")))
    assert isinstance(binding, Binding)

    (row,) = binding.read([Record(2, ("Acme", cell))])

    assert isinstance(row, LeadRow)
    assert [warning.code for warning in row.warnings] == [code]
    assert (row.website, row.email) == (None, None)
