"""Reads physical lines into records: strict about quotes, bounded, and a bad record costs nothing but itself."""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from services.importer.core.dialect import Dialect
from services.importer.core.quotes import Quotes
from services.importer.core.record import Record, Reject, Skipped

_BOM = "\ufeff"
_END_OF_FILE = "\x1a"  # Ctrl-Z, with which programs of DOS end a file
_KEPT_CHARS = 10_000  # of a record that could not be split
REASONS = {
    "unclosed_quote": "A quote that opens a cell of this record is not closed properly. Close it, and double"
    " each quote inside a quoted cell.",
    "bad_quoting": "There is text after the closing quote of a cell. Double each quote inside a quoted cell.",
    "record_too_large": "This line is far too long for one record. Check its line ends and quotes.",
    "cell_too_large": "A cell of this record holds too much text. Shorten it.",
    "nul_byte": "A cell of this record holds a NUL character. Remove it, or export the file as UTF-8 text.",
    "bad_text": "This record holds bytes that are no text in the file's encoding. Export the file as UTF-8.",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest record and header that are still read, in physical lines, characters and cells."""

    record_lines: int = 1_000
    record_chars: int = 1_000_000
    cell_chars: int = 100_000
    columns: int = 2_000
    header_chars: int = 100_000
    rows: int = 20_000_000


LIMITS = Limits()


def read(
    lines: Iterable[str], dialect: Dialect, limits: Limits = LIMITS, *, width: int = 0, before: int = 0
) -> Iterator[Record | Reject | Skipped]:
    """Yield one outcome for each record, in order and with the line on which it begins.

    `lines` keep their line ends and are split at LF, CRLF and CR only; so many as `before` says came before them. A
    record whose quote does not close is rejected at its first line, and reading goes on at the very next line. So it
    does where a quote closes in another row of a table of this `width`. The cost is linear in the text.
    """
    # The limit belongs to the whole process: it is only ever raised, so that no other reader meets a surprise.
    csv.field_size_limit(max(csv.field_size_limit(), limits.record_chars + 1))
    yield from _Reader(lines, dialect, limits, width, before)


def _reject(line: int, code: str, text: str) -> Reject:
    return Reject(line, None, code, REASONS[code], cells=(text[:_KEPT_CHARS].rstrip("\r\n"),))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has_run(line: str, mark: str, limit: int) -> bool:
    """Whether more characters than the limit follow each other without the mark; the cost is linear."""
    place = 0
    while place + limit < len(line):
        last = line.rfind(mark, place, place + limit + 1)
        if last < 0:
            return True
        place = last + 1
    return False


class _Reader:
    """Parses line by line and looks ahead only where a quote stays open.

    A line ends either between records or inside quotes, so where a failed look ahead got to holds for every later
    record that opens inside its reach: no line is looked at more than once from inside quotes.
    """

    def __init__(self, lines: Iterable[str], dialect: Dialect, limits: Limits, width: int, before: int) -> None:
        self._source = iter(lines)
        self._limits = limits
        self._dialect = dialect
        self._quote = dialect.quote
        self._csv = csv.reader((), strict=True, **dialect.options()).dialect  # type: ignore[arg-type]
        self._quotes = Quotes(dialect, width)
        self._plain = len(dialect.delimiter) == 1 and dialect.escape != "\\"
        self._ahead: deque[str] = deque()
        self._line = before  # number of the line at hand
        self._chars = 0  # characters up to the end of it
        self._open_line = 0  # whoever is inside quotes before this line still is at its end...
        self._open_chars = 0  # ...where so many characters were read...
        self._doomed = False  # ...and whose quote closes wrongly, or never, after it

    def __iter__(self) -> Iterator[Record | Reject | Skipped]:
        line = self._take()
        if line is not None:
            line = line.removeprefix(_BOM)
        while line is not None:
            yield self._outcome(line)
            line = self._take()

    def _take(self) -> str | None:
        line = self._ahead.popleft() if self._ahead else self._next()
        if line is not None:
            self._line += 1
            self._chars += len(line)
        return line

    def _next(self) -> str | None:
        line = next(self._source, None)
        return line if line is None or self._plain else self._dialect.prepared(line)

    def _outcome(self, line: str) -> Record | Reject | Skipped:
        number = self._line
        if len(line) > self._limits.record_chars:
            mark = self._csv.delimiter
            long_cell = _has_run(line, mark, self._limits.cell_chars)
            return self._rejected(number, "cell_too_large" if long_cell else "record_too_large", line)
        try:
            # The second line closes what the first leaves open, and is asked for only then.
            reader = csv.reader((line, self._quote), self._csv)
            cells, text = next(reader), line
            if reader.line_num > 1:
                more = self._lines_to_close(len(line))
                if not more:
                    return self._rejected(number, "unclosed_quote", line)
                lines = [line, *islice(iter(self._take, None), more)]
                cells, text = next(csv.reader(lines, self._csv)), "".join(lines)
                if self._quotes.swallowed_rows(cells):
                    self._put_back(lines[1:])
                    return self._rejected(number, "unclosed_quote", line)
        except csv.Error:
            return self._rejected(number, "bad_quoting", line)
        return self._checked(number, cells, text)

    def _rejected(self, number: int, code: str, text: str) -> Reject:
        return _reject(number, code, self._dialect.original(text))

    def _checked(self, number: int, cells: list[str], text: str) -> Record | Reject | Skipped:
        if "\0" in text:
            return self._rejected(number, "nul_byte", text)
        if not text.isascii() and not _encodable(text):
            return self._rejected(number, "bad_text", text)
        limit = self._limits.cell_chars
        if len(text) > limit and any(len(cell) > limit for cell in cells):
            return self._rejected(number, "cell_too_large", text)
        if not any(map(str.strip, cells)) or text == _END_OF_FILE:
            return Skipped(number)
        flag = "stray_quote" if self._quote in text and self._quotes.is_stray(text, cells) else ""
        return Record(number, tuple(cells) if self._plain else tuple(map(self._dialect.restored, cells)), flag)

    def _put_back(self, lines: list[str]) -> None:
        """Let lines be read again, but not be looked at from inside quotes again: that would cost too much."""
        self._ahead.extendleft(reversed(lines))
        self._line -= len(lines)
        self._chars -= sum(map(len, lines))
        self._doomed = True

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
        line = self._next()
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
