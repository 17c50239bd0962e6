"""One import: claim the run, merge what the file brings, and end the run, in one transaction."""

from collections.abc import Iterator
from dataclasses import replace

import structlog
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import ConnectionPool

from services.importer import scratch, told
from services.importer.core.mapping import Mapping
from services.importer.core.record import Refusal
from services.importer.importing import FileImport
from services.importer.lease import Leases
from services.importer.outcome import Ending
from services.importer.progress import Progress
from services.importer.proposal import propose
from services.importer.reading import open_file
from services.importer.settings import Settings
from services.importer.store import Claim, Store
from services.importer.text import FileRefused
from shared import tracing
from shared.blobs import Blobs, blob_key
from shared.contracts import ImportRequested
from shared.database import Db, organisation, reachable
from shared.errors import BlobCorrupt, BlobMissing, Fenced
from shared.failpoints import failpoint
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()


class Handler:
    """Carries out imports."""

    def __init__(
        self, settings: Settings, pool: ConnectionPool[Db], blobs: Blobs, leases: Leases, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._blobs = blobs
        self._leases = leases
        self._metrics = metrics

    @reachable()
    def on_import(self, request: ImportRequested) -> None:
        """Import the file if the run is still to be done; a repeated or late request changes nothing."""
        with organisation(self._pool, request.org_id) as db:
            store = Store(db)
            claim = store.claim(request, self._settings.lease_seconds)
            waits = claim is None and store.awaits_turn(request.run_id)
            removed = claim is None and store.is_removed(request.org_id)
        if waits:
            log.info("import.awaits_turn")
            return
        if removed:
            # A fetcher was at work when the organisation was deleted.
            self._blobs.drop(request.blob)
        if claim is None:
            self._metrics.stale.labels("import_request").inc()
            log.info("import.not_claimed")
            return
        try:
            with self._leases.held(claim), self._metrics.import_seconds.time(), scratch.needed():
                self._import_or_send_back(claim)
        except Fenced as error:
            self._metrics.stale.labels("import").inc()
            log.warning("import.fenced", reason=str(error), attempt=claim.attempt)
            with organisation(self._pool, claim.org_id) as db:
                Store(db).note_fenced(claim, str(error))

    def _import_or_send_back(self, claim: Claim) -> None:
        try:
            self._import_or_refuse(claim)
        except (BlobMissing, BlobCorrupt) as error:
            self._metrics.unusable_blobs.inc()
            log.error("blob.unusable", reason=str(error))
            with organisation(self._pool, claim.org_id) as db:
                Store(db).send_back(claim)

    def _import_or_refuse(self, claim: Claim) -> None:
        try:
            self._import(claim)
        except FileRefused as refused:
            # A blob that was damaged at rest looks like a bad file, and then the customer has nothing to mend.
            for _chunk in self._read(claim):
                pass
            self._refuse(claim, refused.refusal)

    def _read(self, claim: Claim) -> Iterator[bytes]:
        return self._blobs.read(blob_key(claim.org_id, claim.checksum), claim.checksum)

    def _import(self, claim: Claim) -> None:
        """All between the first row and the final event is one transaction: all of it happens, or nothing."""
        with organisation(self._pool, claim.org_id) as db:
            store = Store(db)
            mapping = store.mapping(claim.org_id)
            # A large file takes minutes to look through, and PostgreSQL ends a transaction that is idle for so long.
            db.commit()
            version = mapping.version if mapping else 0
            imported_before = (claim.checksum, version) == (claim.file_checksum, claim.file_mapping_version)
            if imported_before and not claim.dry_run:
                ending = Ending("unchanged", version, code=claim.file_code, detail="this version was imported before")
                self._finish(store, claim, ending)
            elif mapping is None:
                self._finish(store, claim, self._propose(claim))
            else:
                self._import_mapped(store, claim, mapping)

    def _propose(self, claim: Claim) -> Ending:
        """Without a mapping the run stops here; the stored file is imported by itself when one is saved."""
        reading, table = open_file(lambda: self._read(claim), claim.csv, self._settings.limits()).readable()
        proposal = propose(table.header, table.records)
        detail = f"{proposal.rows} rows were read, and no mapping says what they mean"
        return Ending("held", 0, code="mapping_needed", detail=detail, reading=reading, proposal=proposal)

    def _import_mapped(self, store: Store, claim: Claim, mapping: Mapping) -> None:
        made = FileImport(
            self._settings,
            self._blobs,
            store,
            claim,
            mapping,
            alive=lambda: self._leases.check(claim),
            progress=lambda lines: Progress(self._pool, claim, lines),
        )
        try:
            ending = made.run()
            self._finish(store, claim, replace(ending, detail=told.compared(claim, ending)))
        except (Fenced, ForeignKeyViolation):
            # Nobody waits for our locks while the blob store is asked.
            store.db.rollback()
            for key in made.kept:
                self._blobs.drop(key)
            # Of an organisation that was deleted not even the run is left.
            raise Fenced("the run was taken over, cancelled or removed") from None
        if made.replaced:
            self._blobs.drop(made.replaced)

    def _refuse(self, claim: Claim, refusal: Refusal) -> None:
        with organisation(self._pool, claim.org_id) as db:
            store = Store(db)
            mapping = store.mapping(claim.org_id)
            version = mapping.version if mapping else 0
            self._finish(store, claim, Ending("failed", version, code=refusal.code, detail=refusal.reason))

    def _finish(self, store: Store, claim: Claim, ending: Ending) -> None:
        """End the run and owe the UI its events; Fenced when the run was lost, and then nothing is committed."""
        run = store.finish(claim, ending)
        for event in told.finished(claim, ending, run):
            put_event(store.db, event)
        failpoint("import.finished")
        store.db.commit()
        failpoint("import.committed")
        counts = ending.counts().model_dump()
        self._count(claim, ending, run["seconds"])
        tracing.tell(outcome=ending.result, code=ending.code)
        log.info(
            "run.ended",
            outcome=ending.result,
            code=ending.code,
            dry_run=claim.dry_run,
            seconds=run["seconds"],
            **counts,
        )

    def _count(self, claim: Claim, ending: Ending, seconds: float) -> None:
        self._metrics.imports.labels(ending.result, ending.code or "").inc()
        self._metrics.runs.labels(ending.result, ending.code or "").inc()
        counts = ending.counts()
        if claim.dry_run or ending.result != "succeeded":
            return
        for name, count in dict(counts).items():
            self._metrics.rows.labels(name).inc(count)
        self._metrics.sync_seconds.observe(seconds)
        if counts.read:
            self._metrics.delta_ratio.observe((counts.created + counts.updated) / counts.read)
