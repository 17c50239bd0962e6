"""A mapping tied to one file's header: turns the file's records into lead rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.importer.core import normalise
from services.importer.core.record import Contact, LeadRow, Record, Reject, Warning_
from services.importer.core.targets import Kind
from shared.mapping import MAX_NAME, status_key

Cells = tuple[tuple[int, str, Kind], ...]  # place in the record, name in the header, how to read it


@dataclass(frozen=True, slots=True)
class Binding:
    """A mapping tied to one file's header; `apply` turns its records into lead rows."""

    unmapped_columns: tuple[str, ...]  # named in the header, not in the mapping: ignored
    missing_columns: tuple[str, ...]  # named in the mapping, not in the header
    name_column: str  # the rest is for apply alone
    lead: Cells
    contact: Cells
    custom: tuple[tuple[int, str], ...]
    status_index: int | None
    statuses: Mapping[str, str]
    default_status: str | None

    def apply(self, record: Record) -> LeadRow | list[Reject]:
        """Read one record, as wide as the header; a bad optional cell is left out with a warning."""
        notes: list[Warning_] = []
        rejects: list[Reject] = []
        lead = _cells(self.lead, record, notes, rejects)
        if "name" not in lead and not any(reject.code == "company_name_too_long" for reject in rejects):
            reason = "The company name is empty. Fill it in, or remove the row."
            rejects.append(Reject(record.line, self.name_column, "company_name_missing", reason))
        if rejects:
            return rejects
        contact = _cells(self.contact, record, notes, rejects)
        self._translate(record, lead)
        return LeadRow(
            line=record.line,
            contact=Contact(**contact) if contact else None,
            custom={key: value for index, key in self.custom if (value := normalise.text(record.cells[index]))},
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


def _cells(columns: Cells, record: Record, notes: list[Warning_], rejects: list[Reject]) -> dict[str, Any]:
    """Read the cells that hold something, by attribute; what is wrong with the others goes to the two lists."""
    cells, values = record.cells, {}
    for index, name, kind in columns:
        cell = normalise.text(cells[index])
        if cell is None:
            continue
        value = cell if kind.parse is None else kind.parse(cell) if len(cell) <= kind.limit else None
        if value is not None and len(cell) <= kind.limit:
            values[kind.attribute] = value
        elif kind.fatal:
            rejects.append(Reject(record.line, name, *_complaint(kind, cell)))
        else:
            code, reason = _complaint(kind, cell)
            notes.append(Warning_(record.line, name, code, f"{reason} The cell was left out."))
    return values


def _complaint(kind: Kind, cell: str) -> tuple[str, str]:
    if len(cell) > kind.limit:
        return kind.too_long, f"The cell holds more than {kind.limit} characters. Shorten it."
    return kind.code, kind.advice
