"""Reads physical lines into records: strict about quotes, bounded, and a bad record costs nothing but itself."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from services.importer.core.dialect import Dialect
from services.importer.core.record import Blank, Record, Refusal, Reject

_BOM = "\ufeff"
_REASONS = {
    "unclosed_quote": "A quote that opens a cell of this record is not closed properly. Close it, and double"
    " each quote inside a quoted cell.",
    "bad_quoting": "There is text after the closing quote of a cell. Double each quote inside a quoted cell.",
    "record_too_large": "This line is far too long for one record. Check its line ends and quotes.",
    "cell_too_large": "A cell of this record holds too much text. Shorten it.",
    "nul_byte": "A cell of this record holds a NUL character. Remove it, or export the file as UTF-8 text.",
    "bad_text": "This record holds half of a character. Export the file as UTF-8 text.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest record that is still read, in physical lines, characters and cells."""

    record_lines: int = 1_000
    record_chars: int = 1_000_000
    cell_chars: int = 100_000
    columns: int = 2_000


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, stripped; a blank name cannot be mapped, a name may stand more than once."""

    line: int
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A header, the number of blank records before it, and the records after it, each as wide as the header."""

    header: Header
    blank_before: int
    records: Iterator[Record | Reject | Blank]


def read(lines: Iterable[str], dialect: Dialect, limits: Limits = LIMITS) -> Iterator[Record | Reject | Blank]:
    """Yield one outcome for each record, in order and with the line on which it begins.

    `lines` keep their line ends and are split at LF, CRLF and CR only. A record whose quote does not close is
    rejected at its first line, and reading goes on at the very next line. The cost is linear in the text.
    """
    # The limit belongs to the whole process: it is only ever raised, so that no other reader meets a surprise.
    csv.field_size_limit(max(csv.field_size_limit(), limits.record_chars + 1))
    yield from _Reader(lines, dialect, limits)


def read_table(lines: Iterable[str], dialect: Dialect, limits: Limits = LIMITS) -> Table | Refusal:
    """Read the header, then yield records padded to its width; surplus cells are dropped if empty, else rejected."""
    outcomes = read(lines, dialect, limits)
    blanks = 0
    for outcome in outcomes:
        if isinstance(outcome, Blank):
            blanks += 1
        elif isinstance(outcome, Reject):
            return Refusal("bad_header", f"Line {outcome.line}, the header, cannot be read. {outcome.reason}")
        else:
            top = header(outcome, limits)
            return top if isinstance(top, Refusal) else Table(top, blanks, _fitted(outcomes, len(top.names)))
    return Refusal("empty_file", "The file holds no text. It needs a header row with the names of the columns.")


def header(first: Record, limits: Limits = LIMITS) -> Header | Refusal:
    """Take the first record as the names of the columns."""
    names = tuple(cell.strip().lstrip(_BOM).strip() for cell in first.cells)
    if any("\0" in name for name in names):
        return Refusal("bad_header", f"Line {first.line}, the header, cannot be read. {_REASONS['nul_byte']}")
    width = max((place for place, name in enumerate(names, 1) if name), default=0)
    if not width:
        return Refusal("bad_header", f"No column has a name in line {first.line}, the header. Name the columns.")
    if width > limits.columns:
        return Refusal("too_many_columns", f"The file has {width} columns; at most {limits.columns} can be imported.")
    return Header(first.line, names)


def _fitted(outcomes: Iterator[Record | Reject | Blank], width: int) -> Iterator[Record | Reject | Blank]:
    for outcome in outcomes:
        if type(outcome) is Record and len(outcome.cells) != width:
            yield _fit(outcome, width)
        else:
            yield outcome


def _fit(record: Record, width: int) -> Record | Reject:
    cells, count = record.cells, len(record.cells)
    if count < width:
        return Record(record.line, cells + ("",) * (width - count))
    if any(map(str.strip, cells[width:])):
        reason = f"The record has {count} cells, the header {width}. Put quotes around cells that hold the separator."
        return Reject(record.line, None, "extra_cells", reason)
    return Record(record.line, cells[:width])


def _reject(line: int, code: str) -> Reject:
    return Reject(line, None, code, _REASONS[code])


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class _Reader:
    """Parses line by line and looks ahead only where a quote stays open.

    A line ends either between records or inside quotes, so where a failed look ahead got to holds for every later
    record that opens inside its reach: no line is looked at more than once from inside quotes.
    """

    def __init__(self, lines: Iterable[str], dialect: Dialect, limits: Limits) -> None:
        self._source = iter(lines)
        self._limits = limits
        self._quote = dialect.quote
        self._csv = csv.reader((), delimiter=dialect.delimiter, quotechar=dialect.quote, strict=True).dialect
        self._ahead: deque[str] = deque()
        self._line = 0  # number of the line at hand
        self._chars = 0  # characters up to the end of it
        self._open_line = 0  # whoever is inside quotes before this line still is at its end...
        self._open_chars = 0  # ...where so many characters were read...
        self._doomed = False  # ...and whose quote closes wrongly, or never, after it

    def __iter__(self) -> Iterator[Record | Reject | Blank]:
        line = self._take()
        if line is not None:
            line = line.removeprefix(_BOM)
        while line is not None:
            yield self._outcome(line)
            line = self._take()

    def _take(self) -> str | None:
        line = self._ahead.popleft() if self._ahead else next(self._source, None)
        if line is not None:
            self._line += 1
            self._chars += len(line)
        return line

    def _outcome(self, line: str) -> Record | Reject | Blank:
        number = self._line
        if len(line) > self._limits.record_chars:
            return _reject(number, "record_too_large")
        try:
            # The second line closes what the first leaves open, and is asked for only then.
            reader = csv.reader((line, self._quote), self._csv)
            cells, text = next(reader), line
            if reader.line_num > 1:
                more = self._lines_to_close(len(line))
                if not more:
                    return _reject(number, "unclosed_quote")
                lines = [line, *islice(iter(self._take, None), more)]
                cells, text = next(csv.reader(lines, self._csv)), "".join(lines)
        except csv.Error:
            return _reject(number, "bad_quoting")
        return self._checked(number, cells, text)

    def _checked(self, number: int, cells: list[str], text: str) -> Record | Reject | Blank:
        if "\0" in text:
            return _reject(number, "nul_byte")
        if not text.isascii() and not _encodable(text):
            return _reject(number, "bad_text")
        limit = self._limits.cell_chars
        if len(text) > limit and any(len(cell) > limit for cell in cells):
            return _reject(number, "cell_too_large")
        if not any(map(str.strip, cells)):
            return Blank(number)
        return Record(number, tuple(cells))

    def _lines_to_close(self, length: int) -> int:
        """Count the lines after the one at hand until its quote closes; 0 when it does not within the limits."""
        first, limits = self._line, self._limits
        if self._open_line < first:
            self._open_line, self._open_chars, self._doomed = first, self._chars, False
        last_chars = self._chars - length + limits.record_chars
        while not self._doomed and self._open_line - first + 1 < limits.record_lines:
            line = self._peek(self._open_line - first)
            if line is not None and self._open_chars + len(line) > last_chars:
                return 0
            match self._from_inside(line):
                case "closes":
                    return self._open_line - first + 1
                case "stays open":
                    self._open_line += 1
                    self._open_chars += len(line or "")
                case "breaks":
                    self._doomed = True
        return 0

    def _peek(self, place: int) -> str | None:
        if place < len(self._ahead):
            return self._ahead[place]
        line = next(self._source, None)
        if line is not None:
            self._ahead.append(line)
        return line

    def _from_inside(self, line: str | None) -> Literal["closes", "stays open", "breaks"]:
        """Tell what becomes of a quoted cell that is open where this line begins; the end of the file breaks it."""
        if line is None:
            return "breaks"
        reader = csv.reader((self._quote, line, self._quote), self._csv)
        try:
            next(reader)
        except csv.Error:
            return "breaks"
        return "closes" if reader.line_num == 2 else "stays open"
