"""The tables of connectors and runs as admission sees them. Each method is one statement of queries.sql."""

from collections.abc import Sequence
from uuid import UUID

from services.scheduler.core.fairness import Candidate
from services.scheduler.core.planning import Connector
from services.scheduler.statements import Statements
from shared.database import Row


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

    def candidates(
        self, full_servers: Sequence[str], full_orgs: Sequence[UUID], *, per_server: int, count: int, max_attempts: int
    ) -> list[Candidate]:
        """What waits or is due, up to `count`, not at full servers nor of full organisations.

        A run that importers have claimed and sent back `max_attempts` times is left to be given up.
        """
        rows = self._all(
            "candidates",
            full_servers=list(full_servers),
            full_orgs=list(full_orgs),
            per_server=per_server,
            count=count,
            max_attempts=max_attempts,
        )
        return [Candidate(**row) for row in rows]

    def claim(self, connector_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Those of the connectors that nobody else has in hand, locked, each with the run that waits for it."""
        return {row["id"]: row for row in self._all("claim", connector_ids=list(connector_ids))}

    def let_in(self, run_id: UUID, server: str, lease: float) -> bool:
        """Put a waiting run into the fetchers' queue; False when it waits no more."""
        return self._one("let_in", run_id=run_id, server=server, lease=lease) is not None
