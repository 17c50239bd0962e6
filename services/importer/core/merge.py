"""What a batch of resolved rows writes, and how each row is counted afterwards."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.importer.core.identity import Resolved, merge
from services.importer.core.people import Person, fold_people
from services.importer.core.record import LeadRow

_LEAD_COLUMNS = (
    *("name", "website", "status", "status_date", "location", "street_num", "street", "postcode", "city"),
    *("sector", "size", "crm_id", "siren", "email", "owner", "score"),
    "fallback_status",
)

Values = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows for the staging tables, one for each lead, contact, deal and key; columns in the tables' order."""

    leads: list[Values]
    contacts: list[Values]
    deals: list[Values]
    keys: list[Values]


def build(resolved: Sequence[Resolved], known_people: Mapping[UUID, Sequence[Person]]) -> Batch:
    """Fold the rows of each lead, contact and deal; in file order, a later cell wins unless it is empty.

    `known_people` are those whom the database knows at these leads.
    """
    rows_of: dict[UUID, list[LeadRow]] = defaultdict(list)
    for item in resolved:
        rows_of[item.lead_id].append(item.row)
    new = {item.lead_id for item in resolved if item.is_new}
    return Batch(
        leads=[_lead(lead_id, rows, is_new=lead_id in new) for lead_id, rows in rows_of.items()],
        contacts=fold_people([(item.lead_id, item.row.contact) for item in resolved if item.row.contact], known_people),
        deals=_deals(resolved),
        keys=[(key, item.lead_id) for item in resolved for key in item.new_keys],
    )


def _lead(lead_id: UUID, rows: Iterable[LeadRow], *, is_new: bool) -> Values:
    values = merge(rows)
    custom = json.dumps(values.get("custom", {}))
    return (lead_id, is_new, *(values.get(column) for column in _LEAD_COLUMNS), custom)


def _deals(resolved: Iterable[Resolved]) -> list[Values]:
    """One row a deal; only stated statuses count, and another status does not keep the date of the one before."""
    found: dict[str, Values] = {}
    for item in resolved:
        row = item.row
        if row.deal_crm_id:
            _, _, status, day = found.get(row.deal_crm_id, (None, None, None, None))
            stated = None if row.status_from_default else row.status
            if stated and stated != status:
                day = None
            found[row.deal_crm_id] = (row.deal_crm_id, item.lead_id, stated or status, row.status_date or day)
    return list(found.values())


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
