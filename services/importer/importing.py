"""Imports one file: finds out what changed, and merges that into the leads of its organisation."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain

import structlog

from services.importer.ahead import ahead
from services.importer.batches import Batch, read_batches
from services.importer.contested import Contested
from services.importer.core.delta import Hashes, Recall
from services.importer.core.mapping import Mapping
from services.importer.core.record import LeadRow
from services.importer.fingerprints import Fingerprints, load
from services.importer.lead_store import LeadStore
from services.importer.merging import Looking, Merging
from services.importer.outcome import Ending, Outcome
from services.importer.plan import Plan, Whole, find_changes
from services.importer.progress import Progress
from services.importer.reading import Misread
from services.importer.reject_file import RejectFile
from services.importer.settings import Settings
from services.importer.source import Source, Sources
from services.importer.store import Claim, Store
from services.importer.text import FileRefused
from shared.blobs import Blobs, blob_key, fingerprints_key, rejects_key
from shared.database import see
from shared.failpoints import failpoint

log = structlog.get_logger()

_CHUNKS_AHEAD = 2  # of a MiB each
_Planned = tuple[Source, Plan, Iterable[Batch]]


@dataclass(frozen=True, slots=True)
class _Before:
    """What the import before left; `comparable` if its records were mapped as they are today."""

    entries: Fingerprints
    recipe: str
    comparable: bool


class FileImport:
    """One import in one transaction of the store's; `alive` raises when the run was lost."""

    def __init__(
        self,
        settings: Settings,
        blobs: Blobs,
        store: Store,
        claim: Claim,
        mapping: Mapping,
        *,
        alive: Callable[[], None],
        progress: Callable[[int], Progress],
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._store = store
        self._claim = claim
        self._version = mapping.version
        self._alive = alive
        self._progress = progress
        self._sources = Sources(self._read, claim.csv, settings.limits(), mapping)
        # Blobs that nobody needs any more: the one when this import is committed, the others when it is fenced.
        self.replaced: str | None = None
        self.kept: list[str] = []

    def _read(self) -> Iterable[bytes]:
        chunks = self._blobs.read(blob_key(self._claim.org_id, self._claim.checksum), self._claim.checksum)
        return ahead(chunks, _CHUNKS_AHEAD)

    def run(self) -> Ending:
        """Everything but the end of the run; FileRefused when nothing can be imported."""
        with ExitStack() as files:
            leads = files.enter_context(closing(LeadStore(self._store.db, self._claim.org_id)))
            source, plan, batches = self._plan(self._before(files), leads)
            after = files.enter_context(Fingerprints())
            reject_file = files.enter_context(RejectFile(source.table.header.names, self._settings.kept_rejects))
            outcome = self._outcome(source, reject_file)
            if ended := self._store.end_fenced(self._claim):
                log.warning("import.ended_fenced", sessions=ended)
            leads.begin_merge()
            with Contested() as contested:
                merging = Merging(leads, outcome, plan, after, contested)
                self._take(batches, merging, outcome, self._progress(source.survey.lines))
                merging.settle()
            outcome.missing = merging.missing()
            if not outcome.tally.balanced():
                raise AssertionError("the counts of an import do not add up")
            with self._store.uploading():
                reject_blob = self._keep_reject_file(reject_file)
                if self._claim.dry_run:
                    # What is still being written would come after the rollback, and stay.
                    leads.close()
                    self._store.db.rollback()
                else:
                    self._keep(after, source.recipe)
        self._store.keep_rejects(self._claim, outcome.rejects)
        return Ending("succeeded", self._version, outcome=outcome, reading=source.reading, reject_blob=reject_blob)

    def _before(self, files: ExitStack) -> _Before | None:
        see(self._store.db, self._claim.org_id)
        kept = self._store.fingerprints(self._claim.connector_id)
        self._store.db.commit()
        entries = load(self._blobs, kept) if kept else None
        if kept is None or entries is None:
            return None
        return _Before(files.enter_context(entries), kept["recipe"], kept["mapping_version"] == self._version)

    def _outcome(self, source: Source, reject_file: RejectFile) -> Outcome:
        outcome = Outcome(
            kept=self._settings.kept_rejects,
            told=self._settings.told_rejects,
            reject_file=reject_file,
            unmapped_columns=source.binding.unmapped_columns,
            missing_columns=source.binding.missing_columns,
        )
        outcome.warn(source.table.notes)
        return outcome

    def _take(self, batches: Iterable[Batch], merging: Merging, outcome: Outcome, progress: Progress) -> None:
        for batch in batches:
            self._alive()
            merging.take(batch)
            failpoint("import.batch")
            tally = outcome.tally
            done = tally.created + tally.updated + tally.unchanged
            progress.at(read=tally.read, line=batch.lines, succeeded=done, failed=tally.rejected)

    def _plan(self, before: _Before | None, leads: LeadStore) -> _Planned:
        """The file, what of it is to be merged, and the batches that hold that."""
        if before is None or not before.comparable:
            source = self._sources.open(lambda _recipe: None)
            return source, Whole(before.entries if before else None), self._batches(source)
        try:
            return self._compare(before, leads, hasty=True)
        except (Misread, FileRefused) as error:
            log.info("import.read_again", reason=type(error).__name__)
        return self._compare(before, leads, hasty=False)

    def _compare(self, before: _Before, leads: LeadStore, *, hasty: bool) -> _Planned:
        looking = Looking(leads)

        def leads_of(rows: list[LeadRow]) -> Hashes:
            leads.begin_look()
            found = looking.leads_of(rows)
            # PostgreSQL ends a transaction that is idle while a large file is read.
            self._store.db.commit()
            return found

        def recall(recipe: str) -> Recall | None:
            return Recall(before.entries) if before.recipe == recipe else None

        source = self._sources.open(recall, hasty=hasty)
        changes = find_changes(self._batches(source), before.entries, leads_of, self._alive)
        if changes.batches is not None:
            return source, changes, changes.batches
        same_lines = before.recipe == source.recipe
        again = self._sources.open(lambda _recipe: changes.untouched() if same_lines else None, hasty=hasty)
        return source, changes, self._batches(again)

    def _batches(self, source: Source) -> Iterable[Batch]:
        records = chain(source.table.before, source.table.records)
        limits = {"rows": self._settings.batch_rows, "most": self._settings.max_rows}
        return ahead(read_batches(records, source.binding, **limits), 1)

    def _keep_reject_file(self, reject_file: RejectFile) -> str | None:
        """Where the rejected rows are kept; the name tells attempts apart, so that a fenced one overwrites nothing."""
        if not reject_file.count:
            return None
        key = rejects_key(self._claim.org_id, self._claim.run_id, self._claim.attempt)
        self._blobs.keep(self._blobs.stage(reject_file.chunks()), key)
        self.kept.append(key)
        return key

    def _keep(self, after: Fingerprints, recipe: str) -> None:
        """Leave the fingerprints to the next import, in the same transaction."""
        key = fingerprints_key(self._claim.org_id, self._claim.run_id, self._claim.attempt)
        checksum = after.keep(self._blobs, key)
        self.kept.append(key)
        self.replaced = self._store.keep_fingerprints(
            self._claim, blob=key, checksum=checksum, mapping_version=self._version, recipe=recipe
        )
