"""A mapping tied to one file's header: turns the file's records into lead rows, column by column."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import Any

from services.importer.core import normalise
from services.importer.core.doubt import Doubt
from services.importer.core.record import Contact, LeadRow, Record, Reject, Warning_, masked
from services.importer.core.targets import Kind
from shared.mapping import MAX_NAME, status_key

_FLAGS = {
    "short_row": "The record has fewer cells than the header; the missing ones were taken as empty.",
    "stray_quote": "A quote inside a cell of this record is not doubled. Check that its cells are the right ones.",
}
# So many records are read together: their cells stay in a processor's cache (5,000 at once cost 1.4 times as much).
_TOGETHER = 1_000

_Values = dict[str, Iterable[Any]]  # columns by attribute: one value for each record


@dataclass(frozen=True, slots=True)
class Cells:
    """A column of the file: its place, its name, how its cells are read, and the format that they were proven to have.

    The format is "." or "," before decimals for numbers, "DMY" or "MDY" for dates, None where nothing is proven.
    """

    index: int
    name: str
    kind: Kind
    format: str | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """A mapping tied to one file's header; `read` turns its records into lead rows."""

    unmapped_columns: tuple[str, ...]  # named in the header, not in the mapping: ignored
    missing_columns: tuple[str, ...]  # named in the mapping, not in the header
    name_column: str  # the rest is for the methods alone
    lead: tuple[Cells, ...]
    contact: tuple[Cells, ...]
    custom: tuple[Cells, ...]
    status_index: int | None
    statuses: Mapping[str, str]
    default_status: str | None

    def to_prove(self) -> dict[int, str]:
        """The places of the columns whose cells must prove a format first, and of what: date or number."""
        return {cells.index: cells.kind.proof for cells in (*self.lead, *self.custom) if cells.kind.proof}

    def proven(self, formats: Mapping[int, str | None]) -> "Binding":
        """The binding with what the columns' cells have proven."""

        def told(columns: tuple[Cells, ...]) -> tuple[Cells, ...]:
            return tuple(replace(cells, format=formats.get(cells.index)) for cells in columns)

        return replace(self, lead=told(self.lead), custom=told(self.custom))

    def read(self, records: Sequence[Record]) -> list[LeadRow | list[Reject]]:
        """Read records, each as wide as the header; a bad optional cell is left out with a warning.

        What becomes of a record does not depend on those that are read with it.
        """
        parts = (records[start : start + _TOGETHER] for start in range(0, len(records), _TOGETHER))
        return [row for part in parts for row in self._read(part)]

    def _read(self, records: Sequence[Record]) -> list[LeadRow | list[Reject]]:
        faults = _Faults(records)
        columns = list(zip(*(record.cells for record in records), strict=True))
        values = _values(self.lead, columns, faults)
        faults.find_missing_names(self.name_column, values["name"])
        contact = _values(self.contact, columns, faults)
        custom = _values(self.custom, columns, faults)
        values |= {name: [getattr(record, name) for record in records] for name in ("line", "cells", "raw")}
        values |= self._statuses(columns, values.get("unknown_status", repeat(None)))
        values |= {"contact": _contacts(contact), "custom": _pairs(custom), "warnings": faults.warnings()}
        rows: list[LeadRow | list[Reject]] = list(_made(LeadRow, values))
        for place, rejects in faults.rejects.items():
            rows[place] = rejects
        return rows

    def _statuses(self, columns: Sequence[Sequence[str]], texts: Iterable[str | None]) -> _Values:
        """The lead statuses; the text of a status cell stays only when the mapping does not know it."""
        default, stated = self.default_status, self._stated(columns)
        return {
            "status": [status or default for status in stated],
            "status_from_default": [status is None and default is not None for status in stated],
            "unknown_status": [text if status is None else None for text, status in zip(texts, stated, strict=False)],
        }

    def _stated(self, columns: Sequence[Sequence[str]]) -> list[str | None]:
        if self.status_index is None:
            return [None] * len(columns[0])
        cells = columns[self.status_index]
        meanings = {cell: self._meaning(cell) for cell in set(cells)}
        return [meanings[cell] for cell in cells]

    def _meaning(self, cell: str) -> str | None:
        # The mapping comes before placeholders: an admin may give `-` a meaning.
        status = self.statuses.get(cell)
        return self.statuses.get(status_key(cell)) if status is None and len(cell) <= MAX_NAME else status


class _Faults:
    """What is wrong with the records of a batch, by their places in it."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.rejects: dict[int, list[Reject]] = defaultdict(list)
        self._records = records
        self._notes: dict[int, list[Warning_]] = defaultdict(list)
        for place, record in enumerate(records):
            if record.flag:
                self._notes[place].append(Warning_(record.line, None, record.flag, _FLAGS[record.flag]))

    def doubt(self, column: Cells, texts: Sequence[str | None], doubts: Mapping[str, Doubt]) -> None:
        """Take what is doubtful in a column, by text: a reject or a warning for each cell that holds such a text."""
        for place, text in enumerate(texts):
            doubt = None if text is None else doubts.get(text)
            if doubt is None or text is None:
                continue
            if column.kind.fatal:
                self._reject(place, column.name, doubt.code, doubt.advice, masked(text))
            else:
                reason = f"{doubt.advice} The cell was left out."
                line = self._records[place].line
                self._notes[place].append(Warning_(line, column.name, doubt.code, reason, masked(text)))

    def find_missing_names(self, column: str, names: Iterable[str | None]) -> None:
        """Reject the records without a name, unless that is because theirs is too long."""
        reason = "The company name is empty. Fill it in, or remove the row."
        for place, name in enumerate(names):
            if name is None and all(reject.code != "company_name_too_long" for reject in self.rejects.get(place, ())):
                self._reject(place, column, "company_name_missing", reason)

    def warnings(self) -> Sequence[tuple[Warning_, ...]]:
        """The warnings of each record."""
        return [tuple(self._notes.get(place, ())) for place in range(len(self._records))]

    def _reject(self, place: int, column: str, code: str, reason: str, value: str = "") -> None:
        record = self._records[place]
        self.rejects[place].append(Reject(record.line, column, code, reason, value, cells=record.cells))


def _values(mapped: Iterable[Cells], columns: Sequence[Sequence[str]], faults: _Faults) -> _Values:
    """Read columns, by attribute; of two for one attribute, the later counts where it says something."""
    values: _Values = {}
    for column in mapped:
        texts = normalise.texts(columns[column.index])
        found, doubts = column.kind.values(texts, column.format)
        if doubts:
            faults.doubt(column, texts, doubts)
        name = column.kind.attribute
        if name in values:
            found = [old if new is None else new for old, new in zip(values[name], found, strict=True)]
        values[name] = found
    return values


def _contacts(values: _Values) -> Iterable[Contact | None]:
    """The contact of each row that says something of one."""
    if not values:
        return repeat(None)
    nobody = Contact()
    return [None if contact == nobody else contact for contact in _made(Contact, values)]


def _pairs(values: _Values) -> Iterable[tuple[tuple[str, str], ...]]:
    """The custom fields of each row, with their texts, in the order of their names."""
    if not values:
        return repeat(())
    columns = ([value and (name, value) for value in values[name]] for name in sorted(values))
    return [tuple(filter(None, pairs)) for pairs in zip(*columns, strict=True)]


def _made(row: Any, values: _Values) -> Iterator[Any]:
    """Rows of the named tuple, at the speed of C; an attribute that has no column has its default."""
    columns = (values.get(name, repeat(row._field_defaults.get(name))) for name in row._fields)
    return map(partial(tuple.__new__, row), zip(*columns, strict=False))
