"""What a batch of resolved rows writes, and how each row is counted afterwards."""

import json
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from operator import attrgetter
from uuid import UUID

from services.importer.core.identity import Resolved
from services.importer.core.people import Person, fold_people
from services.importer.core.record import LeadRow

_COLUMNS = (
    *("name", "website", "location", "street_num", "street", "postcode", "city", "sector", "size"),
    *("crm_id", "siren", "email", "owner", "score"),
)
_CELLS = attrgetter(*_COLUMNS)
_NEW_STATUS = "DEFAULT"

Values = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is written, each lead, contact, deal and key once; ids in hexadecimal, columns as in lead_queries.sql.

    What belongs to leads that the batch brings stands apart: nothing in the database can be in its way.
    """

    new_leads: list[Values] = field(default_factory=list)
    new_contacts: list[Values] = field(default_factory=list)
    new_keys: list[Values] = field(default_factory=list)
    leads: list[Values] = field(default_factory=list)
    contacts: list[Values] = field(default_factory=list)
    keys: list[Values] = field(default_factory=list)
    deals: list[Values] = field(default_factory=list)


def build(resolved: Sequence[Resolved], known_people: Mapping[UUID, Sequence[Person]]) -> Batch:
    """Fold the rows of each lead, contact and deal; in file order, a later cell wins unless it is empty.

    `known_people` are those whom the database knows at these leads.
    """
    batch = Batch()
    items_of: dict[UUID, list[Resolved]] = {}
    for item in resolved:
        items_of.setdefault(item.lead_id, []).append(item)
    for lead_id, items in items_of.items():
        rows = [item.row for item in items]
        name = lead_id.hex
        if items[0].is_new:
            batch.new_leads.append((name, *fold_lead(rows, _NEW_STATUS)))
            contacts, keys = batch.new_contacts, batch.new_keys
        else:
            batch.leads.append((name, *fold_lead(rows)))
            contacts, keys = batch.contacts, batch.keys
        if met := [row.contact for row in rows if row.contact]:
            contacts += [(name, *person) for person in fold_people(met, known_people.get(lead_id, ()))]
        keys += [(name, key) for item in items for key in item.new_keys]
    batch.deals.extend(_fold_deals(resolved))
    return batch


def fold_lead(rows: Sequence[LeadRow], new_status: str | None = None) -> Values:
    """Fold rows of one lead, in file order: cells, status, its date, custom fields as JSON.

    A later cell wins unless it is empty.

    A lead that is new has the status `new_status` if its rows state none and no default. No other lead takes the
    default for an empty cell, because an empty cell never changes what the platform holds.
    """
    first = rows[0]
    cells = _CELLS(first)
    custom = first.custom
    if len(rows) > 1:
        several: dict[str, str] = {}
        for row in rows:
            cells = tuple([old if new is None else new for old, new in zip(cells, _CELLS(row), strict=True)])
            several.update(row.custom)
        custom = tuple(several.items())
    status, day, fallback = _fold_status(rows)
    if new_status:
        status = status or fallback or new_status
    return (*cells, status, day, json.dumps(dict(custom), ensure_ascii=False) if custom else "{}")


def _fold_status(rows: Sequence[LeadRow]) -> tuple[str | None, str | None, str | None]:
    """The status, its date, and the default for empty cells.

    A stated status beats one that stands for text that the mapping does not know, and a status keeps its own date.
    """
    status = day = fallback = None
    stated = False
    for row in rows:
        if row.status_from_default and row.unknown_status is None:
            fallback = row.status
        elif row.status is not None and not (row.status_from_default and stated):
            if row.status != status:
                day = None
            status = row.status
            stated = not row.status_from_default
        if row.status_date is not None and (row.status is None or row.status == status):
            day = row.status_date
    return status, day, fallback


def _fold_deals(resolved: Iterable[Resolved]) -> Iterable[Values]:
    """One row a deal; only stated statuses count, and another status does not keep the date of the one before."""
    found: dict[str, Values] = {}
    for item in resolved:
        row = item.row
        if row.deal_crm_id:
            _, _, status, day = found.get(row.deal_crm_id, (None, None, None, None))
            stated = None if row.status_from_default else row.status
            if stated and stated != status:
                day = None
            found[row.deal_crm_id] = (row.deal_crm_id, item.lead_id.hex, stated or status, row.status_date or day)
    return found.values()


@dataclass(slots=True)
class Tally:
    """Records by what became of them: read = created + updated + unchanged + rejected + ignored, always."""

    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    ignored: int = 0

    def count_merged(self, resolved: Iterable[Resolved], touched: AbstractSet[UUID]) -> None:
        """Count rows that were merged; `touched` are the leads of which anything was written."""
        new: set[UUID] = set()
        for item in resolved:
            if item.is_new:
                new.add(item.lead_id)
                self.created += 1
            elif item.lead_id in touched or item.lead_id in new:
                self.updated += 1
            else:
                self.unchanged += 1

    def balanced(self) -> bool:
        """Whether every record read is accounted for."""
        return self.read == self.created + self.updated + self.unchanged + self.rejected + self.ignored
