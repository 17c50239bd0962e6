"""One import: claim the run, read the file, merge its rows, and end the run, in one transaction."""

import itertools
from collections.abc import Iterable, Iterator

import structlog
from psycopg_pool import ConnectionPool

from services.importer import told
from services.importer.core import identity, merge
from services.importer.core.binding import Binding
from services.importer.core.identity import Resolved
from services.importer.core.mapping import Mapping, bind
from services.importer.core.proof import Proofs
from services.importer.core.record import LeadRow, Record, Refusal, Reject, Skipped, Warning_
from services.importer.core.table import Outcome as TableOutcome
from services.importer.core.table import Table
from services.importer.lead_store import LeadStore
from services.importer.lease import Leases
from services.importer.outcome import Ending, Outcome
from services.importer.proposal import propose
from services.importer.reading import open_file
from services.importer.reject_file import RejectFile
from services.importer.settings import Settings
from services.importer.store import Claim, Store
from services.importer.text import FileRefused
from shared.blobs import Blobs, blob_key, rejects_key
from shared.contracts import ImportRequested, Reading
from shared.database import Db, reachable
from shared.errors import BlobCorrupt, BlobMissing, Fenced
from shared.ids import new_id
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()

_BATCH_CHARS = 8_000_000
_TWINS = "This row also names another lead: {}. They were left apart; merge them in Leadbay if they are one company."


class Handler:
    """Carries out imports."""

    def __init__(
        self, settings: Settings, pool: ConnectionPool[Db], blobs: Blobs, leases: Leases, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._limits = settings.limits()
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
        reading, table = self._open(claim, None)
        proposal = propose(table.header, table.records)
        return Ending("held", 0, code="mapping_needed", reading=reading, proposal=proposal)

    def _import_mapped(self, store: Store, claim: Claim, mapping: Mapping) -> None:
        reading, table = self._open(claim, mapping)
        binding = bind(mapping, table.header)
        if isinstance(binding, Refusal):
            raise FileRefused(binding)
        binding = self._proven(claim, mapping, binding)
        with RejectFile(table.header.names, self._settings.kept_rejects) as reject_file:
            outcome = self._merge(store, claim, table, binding, reject_file)
            reject_blob = self._keep_reject_file(claim, reject_file)
        if claim.dry_run:
            store.db.rollback()
        store.keep_rejects(claim, outcome.rejects)
        ending = Ending("succeeded", mapping.version, outcome=outcome, reading=reading, reject_blob=reject_blob)
        self._finish(store, claim, ending)

    def _open(self, claim: Claim, mapping: Mapping | None) -> tuple[Reading, Table]:
        """The file as a table; the blob's checksum is verified before its first row."""
        known = mapping.names() if mapping else frozenset()
        return open_file(lambda: self._read(claim), claim.csv, self._limits, known).readable()

    def _proven(self, claim: Claim, mapping: Mapping, binding: Binding) -> Binding:
        """The binding with the formats that its columns prove, which takes a look at the whole file."""
        needed = binding.to_prove()
        if not needed:
            return binding
        proofs = Proofs(needed)
        for record in self._open(claim, mapping)[1].records:
            if isinstance(record, Record):
                proofs.see(record.cells)
                if proofs.settled():
                    break
        return binding.proven(proofs.formats())

    def _merge(self, store: Store, claim: Claim, table: Table, binding: Binding, reject_file: RejectFile) -> Outcome:
        outcome = Outcome(
            kept=self._settings.kept_rejects,
            told=self._settings.told_rejects,
            reject_file=reject_file,
            unmapped_columns=binding.unmapped_columns,
            missing_columns=binding.missing_columns,
        )
        outcome.warn(table.notes)
        leads = LeadStore(store.db, claim.org_id)
        leads.begin_merge()
        for batch in batches(itertools.chain(table.before, table.records), self._settings.batch_rows):
            self._leases.check(claim)
            # Also where no row is left to merge: its statements keep the transaction from being idle for too long.
            rows = list(_rows(batch, binding, outcome, self._limits.rows))
            self._merge_batch(leads, rows, outcome)
            log.info("import.progress", read=outcome.tally.read)
        if not outcome.tally.balanced():
            raise AssertionError("the counts of an import do not add up")
        return outcome

    def _merge_batch(self, store: LeadStore, rows: list[tuple[int, LeadRow]], outcome: Outcome) -> None:
        leads = [row for _number, row in rows]
        known = store.known_keys(sorted({key for row in leads for key in identity.keys(row)}))
        known_ids = store.known_ids(sorted({row.leadbay_id for row in leads if row.leadbay_id}))
        resolved: list[Resolved] = []
        for (number, row), item in zip(rows, identity.resolve(leads, known, known_ids, new_id), strict=True):
            if isinstance(item, Reject):
                outcome.reject([item], number)
                continue
            resolved.append(item)
            twins = (Warning_(row.line, None, "two_leads", _TWINS.format(twin)) for twin in item.twins)
            outcome.warn(twins, number)
        people = store.known_people(resolved)
        touched = store.merge(merge.build(resolved, people))
        outcome.tally.count_merged(resolved, touched)

    def _keep_reject_file(self, claim: Claim, reject_file: RejectFile) -> str | None:
        """Where the rejected rows are kept; the name tells attempts apart, so that a fenced one overwrites nothing."""
        if not reject_file.count:
            return None
        key = rejects_key(claim.org_id, claim.run_id, claim.attempt)
        self._blobs.keep(self._blobs.stage(reject_file.chunks()), key)
        return key

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
        if not claim.dry_run:
            for name, count in counts.items():
                self._metrics.rows.labels(name).inc(count)
        log.info(
            "run.ended",
            outcome=ending.result,
            code=ending.code,
            dry_run=claim.dry_run,
            seconds=run["seconds"],
            **counts,
        )


def batches(records: Iterable[TableOutcome], rows: int) -> Iterator[list[TableOutcome]]:
    """The records in lists of so many, or fewer where they are long, so that a batch fits into memory."""
    batch: list[TableOutcome] = []
    chars = 0
    for record in records:
        batch.append(record)
        chars += 0 if isinstance(record, Skipped) else sum(map(len, record.cells))
        if len(batch) >= rows or chars > _BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _rows(
    records: Iterable[TableOutcome], binding: Binding, outcome: Outcome, most: int
) -> Iterator[tuple[int, LeadRow]]:
    """The rows that can be merged, with their numbers; every other record is counted on the way."""
    for record in records:
        if isinstance(record, Skipped):
            outcome.skip(record)
            continue
        outcome.next_record()
        if outcome.record > most:
            raise FileRefused(Refusal("too_many_rows", f"The file has more than {most} rows."))
        row = [record] if isinstance(record, Reject) else binding.apply(record)
        if isinstance(row, list):
            outcome.reject(row, outcome.record)
        else:
            outcome.note(row)
            yield outcome.record, row
