"""Removes everything of an organisation that was deleted: rows, a slice at a time, and then its blobs."""

from pathlib import Path

import structlog
from psycopg_pool import ConnectionPool

from shared.blobs import Blobs
from shared.contracts import OrganisationRemoved, RemovalRequested
from shared.database import Db, organisation, queries, reachable
from shared.metrics import Metrics
from shared.outbox import put_event, put_job

log = structlog.get_logger()

SQL = queries(Path(__file__).with_name("removal_queries.sql"))

_SLICE_ROWS = 5_000
_LEASE_SECONDS = 300.0
_SOME = tuple(name for name in SQL if name.startswith("some_"))


class Removals:
    """Each request removes a slice and owes the next one, so that nobody waits long behind it.

    The end is told when no table holds a row of the organisation and the store no blob.
    """

    def __init__(
        self, pool: ConnectionPool[Db], blobs: Blobs, metrics: Metrics, *, slice_rows: int = _SLICE_ROWS
    ) -> None:
        self._pool = pool
        self._blobs = blobs
        self._metrics = metrics
        self._slice_rows = slice_rows  # of one table

    @reachable()
    def on_removal(self, request: RemovalRequested) -> None:
        """Remove a slice, or the blobs when no row is left; a repeated request changes nothing."""
        with organisation(self._pool, request.org_id) as db:
            removal = db.execute(SQL["take"], self._values(request, lease=_LEASE_SECONDS)).fetchone()
            if removal is None:
                self._metrics.stale.labels("removal").inc()
                return
            if self._removed_some(db, request):
                put_job(db, request)
                return
        blobs = self._blobs.drop_all(request.org_id)
        with organisation(self._pool, request.org_id) as db:
            if left := db.execute(SQL["left"], self._values(request)).fetchall():
                log.warning("removal.goes_on", left=[row["name"] for row in left])
                put_job(db, request)
            elif done := db.execute(SQL["finish"], self._values(request)).fetchone():
                put_event(
                    db,
                    OrganisationRemoved(
                        organisation_id=request.org_id,
                        in_reply_to=removal["reply_to"],
                        leads=done["leads"],
                        blobs=blobs,
                    ),
                )
                log.info("removal.done", leads=done["leads"], blobs=blobs)

    def _removed_some(self, db: Db, request: RemovalRequested) -> bool:
        """Remove rows of the first table that has any."""
        for name in _SOME:
            if count := db.execute(SQL[name], self._values(request, limit=self._slice_rows)).rowcount:
                if name == "some_leads":
                    db.execute(SQL["note_leads"], self._values(request, count=count))
                log.info("removal.slice", table=name.removeprefix("some_"), rows=count)
                return True
        return False

    def _values(self, request: RemovalRequested, **others: object) -> dict[str, object]:
        return {"org_id": request.org_id, **others}
