"""Whose turn it is when servers and organisations can only bear so many looks at once."""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Candidate:
    """A connector that is due, or whose run an admin asked for and that waits for room."""

    connector_id: UUID
    org_id: UUID
    server: str | None  # None: the stored file will do, so nothing but `room` bounds it
    asked: bool = False  # an admin waits for it: it comes before all that is merely due


@dataclass(frozen=True, slots=True)
class Caps:
    """How many looks may be under way at once."""

    per_server: int
    per_organisation: int


class _Load:
    """What is under way, and what this admission adds to it."""

    def __init__(self, busy_servers: Mapping[str, int], busy_orgs: Mapping[UUID, int], caps: Caps) -> None:
        self._servers, self._orgs, self._caps = Counter(busy_servers), Counter(busy_orgs), caps
        self.turns = Counter(busy_orgs)

    def bears(self, candidate: Candidate) -> bool:
        """Whether its server and its organisation have room."""
        return candidate.server is None or (
            self._servers[candidate.server] < self._caps.per_server
            and self._orgs[candidate.org_id] < self._caps.per_organisation
        )

    def add(self, candidate: Candidate) -> None:
        self.turns[candidate.org_id] += 1
        if candidate.server is not None:
            self._servers[candidate.server] += 1
            self._orgs[candidate.org_id] += 1


def admit(
    candidates: Sequence[Candidate],
    busy_servers: Mapping[str, int],
    busy_orgs: Mapping[UUID, int],
    caps: Caps,
    room: int,
) -> list[Candidate]:
    """At most `room` of the candidates, in the order of their turns; within an organisation the given order holds.

    The organisation with the fewest looks under way is next, whoever waited longer first among equals.
    """
    load = _Load(busy_servers, busy_orgs, caps)
    admitted: list[Candidate] = []
    for asked in (True, False):
        lane = (candidate for candidate in candidates if candidate.asked is asked)
        admitted += _in_turn(lane, load, room - len(admitted))
    return admitted


def _in_turn(candidates: Iterable[Candidate], load: _Load, room: int) -> list[Candidate]:
    queues: dict[UUID, deque[Candidate]] = {}
    for candidate in candidates:
        queues.setdefault(candidate.org_id, deque()).append(candidate)
    turns = [(load.turns[org_id], place, queue) for place, (org_id, queue) in enumerate(queues.items())]
    heapq.heapify(turns)
    admitted: list[Candidate] = []
    while turns and len(admitted) < room:
        _, place, queue = heapq.heappop(turns)
        chosen = _next(queue, load)
        if chosen is not None:
            load.add(chosen)
            admitted.append(chosen)
            heapq.heappush(turns, (load.turns[chosen.org_id], place, queue))
    return admitted


def _next(queue: deque[Candidate], load: _Load) -> Candidate | None:
    """The first that there is room for; what there is no room for now gets none later on, so it is dropped."""
    while queue:
        candidate = queue.popleft()
        if load.bears(candidate):
            return candidate
    return None
