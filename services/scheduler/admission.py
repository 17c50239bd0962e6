"""Lets looks in, as many at once as a server and an organisation bear, counted over all fetchers."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.scheduler.admission_store import AdmissionStore
from services.scheduler.core.fairness import admit
from services.scheduler.core.planning import Connector
from services.scheduler.rows import connector_of
from services.scheduler.settings import Settings
from shared.database import Db, Row

# For each that is let in, so many are looked at: some of them stand in each other's way.
_CANDIDATES = 20


@dataclass(frozen=True, slots=True)
class Turn:
    """A connector, locked, whose turn it is."""

    connector: Connector
    mapping_version: int
    waiting_id: UUID | None  # the run that waits for it; None: it is merely due
    waiting_dry: bool


class Admission:
    """Works within the caller's transaction; what it lets in is counted when that commits."""

    def __init__(self, settings: Settings) -> None:
        self._caps = settings.caps
        self._batch_size = settings.batch_size
        self._max_queued = settings.max_queued
        self._max_attempts = settings.max_attempts

    def has_room(self, db: Db, connector: Connector) -> bool:
        """Whether one more look at the connector's server is fine, for as long as the transaction lasts."""
        store = AdmissionStore(db)
        store.lock()
        at_server, of_org = store.crowd(connector)
        return at_server < self._caps.per_server and of_org < self._caps.per_organisation

    def turns(self, db: Db) -> list[Turn]:
        """The connectors that come next, in order."""
        store = AdmissionStore(db)
        store.lock()
        under_way = store.under_way()
        servers = _count(under_way, "server")
        orgs = _count(under_way, "org_id")
        room = min(self._batch_size, self._max_queued - sum(row["queued"] for row in under_way))
        candidates = store.candidates(
            _full(servers, self._caps.per_server),
            _full(orgs, self._caps.per_organisation),
            per_server=self._caps.per_server,
            count=self._batch_size * _CANDIDATES,
            max_attempts=self._max_attempts,
        )
        chosen = [candidate.connector_id for candidate in admit(candidates, servers, orgs, self._caps, room)]
        claimed = store.claim(chosen) if chosen else {}
        return [_turn(claimed[connector_id]) for connector_id in chosen if connector_id in claimed]


def _turn(row: Row) -> Turn:
    return Turn(connector_of(row), row["mapping_version"], row["waiting_id"], bool(row["waiting_dry"]))


def _count(under_way: list[Row], name: str) -> Counter[Any]:
    counted: Counter[Any] = Counter()
    for row in under_way:
        counted[row[name]] += row["runs"]
    return counted


def _full(busy: Counter[Any], cap: int) -> list[Any]:
    return [name for name, count in busy.items() if name is not None and count >= cap]
