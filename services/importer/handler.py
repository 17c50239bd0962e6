"""One import: claim the run, read the file, merge its rows, and end the run, in one transaction."""

import itertools
from collections.abc import Iterable, Iterator

import structlog
from psycopg_pool import ConnectionPool

from services.importer import told
from services.importer.core import dialect, identity, merge
from services.importer.core.binding import Binding
from services.importer.core.identity import Resolved
from services.importer.core.mapping import bind
from services.importer.core.record import Blank, LeadRow, Record, Refusal, Reject
from services.importer.core.rows import Table, read_table
from services.importer.lease import Leases
from services.importer.outcome import Ending, Outcome
from services.importer.settings import Settings
from services.importer.store import Claim, Store
from services.importer.text import FileRefused, lines
from shared.blobs import Blobs, blob_key
from shared.contracts import ImportRequested
from shared.database import Db, reachable
from shared.errors import BlobCorrupt, BlobMissing, Fenced
from shared.ids import new_id
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()

_SAMPLE_CHARS = 64 * 1024


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
        with self._pool.connection() as db:
            claim = Store(db).claim(request, self._settings.lease_seconds)
        if claim is None:
            self._metrics.stale.labels("import_request").inc()
            log.info("import.not_claimed")
            return
        with self._leases.held(claim), self._metrics.import_seconds.time():
            try:
                self._import_or_refuse(claim)
            except (BlobMissing, BlobCorrupt) as error:
                log.error("blob.unusable", reason=str(error))
                with self._pool.connection() as db:
                    Store(db).send_back(claim)
            except Fenced as error:
                self._metrics.stale.labels("import").inc()
                log.warning("import.fenced", reason=str(error), attempt=claim.attempt)

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
        with self._pool.connection() as db:
            store = Store(db)
            mapping = store.mapping(claim.org_id)
            version = mapping.version if mapping else 0
            if (claim.checksum, version) == (claim.file_checksum, claim.file_mapping_version):
                ending = Ending("unchanged", version, code=claim.file_code, detail="this version was imported before")
                self._finish(store, claim, ending)
                return
            table = self._open(claim)
            binding = bind(mapping, table.header)
            if isinstance(binding, Refusal):
                raise FileRefused(binding)
            outcome = self._merge(store, claim, table, binding)
            store.keep_rejects(claim, outcome.rejects)
            self._finish(store, claim, Ending("succeeded", version, outcome=outcome))

    def _open(self, claim: Claim) -> Table:
        """The file's records; the blob's checksum is verified when its last line is read."""
        text = lines(self._read(claim))
        sample, size = [], 0
        for line in text:
            sample.append(line)
            size += len(line)
            if size >= _SAMPLE_CHARS:
                break
        table = read_table(itertools.chain(sample, text), dialect.detect("".join(sample)))
        if isinstance(table, Refusal):
            raise FileRefused(table)
        return table

    def _merge(self, store: Store, claim: Claim, table: Table, binding: Binding) -> Outcome:
        outcome = Outcome(
            kept=self._settings.kept_rejects,
            told=self._settings.told_rejects,
            unmapped_columns=binding.unmapped_columns,
            missing_columns=binding.missing_columns,
        )
        outcome.tally.read = outcome.tally.ignored = table.blank_before
        store.begin_merge(claim.org_id)
        rows = _rows(table.records, binding, outcome)
        while batch := list(itertools.islice(rows, self._settings.batch_rows)):
            self._leases.check(claim)
            self._merge_batch(store, claim, batch, outcome)
            log.info("import.progress", read=outcome.tally.read)
        if not outcome.tally.balanced():
            raise AssertionError("the counts of an import do not add up")
        return outcome

    def _merge_batch(self, store: Store, claim: Claim, rows: list[LeadRow], outcome: Outcome) -> None:
        known = store.known_keys(claim.org_id, sorted({key for row in rows for key in identity.keys(row)}))
        known_ids = store.known_ids(claim.org_id, sorted({row.leadbay_id for row in rows if row.leadbay_id}))
        resolved: list[Resolved] = []
        for item in identity.resolve(rows, known, known_ids, new_id):
            if isinstance(item, Reject):
                outcome.reject([item])
            else:
                resolved.append(item)
        touched = store.merge(claim.org_id, merge.build(resolved))
        outcome.tally.count_merged(resolved, touched)

    def _refuse(self, claim: Claim, refusal: Refusal) -> None:
        with self._pool.connection() as db:
            store = Store(db)
            mapping = store.mapping(claim.org_id)
            version = mapping.version if mapping else 0
            self._finish(store, claim, Ending("failed", version, code=refusal.code, detail=refusal.reason))

    def _finish(self, store: Store, claim: Claim, ending: Ending) -> None:
        """End the run and owe the UI its events; Fenced when the run was lost, and then nothing is committed."""
        run = store.finish(claim, ending)
        for event in told.finished(claim, ending, run):
            put_event(store.db, event)
        store.db.commit()
        counts = ending.counts().model_dump()
        self._metrics.imports.labels(ending.result, ending.code or "").inc()
        self._metrics.runs.labels(ending.result, ending.code or "").inc()
        for name, count in counts.items():
            self._metrics.rows.labels(name).inc(count)
        log.info("run.ended", outcome=ending.result, code=ending.code, seconds=run["seconds"], **counts)


def _rows(records: Iterable[Record | Reject | Blank], binding: Binding, outcome: Outcome) -> Iterator[LeadRow]:
    """The rows that can be merged; every other record is counted on the way."""
    for record in records:
        outcome.tally.read += 1
        if isinstance(record, Blank):
            outcome.tally.ignored += 1
            continue
        row = [record] if isinstance(record, Reject) else binding.apply(record)
        if isinstance(row, list):
            outcome.reject(row)
        else:
            outcome.note(row)
            yield row
