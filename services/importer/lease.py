"""Keeps the leases of the imports in hand, and gives them back when the importer has to stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.importer.store import Claim, Store
from shared.database import Db, is_away, organisation
from shared.errors import Fenced, Unavailable, describe

log = structlog.get_logger()


class Leases:
    """The claims of this process. A claim that was lost is noticed at the next `check`."""

    def __init__(self, pool: ConnectionPool[Db], lease_seconds: float) -> None:
        self._pool = pool
        self._lease_seconds = lease_seconds
        self._lock = threading.Lock()
        self._held: set[Claim] = set()

    @contextmanager
    def held(self, claim: Claim) -> Iterator[None]:
        """Keep the claim's lease for as long as the work takes; give it back when the work fails.

        That something else was away counts as no attempt. Fenced when the run was lost and our session ended by whoever
        has it now.
        """
        with self._lock:
            self._held.add(claim)
        try:
            yield
        except Fenced:
            raise
        except BaseException as error:
            self._forget(claim)
            is_ours = self._give_back(claim, counts=not (isinstance(error, Unavailable) or is_away(error)))
            if isinstance(error, psycopg.errors.AdminShutdown) and not is_ours:
                raise Fenced("the run was lost, and the session ended") from None
            raise
        finally:
            self._forget(claim)

    def check(self, claim: Claim) -> None:
        """Raise Fenced when the claim was lost."""
        with self._lock:
            if claim not in self._held:
                raise Fenced("the lease was lost")

    def extend(self) -> None:
        """Extend every lease; call it several times within a lease."""
        for claim in self._claims():
            with organisation(self._pool, claim.org_id) as db:
                if Store(db).extend_lease(claim, self._lease_seconds):
                    continue
            log.warning("lease.lost", run_id=str(claim.run_id), attempt=claim.attempt)
            self._forget(claim)

    def give_back(self) -> None:
        """End every lease at once, so that another importer can take the runs over."""
        for claim in self._claims():
            self._give_back(claim)

    def _give_back(self, claim: Claim, *, counts: bool = True) -> bool:
        """Whether the run was ours, as far as we know."""
        try:
            with organisation(self._pool, claim.org_id) as db:
                is_ours = Store(db).extend_lease(claim, 0.0) if counts else Store(db).put_off(claim)
        except psycopg.Error as error:
            # Then the lease ends by itself.
            log.warning("lease.not_given_back", run_id=str(claim.run_id), error=describe(error))
            return True
        if is_ours:
            log.info("lease.given_back", run_id=str(claim.run_id), attempt=claim.attempt)
        return is_ours

    def _forget(self, claim: Claim) -> None:
        with self._lock:
            self._held.discard(claim)

    def _claims(self) -> list[Claim]:
        with self._lock:
            return list(self._held)
