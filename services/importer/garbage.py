"""Removes blobs that nobody needs any more from the blob store."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from psycopg_pool import ConnectionPool

from services.importer.settings import Settings
from services.importer.store import SQL
from shared.blobs import KINDS, Blobs, Stored
from shared.database import Db, see
from shared.metrics import Metrics

log = structlog.get_logger()


class Garbage:
    """Keeps what is referenced or young, and removes the rest; of all importers one works at a time.

    A file is referenced while a run of it is open, while it is what its connector imported last, and as long as it is
    one of the connector's last versions and not too old. A fetcher that stores the same content again at the very
    moment of its removal loses it; the import notices, and has the file fetched once more.
    """

    def __init__(self, settings: Settings, pool: ConnectionPool[Db], blobs: Blobs, metrics: Metrics) -> None:
        self._pool = pool
        self._blobs = blobs
        self._metrics = metrics
        self._young = timedelta(seconds=settings.young_blob_seconds)
        self._retention = {"versions": settings.kept_versions, "days": settings.kept_days}

    def step(self) -> None:
        """Go through the store once, unless another importer does."""
        with self._pool.connection() as db:
            lock = db.execute(SQL["lock_garbage"]).fetchone()
            if lock is None or not lock["got"]:
                return
            db.execute(SQL["idle_long"])
            for kind in KINDS:
                self._sweep(db, kind)
            self._blobs.drop_unfinished(datetime.now(UTC) - self._young)

    def _sweep(self, db: Db, kind: str) -> None:
        kept = dropped = 0
        for page in self._blobs.listed(kind):
            useless = self._useless(db, page)
            for blob in useless:
                dropped += self._blobs.drop_unchanged(blob)
            kept += sum(blob.size for blob in page) - sum(blob.size for blob in useless)
        self._metrics.blob_bytes.labels(kind).set(kept)
        self._metrics.blobs_dropped.labels(kind).inc(dropped)
        if dropped:
            log.info("blobs.dropped", kind=kind, count=dropped)

    def _useless(self, db: Db, page: list[Stored]) -> list[Stored]:
        old_since = datetime.now(UTC) - self._young
        old = [blob for blob in page if blob.modified < old_since]
        needed = self._needed(db, [blob.key for blob in old])
        return [blob for blob in old if blob.key not in needed]

    def _needed(self, db: Db, keys: list[str]) -> set[str]:
        """Those of the keys that somebody refers to: each organisation is asked for its own."""
        needed: set[str] = set()
        for org_id, own in _by_organisation(keys).items():
            see(db, org_id)
            rows = db.execute(SQL["needed_blobs"], {"keys": own, **self._retention})
            needed.update(row["key"] for row in rows)
        return needed


def _by_organisation(keys: Iterable[str]) -> dict[UUID, list[str]]:
    """The keys by the organisation that each names; one that names none, as below `incoming/`, is nobody's."""
    found: dict[UUID, list[str]] = {}
    for key in keys:
        with suppress(ValueError):
            _kind, org_id, _name = key.split("/")
            found.setdefault(UUID(org_id), []).append(key)
    return found
