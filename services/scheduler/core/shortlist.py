"""Which of the many that are due are looked at in one admission: enough to choose from, and never all of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from services.scheduler.core.fairness import Candidate, Caps

# For each that may be let in, so many are looked at: some of them stand in each other's way.
_CANDIDATES = 20


@dataclass(slots=True)
class Shortlist:
    """Candidates in the order in which they come, of no organisation more than could be let in.

    So nobody with thousands of files hides the others, and whoever reads candidates page by page can pass over what is
    `closed` from the next page on.
    """

    caps: Caps
    room: int
    closed_servers: Sequence[str] = ()  # full: nothing more is let in there
    closed_orgs: list[UUID] = field(default_factory=list)  # full, or enough of it is listed; stored files do not count
    closed_places: list[tuple[UUID, str | None]] = field(
        default_factory=list
    )  # so much for an organisation at a server
    candidates: list[Candidate] = field(default_factory=list)
    _of_org: Counter[UUID] = field(default_factory=Counter)
    _at_place: Counter[tuple[UUID, str | None]] = field(default_factory=Counter)

    @property
    def wants_more(self) -> bool:
        """Whether there is too little to choose from yet."""
        return len(self.candidates) < self.room * _CANDIDATES

    def add(self, candidate: Candidate) -> None:
        """Take one more, unless there is enough of its organisation."""
        place = candidate.org_id, candidate.server
        most = self.room if candidate.server is None else self.caps.per_server
        if self._at_place[place] >= most or (candidate.server is not None and self._enough_of(candidate.org_id)):
            return
        self.candidates.append(candidate)
        self._at_place[place] += 1
        if self._at_place[place] == most:
            self.closed_places.append(place)
        if candidate.server is not None:
            self._of_org[candidate.org_id] += 1
            if self._enough_of(candidate.org_id):
                self.closed_orgs.append(candidate.org_id)

    def _enough_of(self, org_id: UUID) -> bool:
        return self._of_org[org_id] >= self.caps.per_organisation
