"""Reads physical lines into records: strict about quotes, bounded, and a bad record costs nothing but itself."""

import csv
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from services.importer.core.dialect import Dialect
from services.importer.core.hand import Hand, Recall
from services.importer.core.lines import Block
from services.importer.core.quotes import Quotes
from services.importer.core.record import Outcome, Record, Reject, Skipped

_BOM = "\ufeff"
_END_OF_FILE = "\x1a"  # Ctrl-Z, with which programs of DOS end a file
_KEPT_CHARS = 10_000  # of a record that could not be split
# Lines that are parsed at once. An odd one costs the parsing of those after it, so there are few at first, then more.
_LEAST = 8
_MOST = 256
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
    blocks: Iterable[Block],
    dialect: Dialect,
    limits: Limits = LIMITS,
    *,
    width: int = 0,
    before: int = 0,
    recall: Recall | None = None,
) -> Iterator[list[Outcome]]:
    """Yield one outcome for each record, in order and with the line on which it begins, some at a time.

    So many lines as `before` says came before the blocks. A record whose quote does not close is rejected at its first
    line, and reading goes on at the very next line. So it does where a quote closes in another row of a table of this
    `width`. Lines that `recall` knows are not read where a record may begin: they come as `Familiar`. The cost is
    linear in the text.
    """
    # The limit belongs to the whole process: it is only ever raised, so that no other reader meets a surprise.
    csv.field_size_limit(max(csv.field_size_limit(), limits.record_chars + 1))
    yield from _Reader(Hand(blocks, dialect, before, recall), dialect, limits, width, before)


def _reject(line: int, code: str, text: str) -> Reject:
    return Reject(line, None, code, REASONS[code], cells=(text[:_KEPT_CHARS].rstrip("\r\n"),))


def _encodable(text: str) -> bool:
    if text.isascii():
        return True
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
    """Parses many lines at once, and where one is no record by itself looks ahead from there, line by line.

    A line ends either between records or inside quotes, so where a failed look ahead got to holds for every later
    record that opens inside its reach: no line is looked at more than once from inside quotes.
    """

    def __init__(self, hand: Hand, dialect: Dialect, limits: Limits, width: int, before: int) -> None:
        self._hand = hand
        self._limits = limits
        self._dialect = dialect
        self._quote = dialect.quote
        self._csv = csv.reader((), strict=True, **dialect.options()).dialect  # type: ignore[arg-type]
        self._quotes = Quotes(dialect, width)
        self._cells: Callable[[list[str]], tuple[str, ...]] = tuple if len(dialect.delimiter) == 1 else self._restored
        self._first = before + 1
        self._line = before  # lines that were read
        self._stride = _LEAST  # lines to parse at once
        self._open_line = 0  # whoever is inside quotes before this line still is at its end...
        self._open: deque[int] = deque()  # ...as after each line from the record at hand on, of so many characters...
        self._open_chars = 0  # ...in all...
        self._doomed = False  # ...and whose quote closes wrongly, or never, after it

    def __iter__(self) -> Iterator[list[Outcome]]:
        while found := self._some():
            yield found

    def _some(self) -> list[Outcome]:
        """The next outcomes; none at the end of the file."""
        number = self._line + 1
        if familiar := self._hand.familiar(number):
            self._line += len(familiar.places)
            return [familiar]
        lines = self._hand.lines(number, self._stride)
        if number == self._first and lines:
            lines[0] = lines[0].removeprefix(_BOM)
        rows = self._rows(lines)
        self._line += len(rows)
        found = self._judged(number, rows, lines[: len(rows)])
        if len(rows) == len(lines):
            self._stride = min(2 * self._stride, _MOST)
        else:
            self._stride = _LEAST
            found.append(self._outcome(lines[len(rows)]))
        return found

    def _rows(self, lines: Sequence[str]) -> list[list[str]]:
        """The cells of the lines, up to one that is no record by itself."""
        rows: list[list[str]] = []
        reader = csv.reader(lines, self._csv)
        # What is left open, or closed wrongly, is looked at with care.
        with suppress(csv.Error):
            for cells in reader:
                if reader.line_num > len(rows) + 1:
                    break
                rows.append(cells)
        return rows

    def _judged(self, number: int, rows: list[list[str]], lines: list[str]) -> list[Outcome]:
        """The outcomes of lines that are records by themselves."""
        raws = self._hand.raws(number, len(rows)) if rows else []
        if self._may_be_odd(lines):
            return list(map(self._checked, itertools.count(number), rows, lines, raws))
        return [
            Record(line, self._cells(cells), "", raw) if any(map(str.strip, cells)) else Skipped(line)
            for line, cells, raw in zip(itertools.count(number), rows, raws)
        ]

    def _may_be_odd(self, lines: list[str]) -> bool:
        """Whether there may be something in the lines, blank ones apart, for which each has to be checked."""
        text = "".join(lines)
        return (
            "\0" in text
            or _END_OF_FILE in text
            or not _encodable(text)
            or max(map(len, lines), default=0) > self._limits.cell_chars
            or self._quotes.may_be_stray(text, lines)
        )

    def _outcome(self, line: str) -> Outcome:
        """The outcome of the record that begins with the next line, and may go on in others."""
        self._line += 1
        number = self._line
        if len(line) > self._limits.record_chars:
            return self._too_long(number, line)
        try:
            # The second line closes what the first leaves open, and is asked for only then.
            reader = csv.reader((line, self._quote), self._csv)
            cells = next(reader)
            if reader.line_num == 1:
                return self._checked(number, cells, line, *self._hand.raws(number, 1))
            more = self._lines_to_close(len(line))
            if not more:
                return self._rejected(number, "unclosed_quote", line)
            lines = [line, *filter(None, map(self._hand.line, range(number + 1, number + more + 1)))]
            cells = next(csv.reader(lines, self._csv))
        except csv.Error:
            return self._rejected(number, "bad_quoting", line)
        if self._quotes.swallowed_rows(cells):
            # These lines are read again, but not looked at from inside quotes again: that would cost too much.
            self._doomed = True
            return self._rejected(number, "unclosed_quote", line)
        self._line += more
        return self._checked(number, cells, "".join(lines))

    def _rejected(self, number: int, code: str, text: str) -> Reject:
        return _reject(number, code, self._dialect.original(text))

    def _too_long(self, number: int, line: str) -> Reject:
        long_cell = _has_run(line, self._csv.delimiter, self._limits.cell_chars)
        return self._rejected(number, "cell_too_large" if long_cell else "record_too_large", line)

    def _checked(self, number: int, cells: list[str], text: str, raw: int = 0) -> Outcome:
        if len(text) > self._limits.record_chars:
            return self._too_long(number, text)
        if "\0" in text:
            return self._rejected(number, "nul_byte", text)
        if not _encodable(text):
            return self._rejected(number, "bad_text", text)
        limit = self._limits.cell_chars
        if len(text) > limit and any(len(cell) > limit for cell in cells):
            return self._rejected(number, "cell_too_large", text)
        if not any(map(str.strip, cells)) or text == _END_OF_FILE:
            return Skipped(number)
        flag = "stray_quote" if self._quote in text and self._quotes.is_stray(text, cells) else ""
        return Record(number, self._cells(cells), flag, raw)

    def _restored(self, cells: list[str]) -> tuple[str, ...]:
        return tuple(map(self._dialect.restored, cells))

    def _lines_to_close(self, length: int) -> int:
        """Count the lines after the one at hand until its quote closes; 0 when it does not within the limits."""
        first, limits = self._line, self._limits
        self._begin_look(first)
        while not self._doomed and self._open_line - first + 1 < limits.record_lines:
            line = self._hand.line(self._open_line + 1)
            if line is not None and length + self._open_chars + len(line) > limits.record_chars:
                return 0
            match self._from_inside(line):
                case "closes":
                    return self._open_line - first + 1
                case "stays open":
                    self._open_line += 1
                    self._open.append(len(line or ""))
                    self._open_chars += len(line or "")
                case "breaks":
                    self._doomed = True
        return 0

    def _begin_look(self, first: int) -> None:
        """Keep of the lines that were looked at those after this one."""
        if self._open_line < first:
            self._open_line, self._doomed = first, False
        while len(self._open) > self._open_line - first:
            self._open_chars -= self._open.popleft()

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
