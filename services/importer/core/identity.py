"""Which lead a row means: keys in order of strength, conflicts that forbid a match, and new leads for the rest."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from services.importer.core import normalise
from services.importer.core.record import LeadRow, Reject
from services.importer.core.shared_hosts import is_shared


class Known(NamedTuple):
    """What the database says of a lead."""

    lead_id: UUID
    crm_id: str | None
    siren: str | None


class Resolved(NamedTuple):
    """The lead that a row means; `is_new` on the row that brings it, `new_keys` are now the lead's own.

    `twins` are other leads that the row's ids or website name as well: it may be one company, but nobody merges leads
    on their own.
    """

    row: LeadRow
    lead_id: UUID
    is_new: bool
    new_keys: tuple[str, ...]
    twins: tuple[UUID, ...] = ()


def keys(row: LeadRow) -> tuple[str, ...]:
    """List the keys by which a row names its lead, strongest first; a LEADBAY_ID is no key.

    A name needs a place beside it. Alone it is a key only for a row that says nothing else, so that importing
    such a row again finds the lead that it made.
    """
    found = []
    if row.crm_id:
        found.append(normalise.key("crm", row.crm_id))
    if row.siren:
        found.append(normalise.key("siren", row.siren))
    if site := _site(row):
        found.append(normalise.key("web", site))
    place = _place(row)
    if place or not found:
        found.append(normalise.key("name", f"{normalise.name_key(row.name)}|{place}"))
    return tuple(found)


def _site(row: LeadRow) -> str | None:
    """Name the website that is the company's alone; the domain of its e-mail stands in for a missing one."""
    if row.website and not is_shared(row.website):
        return row.website
    stand_in = normalise.email_domain(row.email) if row.email else None
    return stand_in if stand_in and not is_shared(stand_in) else None


def _place(row: LeadRow) -> str:
    return (
        (row.postcode and normalise.postcode_key(row.postcode))
        or (row.city and normalise.place_key(row.city))
        or (row.location and normalise.place_key(row.location))
        or ""
    )


def resolve(
    rows: Sequence[LeadRow],
    known: Mapping[str, Known],
    known_ids: Mapping[UUID, Known],
    new_id: Callable[[], UUID],
    named: Sequence[tuple[str, ...]] | None = None,
) -> list[Resolved | Reject]:
    """Say for each row, in file order, which lead it means, in linear time and always alike.

    `known` holds every key of the rows that the database knows, `known_ids` every LEADBAY_ID that it knows, and `named`
    the keys of each row, for who has them already. A key that one lead owns never moves to another.
    """
    return list(map(_Ledger(known, known_ids, new_id).resolve, rows, named or map(keys, rows)))


@dataclass(slots=True)
class _Lead:
    lead_id: UUID
    crm_id: str | None
    siren: str | None

    def contradicts(self, key: str, row: LeadRow) -> bool:
        """Tell whether something stronger than the key says that the row is another company (chains share sites)."""
        if key.startswith("crm"):
            return False
        if self.crm_id and row.crm_id and self.crm_id != row.crm_id:
            return True
        return not key.startswith("siren") and bool(self.siren and row.siren and self.siren != row.siren)

    def learn(self, row: LeadRow) -> None:
        self.crm_id = self.crm_id or row.crm_id
        self.siren = self.siren or row.siren


class _Ledger:
    """The leads that the database knows and those that earlier rows of the batch brought, by key."""

    def __init__(self, known: Mapping[str, Known], known_ids: Mapping[UUID, Known], new_id: Callable[[], UUID]) -> None:
        # A lead that is found by several keys is one object, so that what one row teaches holds for the next.
        self._leads = {
            lead.lead_id: _Lead(lead.lead_id, lead.crm_id, lead.siren)
            for lead in (*known.values(), *known_ids.values())
        }
        self._owners = {key: self._leads[lead.lead_id] for key, lead in known.items()}
        self._by_id = {asked: self._leads[lead.lead_id] for asked, lead in known_ids.items()}
        self._new_id = new_id

    def resolve(self, row: LeadRow, named: tuple[str, ...]) -> Resolved | Reject:
        if row.leadbay_id:
            lead = self._by_id.get(row.leadbay_id)
            if lead is None:
                reason = "The LEADBAY_ID is no lead of this organisation. Correct it, or leave it empty for a new lead."
                return Reject(row.line, None, "unknown_leadbay_id", reason, cells=row.cells)
        elif self._owners.keys().isdisjoint(named):
            return self._found(row, named)
        else:
            lead = self._match(row, named)
        is_new = lead is None
        if lead is None:
            lead = _Lead(self._new_id(), None, None)
        lead.learn(row)
        twins = self._twins(row, named, lead)
        return Resolved(row, lead.lead_id, is_new, self._adopt(named, lead), twins)

    def _found(self, row: LeadRow, named: tuple[str, ...]) -> Resolved:
        """A row that names nobody known brings a lead, whose keys its own are."""
        lead = _Lead(self._new_id(), row.crm_id, row.siren)
        for key in named:
            self._owners[key] = lead
        return Resolved(row, lead.lead_id, True, named)

    def _twins(self, row: LeadRow, named: tuple[str, ...], lead: _Lead) -> tuple[UUID, ...]:
        """Other leads that own a key of the row, where nothing says that they are other companies."""
        found: dict[UUID, None] = {}
        for key in named:
            other = self._owners.get(key, lead)
            if other is not lead and not key.startswith(("name:", "name#")) and not other.contradicts(key, row):
                found[other.lead_id] = None
        return tuple(found)

    def _match(self, row: LeadRow, named: tuple[str, ...]) -> _Lead | None:
        for key in named:
            lead = self._owners.get(key)
            if lead is not None and not lead.contradicts(key, row):
                return lead
        return None

    def _adopt(self, named: tuple[str, ...], lead: _Lead) -> tuple[str, ...]:
        new_keys = tuple([key for key in named if key not in self._owners])
        for key in new_keys:
            self._owners[key] = lead
        return new_keys
