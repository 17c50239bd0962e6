"""Says what the beginning of a tested file looks like, so that the admin sees it before the first import."""

import structlog
from psycopg_pool import ConnectionPool

from services.importer.core.mapping import Mapping, bind
from services.importer.core.record import Outcome, Refusal, Reject
from services.importer.core.table import Table
from services.importer.proposal import propose
from services.importer.reading import open_file
from services.importer.settings import Settings
from services.importer.store import Store
from services.importer.text import FileRefused
from shared.blobs import Blobs, preview_key
from shared.contracts import CsvOptions, Previewed, PreviewRequested, Reading
from shared.database import Db, Row, organisation, reachable
from shared.errors import BlobCorrupt, BlobMissing, advice
from shared.outbox import put_event

log = structlog.get_logger()

_NAMES = 50
_TAIL = 50  # records at the end of a cut file among which its last quoted cell is looked for


class Previews:
    """Makes previews; one that cannot be made is no loss, so nothing is tried again for its sake."""

    def __init__(self, settings: Settings, pool: ConnectionPool[Db], blobs: Blobs) -> None:
        self._limits = settings.limits()
        self._pool = pool
        self._blobs = blobs

    @reachable()
    def on_preview(self, request: PreviewRequested) -> None:
        """Tell the admin, once, and drop the file's beginning."""
        with organisation(self._pool, request.org_id) as db:
            store = Store(db)
            test = store.take_preview(request.org_id, request.test_id)
            if test is None:
                log.info("preview.late")
                # Whoever told it may have died before this.
                self._blobs.drop(preview_key(request.org_id, request.test_id))
                return
            lost = None
            try:
                put_event(db, self._preview(store, request, test))
            except (BlobMissing, BlobCorrupt) as error:
                lost = error
        self._blobs.drop(request.blob)
        if lost is None:
            log.info("preview.told", whole_file=request.whole_file)
        else:
            log.warning("preview.lost", reason=str(lost))

    def _preview(self, store: Store, request: PreviewRequested, test: Row) -> Previewed:
        mapping = store.mapping(request.org_id)
        about = Previewed(
            organisation_id=request.org_id,
            in_reply_to=test["reply_to"],
            test_id=request.test_id,
            connector_id=test["connector_id"],
            mapping_version=mapping.version if mapping else 0,
            whole_file=request.whole_file,
        )
        options = CsvOptions.model_validate(test["csv_options"] or {})
        try:
            opened = open_file(
                lambda: self._blobs.read(request.blob, request.checksum),
                options,
                self._limits,
                mapping.names() if mapping else frozenset(),
                cut=not request.whole_file,
            )
            if isinstance(opened.table, Refusal):
                return _refused(about, opened.table, opened.reading)
            return _told(about, opened.table, opened.reading, mapping)
        except FileRefused as refused:
            return _refused(about, refused.refusal, None)


def _refused(about: Previewed, refusal: Refusal, reading: Reading | None) -> Previewed:
    words = {"code": refusal.code, "message": advice(refusal.code).message, "detail": refusal.reason}
    return about.model_copy(update={**words, "reading": reading})


def _uncut(records: list[Outcome]) -> list[Outcome]:
    """The records without the last one, which may be cut, or without the lines of a quoted cell that was cut."""
    tail = records[-_TAIL:]
    quoted = (
        place for place, record in enumerate(tail) if isinstance(record, Reject) and record.code == "unclosed_quote"
    )
    return records[: len(records) - len(tail) + next(quoted, len(tail) - 1)] if tail else []


def _told(about: Previewed, table: Table, reading: Reading | None, mapping: Mapping | None) -> Previewed:
    records: list[Outcome] = list(table.records)
    if not about.whole_file:
        records = _uncut(records)
    proposal = propose(table.header, records, mapping)
    binding = bind(mapping, table.header) if mapping else None
    if isinstance(binding, Refusal):
        about = _refused(about, binding, reading)
    return about.model_copy(
        update={
            "reading": reading,
            "columns": proposal.columns,
            "statuses": proposal.statuses,
            "rows_seen": proposal.rows,
            "unmapped_columns": tuple(view.name for view in proposal.columns if view.target is None)[:_NAMES],
            "missing_columns": ()
            if binding is None or isinstance(binding, Refusal)
            else binding.missing_columns[:_NAMES],
        }
    )
