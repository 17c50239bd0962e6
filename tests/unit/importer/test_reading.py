"""A file is opened by its bytes alone: any good table reads back, and damage costs the damaged line alone."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.header import fold
from services.importer.core.record import Familiar, Record, Refusal, Reject, Skipped
from services.importer.core.rows import Limits
from services.importer.core.table import Header, Table
from services.importer.reading import Misread, Opened, open_file
from services.importer.text import FileRefused
from shared.contracts import CsvOptions, Reading

Rows = list[list[str]]
PLAIN: Rows = [
    ["Acme", "Paris", "12"],
    ["Beta SA", "Lyon", "7"],
    ["Gamma & Fils", "Lille", "310"],
    ["Delta", "Nice", "5"],
    ["Epsilon", "Brest", "41"],
    ["Zeta", "Metz", "9"],
]
TITLE = ["Company", "City", "Employees"]


def opened(data: bytes, options: CsvOptions | None = None, known: frozenset[str] = frozenset()) -> Opened:
    return open_file(lambda: [data], options or CsvOptions(), known=known)


def table(data: bytes, options: CsvOptions | None = None) -> Table:
    found = opened(data, options).table
    assert isinstance(found, Table)
    return found


def read_back(data: bytes) -> Rows:
    found = table(data)
    return [list(found.header.names), *(list(row.cells) for row in found.records if isinstance(row, Record))]


def odd(found: Table) -> list[tuple[int, str]]:
    """The lines that are no plain rows, each with its code."""
    return [
        (outcome.line, outcome.flag if isinstance(outcome, Record) else outcome.code)
        for outcome in found.records
        if not isinstance(outcome, Familiar) and (not isinstance(outcome, Record) or outcome.flag)
    ]


def written(rows: Rows, delimiter: str, quote: str, escape: str, end: str, *, all_quoted: bool) -> str:
    """The rows as programs write them, also under the dialects that csv.writer does not know."""

    def cell(text: str) -> str:
        plain = not any(mark in text for mark in (delimiter[0], quote, escape, "\r", "\n"))
        if plain and not all_quoted:
            return text
        text = text.replace("\\", "\\\\") if escape == "\\" else text
        return f"{quote}{text.replace(quote, escape + quote)}{quote}"

    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


# U+FDD0 stands for a delimiter of several characters, and is no character of any text.
CELL = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufeff\ufdd0"), max_size=12)
NASTY = st.text("ab1\",;|\t: '\\\r\n\u2028\x85=", max_size=8)
# More lines, with separators in them, may be rows that a stray quote swallowed.
ROW = st.lists(CELL | NASTY, min_size=3, max_size=3).filter(
    lambda row: any(map(str.strip, row)) and sum(cell.count("\n") + cell.count("\r") for cell in row) <= 2
)


@settings(max_examples=250)
@given(
    delimiter=st.sampled_from([",", ";", "\t", "|", ":", "||"]),
    quote=st.sampled_from("\"'"),
    backslash=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    all_quoted=st.booleans(),
    rows=st.lists(ROW, max_size=4),
)
def test_any_table_reads_back_to_its_cells(
    *, delimiter: str, quote: str, backslash: bool, end: str, all_quoted: bool, rows: Rows
) -> None:
    # Given a handful of plain rows, and some that show how quotes and separators are written inside cells
    telling = [
        [f"Theta {quote}the best{quote} SA", f"Le Mans{delimiter} Sarthe", "3"],
        [f"{delimiter} Iota", "Tours", "4"],
    ]
    wanted = [TITLE, *PLAIN, *telling, *rows, ["Eta", "Caen", "8"]]
    # Apostrophes that stand only where they must are those of names too.
    all_quoted |= quote == "'"

    text = written(wanted, delimiter, quote, "\\" if backslash else quote, end, all_quoted=all_quoted)

    if delimiter != "||" or all_quoted or "|" not in "".join(map("".join, rows)):
        assert read_back(text.encode()) == wanted


QUOTED = [
    ["\u00c9t\u00e9, Fils", 'the "best"\nof \u00e9', "6"],
    ["Caf\u00e9", "Orl\u00e9ans, \u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "1"],
]
DAMAGES: dict[str, Callable[[str], bytes]] = {
    "an extra separator": lambda line: line.replace(",", ",,", 1).encode(),
    "a missing separator": lambda line: line.replace(",", "", 1).encode(),
    "a lone quote at the start of the line": lambda line: b'"' + line.encode(),
    "a lone quote at the start of a cell": lambda line: line.replace(",", ',"', 1).encode(),
    "a quote amid a cell": lambda line: (line[:1] + '"' + line[1:]).encode(),
    "a NUL": lambda line: b"\0" + line.encode(),
    "an undecodable byte": lambda line: b"\xff" + line.encode(),
    "half a character": lambda line: line.encode()[:2] + b"\xc3" + line.encode()[2:],
}


@settings(max_examples=200)
@given(
    damage=st.sampled_from(list(DAMAGES)),
    rows=st.permutations(
        [*PLAIN, *QUOTED, ["Caf\u00e9", "Orl\u00e9ans \u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9", "2"]]
    ),
    place=st.integers(0, 5),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_damage_to_one_line_is_told_of_that_line_and_leaves_every_other_record(
    damage: str, rows: Rows, place: int, end: str
) -> None:
    # Given a good file, and one of its plain lines that is damaged
    damaged = rows.index(PLAIN[place])
    lines = [written([row], ",", '"', '"', end, all_quoted=False) for row in [TITLE, *rows]]
    number = sum(line.count("\n") for line in lines[: damaged + 1]) + 1
    bad = DAMAGES[damage](lines[damaged + 1])

    data = b"".join([*(line.encode() for line in lines[: damaged + 1]), bad, *map(str.encode, lines[damaged + 2 :])])
    found = table(data)
    outcomes = list(found.records)

    # Then that line alone is rejected or flagged
    assert found.header == Header(1, tuple(TITLE))
    told = [outcome.line for outcome in outcomes if not isinstance(outcome, Record) or outcome.flag]
    assert told == [number]
    kept = [list(outcome.cells) for outcome in outcomes if isinstance(outcome, Record) and not outcome.flag]
    assert kept == rows[:damaged] + rows[damaged + 1 :]


@settings(max_examples=300)
@given(data=st.text("ab1\",;|\t'\r\n\0 #=\\\u00e9", max_size=120).map(str.encode) | st.binary(max_size=120))
def test_any_bytes_are_a_table_or_refused_and_every_line_is_accounted_for_once(data: bytes) -> None:
    found, outcomes = None, []
    with suppress(FileRefused):
        found = opened(data).table
        outcomes = [] if isinstance(found, Refusal) else [*found.before, *found.records]

    lines = [outcome.line for outcome in outcomes]
    assert lines == sorted(set(lines))
    if isinstance(found, Table):
        assert found.header.line not in lines
        rows = [outcome for outcome in outcomes if isinstance(outcome, Record)]
        others = [outcome for outcome in outcomes if isinstance(outcome, Reject | Skipped)]
        assert len(outcomes) == len(rows) + len(others)
        assert all(len(row.cells) == len(found.header.names) for row in rows)


UNITS = ['"\n', '"', ',"', '",\n', 'a,"b\n', "\n", "\r", ",", ";|\t,", '"a"b,\n', '""\n"', "'\n", '\\"\n', "a||b\n"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_crafted_megabyte_takes_no_more_than_seconds(unit: str) -> None:
    data = ("Company,City\n" + unit * (1_000_000 // len(unit))).encode()

    began = time.perf_counter()
    found = opened(data).table
    if isinstance(found, Table):
        assert sum(1 for _ in found.records) >= 0

    assert time.perf_counter() - began < 10  # measured: 2 s at most


def test_it_is_told_how_a_file_is_read() -> None:
    text = "Export\r\nSoci\u00e9t\u00e9;Ville\r\n" + "L'\u00c9picerie;Orl\u00e9ans, pr\u00e8s de l'\u00e9glise\r\n" * 9

    reading = opened(text.encode("cp1252")).reading

    assert reading is not None
    assert reading == Reading(
        encoding=reading.encoding,
        encoding_confidence=reading.encoding_confidence,
        delimiter=";",
        quote='"',
        escape="",
        line_end="CRLF",
        header_line=2,
    )
    assert text.encode("cp1252").decode(reading.encoding) == text


def test_the_admin_s_options_come_before_what_is_detected() -> None:
    data = "Soci\u00e9t\u00e9;Ville\n'A;B';C\n".encode("cp1252")
    options = CsvOptions(encoding="cp1252", delimiter=";", quote="'")

    found = opened(data, options)

    assert isinstance(found.table, Table)
    assert found.table.header.names == ("Soci\u00e9t\u00e9", "Ville")
    assert [(row.line, row.cells) for row in found.table.records if isinstance(row, Record)] == [(2, ("A;B", "C"))]
    assert found.reading is not None
    assert (found.reading.encoding, found.reading.encoding_confidence) == ("cp1252", 100)
    assert read_back(data) != [["Soci\u00e9t\u00e9", "Ville"], ["A;B", "C"]]


def test_a_declared_delimiter_is_kept_whole_and_no_longer_one_is_guessed() -> None:
    data = b"a||b\n1||2\n3||4\n"

    assert table(data).header.names == ("a", "b")
    assert table(data, CsvOptions(delimiter="|")).header.names == ("a", "", "b")


def test_a_declared_encoding_that_does_not_go_with_the_file_refuses_it() -> None:
    with pytest.raises(FileRefused) as caught:
        opened(b"abc", CsvOptions(encoding="utf-16-le"))

    assert caught.value.refusal.code == "decode_failed"


def test_bytes_that_are_no_text_in_a_declared_encoding_cost_their_rows_alone() -> None:
    found = table(b"Company,City\nCaf\xe9,x\nAcme,Paris\n", CsvOptions(encoding="utf-8"))

    assert odd(found) == [(2, "bad_text")]


def test_a_refused_file_has_no_table_and_a_reading_only_if_it_was_text() -> None:
    binary, empty = opened(b"PK\x03\x04"), opened(b"\n\n")

    assert (binary.reading, binary.table) == (None, Refusal("not_text", binary.table.reason))  # type: ignore[union-attr]
    assert isinstance(empty.table, Refusal)
    assert empty.reading is not None
    assert (empty.table.code, empty.reading.header_line) == ("empty_file", None)


def test_names_of_a_saved_mapping_find_the_header() -> None:
    data = b"a@acme.fr,Acme\nMail,Firm\nb@beta.fr,Beta\n"

    assert opened(data).table.header.line is None  # type: ignore[union-attr]
    found = opened(data, known=frozenset(map(fold, ("MAIL", "Firm")))).table
    assert isinstance(found, Table)
    assert found.header.line == 2


def test_limits_hold() -> None:
    found = open_file(lambda: [b"a,b,c\n1,2,3\n"], limits=Limits(columns=2)).table

    assert isinstance(found, Refusal)
    assert found.code == "too_many_columns"


def test_the_bytes_are_asked_for_once_to_tell_the_encoding_and_once_for_the_rows() -> None:
    times = 0

    def read() -> Iterable[bytes]:
        nonlocal times
        times += 1
        return [b"Company,City\n", b"Acme,Paris\n"]

    assert isinstance(open_file(read).table, Table)
    assert times == 2


def test_rows_come_while_the_file_is_read() -> None:
    taken = 0

    def chunks() -> Iterator[bytes]:
        nonlocal taken
        yield b"Company,City\n"
        for _ in range(500):
            taken += 1
            yield b"Acme,Paris\n" * 1_000

    found = open_file(chunks).table
    assert isinstance(found, Table)
    taken = 0
    next(found.records)

    assert taken < 20


def test_a_hundred_thousand_rows_are_read_fast() -> None:
    data = b"Company,City,Size\n" + b"Acme,Paris,12\n" * 100_000

    began = time.perf_counter()
    assert sum(1 for _ in table(data).records) == 100_000

    assert time.perf_counter() - began < 3  # measured: 0.4 s; the slack is for busy machines


class TestAHastyLook:
    CAFE = "Company,City\nCafé,Orléans\n"
    PLAIN = b"Company,City\n" + b"Acme,Paris\n" * 3

    def test_reads_the_bytes_once_and_finds_the_same(self) -> None:
        reads: list[bytes] = []

        def read() -> Iterable[bytes]:
            reads.append(self.PLAIN)
            return [self.PLAIN, *([self.CAFE.encode()] * 2)]

        hasty, careful = open_file(read, hasty=True), open_file(read)
        found = [opened.readable() for opened in (hasty, careful)]

        assert len(reads) == 1 + 2
        assert found[0][0] == found[1][0]
        assert list(found[0][1].records) == list(found[1][1].records)
        # Only now the whole file was seen
        assert hasty.survey.lines == careful.survey.lines == 8

    @pytest.mark.parametrize("rows", [200, 20_000])
    def test_says_with_the_last_bytes_that_the_beginning_told_another_encoding(self, rows: int) -> None:
        rest = self.CAFE.encode("cp1252") * rows

        with pytest.raises(Misread):
            deque(open_file(lambda: [self.PLAIN, rest], hasty=True).readable()[1].records, maxlen=0)

    def test_takes_a_declared_encoding_at_its_word(self) -> None:
        declared = CsvOptions(encoding="cp1252")
        _, found = open_file(lambda: [self.PLAIN, self.CAFE.encode("cp1252")], declared, hasty=True).readable()

        assert [row.cells[0] for row in found.records if isinstance(row, Record)][-1] == "Café"


@pytest.mark.parametrize(("data", "lines"), [(b"a,b\n1,2\n3,4", 2), (b"a,b\r1,2\r", 2), (b"a,b\r\n1,2\r\n", 2)])
def test_it_is_told_how_many_line_ends_the_file_has(data: bytes, lines: int) -> None:
    assert open_file(lambda: [data[:5], data[5:]]).survey.lines == lines
    assert open_file(lambda: [data], cut=True).survey.lines == 0
    assert opened(b"\xef\xbb\xbf" + data).survey.lines == 0  # the mark ends the look at the bytes
