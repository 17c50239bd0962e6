"""A file as a table: its header, and the records below it, each as wide as the header."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain, islice

from services.importer.core.detector import declared_delimiter
from services.importer.core.dialect import Dialect
from services.importer.core.footer import footers
from services.importer.core.hand import LAST, Recall
from services.importer.core.header import Layout, find_layout
from services.importer.core.lines import Block
from services.importer.core.record import Familiar, Outcome, Record, Refusal, Reject, Skipped, Warning_
from services.importer.core.rows import LIMITS, Limits, read
from services.importer.core.salvage import split_leniently

_HEAD = 60  # records by which the table's shape is judged
_TAIL = LAST  # records at the end among which a footer may stand
_BOM = "\ufeff"
_NEARLY = 0.6  # of the columns have a name in a header that can be mended
_HABIT = 0.9  # the share of rows that makes an oddity the file's own way


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns, stripped; a blank name cannot be mapped, a name may stand more than once.

    `line` is None when the file has no header: then its columns are called #1, #2 and so on.
    """

    line: int | None
    names: tuple[str, ...]
    title: tuple[str, ...] | None = field(default=None, compare=False)  # the names as they stand in the file


@dataclass(frozen=True, slots=True)
class Table:
    """A header, what stands before it, and the records after it, each as wide as the header."""

    header: Header
    before: tuple[Outcome, ...]
    notes: tuple[Warning_, ...]
    records: Iterator[Outcome]


def read_table(
    blocks: Iterable[Block],
    dialect: Dialect,
    limits: Limits = LIMITS,
    known: AbstractSet[str] = frozenset(),
    recall: Callable[[Header], Recall | None] | None = None,
) -> Table | Refusal:
    """Find the header, then yield records padded to its width.

    Short records are flagged, records with extra cells are rejected, unless extra empty ones are the file's habit.
    `known` are names of columns, folded, that the header is known by. `recall`, asked once the header is known, finds
    lines below it again that were records of the version before: they come as `Familiar` in place of records.
    """
    source, taken = iter(blocks), list[Block]()
    outcomes = islice(chain.from_iterable(read(_noted(source, taken), dialect, limits)), _HEAD + 1)
    head = _mended([outcome for outcome in outcomes if not _is_hint(outcome, dialect)], taken, dialect, limits)
    if isinstance(head, Refusal):
        return head
    records = [outcome for outcome in head[:_HEAD] if isinstance(outcome, Record)]
    if not records:
        return Refusal("empty_file", "The file holds no text. It needs a header row with the names of the columns.")
    layout = find_layout(records, known)
    top = _header(records, layout, limits)
    if isinstance(top, Refusal):
        return top
    first = records[layout.first]
    begin = next(place for place, outcome in enumerate(head) if outcome is first)
    # Now that the width is known, the rows are read once more: some may have been swallowed by a stray quote. Nothing
    # is left below the header only where the file ends, because the header is none of the last outcome.
    rest = head[begin + layout.has_header :]
    before = rest[0].line - 1 if rest else sum(map(len, taken))
    body = _Body(dialect, limits, len(top.names), top.title)
    rows = body.read(chain(_below(taken, before), source), before, recall(top) if recall else None)
    return Table(top, *_above(head[:begin], first), chain.from_iterable(body.without_footer(rows)))


def _noted(blocks: Iterable[Block], taken: list[Block]) -> Iterator[Block]:
    for block in blocks:
        taken.append(block)
        yield block


def _below(blocks: Sequence[Block], before: int) -> Iterator[Block]:
    """The blocks without so many lines."""
    for block in blocks:
        if before < len(block):
            yield block.part(before, len(block)) if before else block
        before = max(0, before - len(block))


def _line(blocks: Sequence[Block], number: int) -> str:
    (line,) = next(_below(blocks, number - 1)).texts(0, 1)
    return line


def _is_hint(outcome: Outcome, dialect: Dialect) -> bool:
    """Excel's `sep=;` in the first line."""
    return (
        isinstance(outcome, Record) and outcome.line == 1 and declared_delimiter(dialect.delimiter.join(outcome.cells))
    )


def _mended(head: list[Outcome], blocks: Sequence[Block], dialect: Dialect, limits: Limits) -> list[Outcome] | Refusal:
    """The outcomes with the header in its place, although its quotes are wrong, if the rows below bear that out."""
    place = next((place for place, outcome in enumerate(head) if not isinstance(outcome, Skipped)), None)
    first = None if place is None else head[place]
    if place is None or not isinstance(first, Reject):
        return head
    if first.code in ("record_too_large", "cell_too_large"):
        return _too_long(first.line, _line(blocks, first.line).count(dialect.delimiter), limits)
    refusal = Refusal("bad_header", f"Line {first.line}, the header, cannot be read. {first.reason}")
    records = [outcome for outcome in head if isinstance(outcome, Record)]
    if first.code not in ("unclosed_quote", "bad_quoting") or not records:
        return refusal
    text, width = first.cells[0], find_layout(records).width
    splits = (split_leniently(text, dialect), tuple(text.split(dialect.delimiter)))
    fitting = [cells for cells in splits if cells is not None and _NEARLY * width <= len(cells) <= width]
    if not fitting:
        return refusal
    names = tuple(cell.strip(f" {dialect.quote}") for cell in max(fitting, key=len))
    return [*head[:place], Record(first.line, names, "stray_quote"), *head[place + 1 :]]


def _too_long(line: int, separators: int, limits: Limits) -> Refusal:
    if separators >= limits.columns:
        return Refusal("too_many_columns", f"The file has more columns than the {limits.columns} that can be imported.")
    return Refusal("header_too_long", f"Line {line}, the header, is far too long. Check its quotes.")


def _header(records: Sequence[Record], layout: Layout, limits: Limits) -> Header | Refusal:
    first = records[layout.first]
    if not layout.has_header:
        width = max(layout.width, len(first.cells))
        return _checked(Header(None, tuple(f"#{place}" for place in range(1, width + 1))), limits)
    names = tuple(cell.strip().lstrip(_BOM).strip() for cell in first.cells)
    wide = _as_wide_as_rows(names, records[layout.first + 1 :], layout.width)
    return _checked(Header(first.line, wide, first.cells), limits)


def _checked(header: Header, limits: Limits) -> Header | Refusal:
    width = max((place for place, name in enumerate(header.names, 1) if name), default=0)
    if not width:
        return Refusal("bad_header", f"No column has a name in line {header.line}, the header. Name the columns.")
    if width > limits.columns:
        return Refusal("too_many_columns", f"The file has {width} columns; at most {limits.columns} can be imported.")
    longest = max(map(len, header.names))
    if longest > limits.header_chars:
        return Refusal("header_too_long", f"A column's name has {longest} characters. Check the header's quotes.")
    return header


def _as_wide_as_rows(names: tuple[str, ...], rows: Sequence[Record], width: int) -> tuple[str, ...]:
    """The names beside their cells where the header alone has a separator too many, or the rows end with one."""
    if not rows or sum(len(row.cells) == width for row in rows) < _HABIT * len(rows):
        return names
    if width > len(names):
        surplus = sum(any(map(str.strip, row.cells[len(names) :])) for row in rows)
        return names + ("",) * (width - len(names)) if surplus <= (1 - _HABIT) * len(rows) else names
    named = tuple(name for name in names if name)
    return named if len(named) == width < len(names) else names


@dataclass(frozen=True, slots=True)
class _Body:
    """The table below its header: records of this width, of which those that repeat the title are left out."""

    dialect: Dialect
    limits: Limits
    width: int
    title: tuple[str, ...] | None

    def read(self, blocks: Iterable[Block], before: int, recall: Recall | None) -> Iterator[list[Outcome]]:
        """The outcomes of the lines after so many."""
        found = read(blocks, self.dialect, self.limits, width=self.width, before=before, recall=recall)
        for outcomes in found:
            yield [
                outcome
                if type(outcome) is Record and len(outcome.cells) == self.width and outcome.cells != self.title
                else self._fitted(outcome)
                for outcome in outcomes
            ]

    def without_footer(self, found: Iterable[list[Outcome]]) -> Iterator[list[Outcome]]:
        """Hold the last outcomes back until it is known whether they are totals and notes below the table."""
        held: list[Outcome] = []
        for outcomes in found:
            held += outcomes
            last = _last(held)
            yield held[:last]
            del held[:last]
        tail = [outcome for each in held for outcome in self._expanded(each)]
        places = footers(tail[-_TAIL:], self.width)
        first = len(tail) - len(tail[-_TAIL:])
        yield [
            Skipped(outcome.line, "footer") if place - first in places else outcome
            for place, outcome in enumerate(tail)
        ]

    def _fitted(self, outcome: Outcome) -> Outcome:
        if type(outcome) is Record:
            return (
                Skipped(outcome.line, "repeated_header") if outcome.cells == self.title else _fit(outcome, self.width)
            )
        if type(outcome) is Reject and outcome.code == "bad_quoting":
            cells = split_leniently(outcome.cells[0], self.dialect)
            return Record(outcome.line, cells, "stray_quote") if cells and len(cells) == self.width else outcome
        return outcome

    def _expanded(self, outcome: Outcome) -> Iterator[Outcome]:
        """The outcome, with the last lines of familiar ones as records."""
        if not isinstance(outcome, Familiar):
            yield outcome
            return
        cut = len(outcome.places) - len(outcome.last)
        if cut:
            yield Familiar(outcome.line, outcome.places[:cut], outcome.last.part(0, 0))
        yield from chain.from_iterable(self.read([outcome.last], outcome.line + cut - 1, None))


def _last(outcomes: Sequence[Outcome]) -> int:
    """The place of the outcome from which on a footer may begin."""
    place, count = len(outcomes), 0
    while place and count < _TAIL:
        place -= 1
        outcome = outcomes[place]
        count += len(outcome.places) if isinstance(outcome, Familiar) else 1
    return place


def _fit(record: Record, width: int) -> Record | Reject:
    cells, count = record.cells, len(record.cells)
    if count < width:
        return record._replace(cells=cells + ("",) * (width - count), flag="short_row")
    reason = f"The record has {count} cells, the header {width}. Put quotes around cells that hold the separator."
    return Reject(record.line, None, "extra_cells", reason, cells=cells)


def _above(outcomes: Sequence[Outcome], first: Record) -> tuple[tuple[Outcome, ...], tuple[Warning_, ...]]:
    """What stands above the table, and a word on each line of it, because nothing is dropped or mended silently."""
    reason = "This line stands above the table and was left out."
    notes = [Warning_(outcome.line, None, "preamble", reason) for outcome in outcomes if isinstance(outcome, Record)]
    if first.flag:
        notes.append(Warning_(first.line, None, first.flag, "The first row of the table has a quote too many."))
    above = (Skipped(outcome.line, "preamble") if isinstance(outcome, Record) else outcome for outcome in outcomes)
    return tuple(above), tuple(notes)
