"""A mapping tied to one file's header: turns the file's records into lead rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    """A mapping tied to one file's header; `apply` turns its records into lead rows."""

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

    def apply(self, record: Record) -> LeadRow | list[Reject]:
        """Read one record, as wide as the header; a bad optional cell is left out with a warning."""
        notes = [Warning_(record.line, None, record.flag, _FLAGS[record.flag])] if record.flag else []
        rejects: list[Reject] = []
        lead = _values(self.lead, record, notes, rejects)
        if "name" not in lead and not any(reject.code == "company_name_too_long" for reject in rejects):
            reason = "The company name is empty. Fill it in, or remove the row."
            rejects.append(_reject(record, self.name_column, "company_name_missing", reason))
        if rejects:
            return rejects
        contact = _values(self.contact, record, notes, rejects)
        custom = _values(self.custom, record, notes, rejects)
        self._translate(record, lead)
        return LeadRow(
            line=record.line,
            cells=record.cells,
            contact=Contact(**contact) if contact else None,
            custom=custom,
            warnings=tuple(notes),
            **lead,
        )

    def _translate(self, record: Record, lead: dict[str, Any]) -> None:
        """Put the lead status in place of the cell's text, which stays only when the mapping does not know it."""
        status = None
        if self.status_index is not None:
            cell = record.cells[self.status_index]
            # The mapping comes first: an admin may give `-` a meaning.
            status = self.statuses.get(cell)
            if status is None and len(cell) <= MAX_NAME:
                status = self.statuses.get(status_key(cell))
        if status is not None:
            lead.pop("unknown_status", None)
            lead["status"] = status
        elif self.default_status is not None:
            lead["status"] = self.default_status
            lead["status_from_default"] = True


def _values(columns: tuple[Cells, ...], record: Record, notes: list[Warning_], rejects: list[Reject]) -> dict[str, Any]:
    """Read the cells that hold something, by attribute; what is wrong with the others goes to the two lists."""
    values: dict[str, Any] = {}
    for column in columns:
        cell = normalise.text(record.cells[column.index])
        if cell is None:
            continue
        kind = column.kind
        if len(cell) > kind.limit:
            value: object = Doubt(kind.too_long, f"The cell holds more than {kind.limit} characters. Shorten it.")
        else:
            value = cell if kind.read is None else kind.read(cell, column.format)
        if not isinstance(value, Doubt):
            values[kind.attribute] = value
        elif kind.fatal:
            rejects.append(_reject(record, column.name, value.code, value.advice, masked(cell)))
        else:
            reason = f"{value.advice} The cell was left out."
            notes.append(Warning_(record.line, column.name, value.code, reason, masked(cell)))
    return values


def _reject(record: Record, column: str, code: str, reason: str, value: str = "") -> Reject:
    return Reject(record.line, column, code, reason, value, cells=record.cells)
