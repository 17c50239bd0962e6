"""The tables of connectors and runs as admission sees them. Each method is one statement of queries.sql."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.scheduler.core.planning import Connector
from services.scheduler.core.shortlist import Shortlist
from services.scheduler.statements import Statements
from shared.database import Row

_BEFORE_ALL: Row = {"since": datetime.min.replace(tzinfo=UTC), "after": UUID(int=0)}


class AdmissionStore(Statements):
    """Reads and writes within one transaction."""

    def lock(self) -> None:
        """Let one transaction at a time count the room and take it."""
        self._do("lock_admission")

    def under_way(self) -> list[Row]:
        """The looks that are under way, by server and organisation."""
        return self._all("under_way")

    def crowd(self, connector: Connector) -> tuple[int, int]:
        """How many looks are under way or wait at the connector's server, and for its organisation."""
        row = self._required("crowd", server=connector.server, org_id=connector.org_id)
        return row["at_server"], row["of_org"]

    def asked(self, shortlist: Shortlist, after: Row | None, *, page: int, max_attempts: int) -> list[Row]:
        """A page of what an admin waits for, longest first, without what the shortlist has enough of.

        A run that importers have claimed and sent back `max_attempts` times is left to be given up.
        """
        return self._all("asked", page=page, max_attempts=max_attempts, **_passed_over(shortlist, after))

    def due(self, shortlist: Shortlist, after: Row | None, *, page: int) -> list[Row]:
        """A page of what is due, in the same way."""
        return self._all("due", page=page, **_passed_over(shortlist, after))

    def claim(self, connector_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Those of the connectors that nobody else has in hand, locked, each with the run that waits for it."""
        return {row["id"]: row for row in self._all("claim", connector_ids=list(connector_ids))}

    def let_in(self, run_id: UUID, server: str, lease: float) -> bool:
        """Put a waiting run into the fetchers' queue; False when it waits no more."""
        return self._one("let_in", run_id=run_id, server=server, lease=lease) is not None


def _passed_over(shortlist: Shortlist, after: Row | None) -> dict[str, Any]:
    last = after or _BEFORE_ALL
    return {
        "since": last["since"],
        "after": last["after"],
        "closed_servers": list(shortlist.closed_servers),
        "closed_orgs": shortlist.closed_orgs,
        "place_orgs": [org_id for org_id, _ in shortlist.closed_places],
        "place_servers": [server for _, server in shortlist.closed_places],
    }
