"""Lets looks in, as many at once as a server and an organisation bear, counted over all fetchers."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from services.scheduler.admission_store import AdmissionStore
from services.scheduler.core.fairness import Candidate, admit
from services.scheduler.core.planning import Connector
from services.scheduler.core.shortlist import Shortlist
from services.scheduler.rows import connector_of
from services.scheduler.settings import Settings
from shared.database import Db, Row, seeing_all

# Candidates are read so many at a time.
_PAGE = 500


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
        # A server may be that of several organisations.
        with seeing_all(db):
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
        if room <= 0:
            return []
        candidates = self._candidates(store, servers, orgs, room)
        chosen = [candidate.connector_id for candidate in admit(candidates, servers, orgs, self._caps, room)]
        claimed = store.claim(chosen) if chosen else {}
        return [_turn(claimed[connector_id]) for connector_id in chosen if connector_id in claimed]

    def _candidates(
        self, store: AdmissionStore, servers: Counter[str], orgs: Counter[UUID], room: int
    ) -> list[Candidate]:
        """What waits and then what is due, the longest waiting first: as many as are needed to choose from."""
        shortlist = Shortlist(
            self._caps, room, _full(servers, self._caps.per_server), _full(orgs, self._caps.per_organisation)
        )
        asked = partial(store.asked, page=_PAGE, max_attempts=self._max_attempts)
        for read, is_asked in ((asked, True), (partial(store.due, page=_PAGE), False)):
            for row in _paged(read, shortlist):
                shortlist.add(Candidate(row["connector_id"], row["org_id"], row["server"], is_asked))
        return shortlist.candidates


def _paged(read: Callable[[Shortlist, Row | None], list[Row]], shortlist: Shortlist) -> Iterator[Row]:
    """The rows of one page after the other, while the shortlist wants more."""
    page = read(shortlist, None) if shortlist.wants_more else []
    while page:
        yield from page
        page = read(shortlist, page[-1]) if len(page) == _PAGE and shortlist.wants_more else []


def _turn(row: Row) -> Turn:
    return Turn(connector_of(row), row["mapping_version"], row["waiting_id"], bool(row["waiting_dry"]))


def _count(under_way: list[Row], name: str) -> Counter[Any]:
    counted: Counter[Any] = Counter()
    for row in under_way:
        counted[row[name]] += row["runs"]
    return counted


def _full(busy: Counter[Any], cap: int) -> list[Any]:
    return [name for name, count in busy.items() if name is not None and count >= cap]
