"""The life of a run: opened when a connector is due or an admin asks, ended by a fetcher's answer or an importer."""

import structlog
from psycopg_pool import ConnectionPool

from services.scheduler import told
from services.scheduler.admission import Admission
from services.scheduler.core.planning import Connector
from services.scheduler.endings import answer_test, isolated, note_trouble
from services.scheduler.host_key_store import HostKeyStore
from services.scheduler.runs import Runs
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared import tracing
from shared.contracts import (
    ConnectionTested,
    FetchProgressed,
    FetchReported,
    SyncStarted,
    SyncUnchanged,
)
from shared.database import Db, Row, every_organisation, reachable
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()


class Handler:
    """Takes time and the fetchers' reports; whatever it decides is committed together with the messages it owes."""

    def __init__(self, pool: ConnectionPool[Db], settings: Settings, metrics: Metrics) -> None:
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._admission = Admission(settings)
        self._runs = Runs(settings, self._admission)

    def tick(self) -> None:
        """Open a run for each due connector, and send those that waited, as far as there is room."""
        with every_organisation(self._pool) as db:
            for turn in self._admission.turns(db):
                with structlog.contextvars.bound_contextvars(connector_id=str(turn.connector.id)), isolated(db):
                    self._runs.take_turn(Store(db), turn)

    @reachable()
    def on_progress(self, report: FetchProgressed) -> None:
        """Keep the lease of a run that a fetcher works on."""
        lease = self._settings.fetch_lease_seconds
        with every_organisation(self._pool) as db:
            store = Store(db)
            run = store.start_run(report.run_id, lease)
            first = run if run is not None and run["is_first"] else None
            if first is not None:
                put_event(
                    db,
                    SyncStarted(
                        organisation_id=first["org_id"],
                        in_reply_to=first["reply_to"],
                        connector_id=first["connector_id"],
                        run_id=report.run_id,
                    ),
                )
            if report.file is not None:
                store.note_stored(report.run_id, report.file, self._settings.stored_lease_seconds)
                store.leave_server(report.run_id)
                if report.file.host_key is not None:
                    HostKeyStore(db).note_of_run(report.run_id, report.file.host_key)
            elif report.phase == "downloading":
                store.extend_fetch(report.run_id, report.received_bytes, lease)
        if first is not None:
            self._metrics.queue_to_start.observe(first["waited"])

    @reachable()
    def on_report(self, report: FetchReported) -> None:
        """End a run that brought nothing to import. A late answer only frees a place at the server."""
        outcome = {"unchanged": "unchanged", "not_settled": "held"}.get(report.verdict, "failed")
        with every_organisation(self._pool) as db:
            run = self._end(Store(db), report, outcome)
        if run is None:
            self._metrics.stale.labels("fetch_report").inc()
            log.info("report.late")
            return
        self._metrics.runs.labels(outcome, report.code or "").inc()
        if report.code == "host_key_changed":
            self._metrics.host_key_changes.inc()
        tracing.tell(outcome=outcome, code=report.code)
        log.info("run.ended", outcome=outcome, code=report.code, detail=report.detail, seconds=run["seconds"])

    def _end(self, store: Store, report: FetchReported, outcome: str) -> Row | None:
        connector = store.lock_fetch(report.run_id)
        run = store.finish_fetch(report, outcome) if connector else None
        if connector is None or run is None:
            store.leave_server(report.run_id)
            return None
        if report.host_key is not None:
            _note_host_key(store.db, connector, report.host_key, report.code)
        if report.verdict == "unchanged":
            self._unchanged(store, connector, run, report)
        else:
            self._trouble(store, connector, run, report)
        return run

    def _unchanged(self, store: Store, connector: Connector, run: Row, report: FetchReported) -> None:
        if not run["dry_run"]:
            store.connector_unchanged(connector.id, report)
        put_event(
            store.db,
            SyncUnchanged(
                organisation_id=connector.org_id,
                in_reply_to=run["reply_to"],
                connector_id=connector.id,
                run_id=report.run_id,
                detail=report.detail,
            ),
        )

    def _trouble(self, store: Store, connector: Connector, run: Row, report: FetchReported) -> None:
        code = report.code or "not_settled"
        after = note_trouble(
            store,
            connector,
            code,
            self._settings.patience,
            self._metrics,
            dry_run=run["dry_run"],
            address=report.address,
        )
        if report.verdict == "not_settled":
            put_event(store.db, told.held(after, run, report.detail))
        else:
            put_event(store.db, told.failed(after, run, code, report.detail))
        if code == "host_key_changed" and report.host_key is not None:
            keys = (*connector.endpoint.host_keys, report.host_key)
            first_seen = HostKeyStore(store.db).first_seen(connector, keys)
            put_event(store.db, told.host_key_changed(connector, report.host_key, first_seen))

    @reachable()
    def on_tested(self, report: ConnectionTested) -> None:
        """Tell the admin how the test went, once."""
        with every_organisation(self._pool) as db:
            answer_test(db, report, self._metrics)


def _note_host_key(db: Db, connector: Connector, host_key: str, code: str | None) -> None:
    """Note a key that is new to the connector; its first one is pinned, however the look ended."""
    if host_key in connector.endpoint.host_keys:
        return
    keys = HostKeyStore(db)
    keys.note_at(connector, host_key)
    if code != "host_key_changed":
        keys.pin(connector, host_key)
