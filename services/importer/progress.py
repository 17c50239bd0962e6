"""Tells the notification bell how far an import has come."""

import time
from collections.abc import Callable

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.importer import told
from services.importer.store import Claim, Store
from shared.contracts import BulkProgress
from shared.database import Db, organisation
from shared.errors import describe
from shared.outbox import put_event

log = structlog.get_logger()

_EVERY_SECONDS = 1.0
# A database that is away is not waited for: the import itself will say so.
_PATIENCE_SECONDS = 3.0


class Progress:
    """The progress of one import, told at most once a second, and never of a dry run.

    `lines` is the number of lines of the file, 0 where it is not known. It is told on a connection of its own, because
    the import's transaction stays open, and only while the run is still ours: the final notification comes after
    every other one.
    """

    def __init__(
        self, pool: ConnectionPool[Db], claim: Claim, lines: int = 0, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._claim = claim
        self._lines = lines
        self._clock = clock
        self._next = clock() + _EVERY_SECONDS

    def at(self, *, read: int, line: int, succeeded: int, failed: int) -> None:
        """So many records were read up to this line of the file, and so many of them merged or rejected.

        What cannot be told is logged, and the import goes on.
        """
        if self._claim.dry_run or self._clock() < self._next:
            return
        try:
            self._tell(counters(read=read, line=line, lines=self._lines, succeeded=succeeded, failed=failed))
        except psycopg.Error as error:
            log.warning("progress.not_told", reason=describe(error))
        self._next = self._clock() + _EVERY_SECONDS

    def _tell(self, counted: BulkProgress) -> None:
        with organisation(self._pool, self._claim.org_id, timeout=_PATIENCE_SECONDS) as db:
            if Store(db).hold(self._claim):
                put_event(db, told.progress(self._claim, counted))


def counters(*, read: int, line: int, lines: int, succeeded: int, failed: int) -> BulkProgress:
    """The bell's counters. A record may span lines, so the total is what was read and the lines still to come."""
    to_come = max(0, lines - line)
    total = max(read + to_come, succeeded + failed)
    return BulkProgress(total_count=total, success_count=succeeded, failure_count=failed)
