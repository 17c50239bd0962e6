"""The life of a run: opened when a connector is due, answered by a fetcher, sent again when nobody answers."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from services.scheduler import told
from services.scheduler.core import cadence
from services.scheduler.core.planning import Connector, Fetch, Reimport, look, plan
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared.contracts import (
    ConnectionTested,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    ImportRequested,
    SyncQueued,
    SyncStarted,
    SyncUnchanged,
)
from shared.database import Db, Row
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.outbox import put_event, put_job

log = structlog.get_logger()


class Handler:
    """Takes time and the fetchers' reports; whatever it decides is committed together with the messages it owes."""

    def __init__(
        self,
        pool: ConnectionPool[Db],
        settings: Settings,
        metrics: Metrics,
        depth: Callable[[str], int] = lambda _queue: 0,
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._depth = depth
        self._full_check_every = timedelta(seconds=settings.full_check_seconds)

    def tick(self) -> None:
        """Open a run for each due connector."""
        with self._pool.connection() as db:
            store = Store(db)
            for connector, mapping_version in store.claim_due(self._settings.batch_size, self._settings.max_queued):
                with structlog.contextvars.bound_contextvars(connector_id=str(connector.id)), _isolated(db):
                    self.open_run(store, connector, mapping_version, "schedule")

    def open_run(
        self, store: Store, connector: Connector, mapping_version: int, trigger: str, reply_to: str | None = None
    ) -> None:
        """Queue what the connector needs; an open run stands for it, so there are never two."""
        step = plan(connector, mapping_version, datetime.now(UTC), self._full_check_every)
        if isinstance(step, Reimport):
            run_id = store.open_run(
                connector, "mapping", "stored", self._settings.stored_lease_seconds, reply_to=reply_to, file=step.file
            )
        else:
            run_id = store.open_run(
                connector, trigger, "queued", self._settings.queue_lease_seconds, reply_to=reply_to, file=None
            )
        store.schedule(connector.id, cadence.after_success(connector.interval_seconds, random.random()).delay)
        open_id = run_id or store.open_run_of(connector.id)
        assert open_id is not None  # noqa: S101 - the caller holds the connector's lock
        put_event(
            store.db,
            SyncQueued(
                organisation_id=connector.org_id,
                in_reply_to=reply_to,
                connector_id=connector.id,
                run_id=open_id,
                trigger="mapping" if isinstance(step, Reimport) else trigger,
                already_running=run_id is None,
            ),
        )
        if run_id is not None:
            put_job(store.db, _job(connector, step, run_id), run_id)
            log.info("run.queued", run_id=str(run_id), trigger=trigger, step=type(step).__name__)

    def on_progress(self, report: FetchProgressed) -> None:
        """Keep the lease of a run that a fetcher works on."""
        lease = self._settings.fetch_lease_seconds
        with self._pool.connection() as db:
            store = Store(db)
            run = store.start_run(report.run_id, lease)
            if run is not None and run["is_first"]:
                self._metrics.queue_to_start.observe(run["waited"])
                put_event(
                    db,
                    SyncStarted(
                        organisation_id=run["org_id"],
                        in_reply_to=run["reply_to"],
                        connector_id=run["connector_id"],
                        run_id=report.run_id,
                    ),
                )
            if report.file is not None:
                store.note_stored(report.run_id, report.file, self._settings.stored_lease_seconds)
            elif report.phase == "downloading":
                store.extend_fetch(report.run_id, report.received_bytes, lease)

    def on_report(self, report: FetchReported) -> None:
        """End a run that brought nothing to import. A late answer changes nothing."""
        with self._pool.connection() as db:
            store = Store(db)
            connector = store.lock_fetch(report.run_id)
            outcome = {"unchanged": "unchanged", "not_settled": "held"}.get(report.verdict, "failed")
            run = store.finish_fetch(report, outcome) if connector else None
            if connector is None or run is None:
                self._metrics.stale.labels("fetch_report").inc()
                log.info("report.late")
                return
            self._metrics.runs.labels(outcome, report.code or "").inc()
            log.info("run.ended", outcome=outcome, code=report.code, detail=report.detail, seconds=run["seconds"])
            if report.verdict == "unchanged":
                self._unchanged(store, connector, run, report)
            else:
                self._trouble(store, connector, run, report)

    def _unchanged(self, store: Store, connector: Connector, run: Row, report: FetchReported) -> None:
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
        after = self._note_trouble(store, connector, code)
        if report.verdict == "not_settled":
            put_event(store.db, told.held(after, run))
        else:
            put_event(store.db, told.failed(after, run, code, report.detail))
        if code == "host_key_changed":
            put_event(store.db, told.host_key_changed(connector, report))

    def _note_trouble(self, store: Store, connector: Connector, code: str) -> Connector:
        failures = connector.failures + 1
        step = cadence.after_trouble(
            code, failures, connector.interval_seconds, random.random(), before=connector.last_code
        )
        after = store.connector_troubled(connector.id, code, failures, step.delay, pause=step.pause)
        if step.pause and connector.state == "active":
            put_event(store.db, told.paused_by_itself(after, code))
        return after

    def on_tested(self, report: ConnectionTested) -> None:
        """Tell the admin how the test went, once."""
        with self._pool.connection() as db:
            self._answer_test(Store(db), report)

    def _answer_test(self, store: Store, report: ConnectionTested) -> None:
        if test := store.answer_test(report.test_id, ok=report.ok, host_key=report.host_key):
            put_event(store.db, told.tested(report, test))
        else:
            self._metrics.stale.labels("test_report").inc()

    def sweep(self) -> None:
        """Send again what was lost on the way, give up what kills its workers, answer tests that nobody took."""
        with self._pool.connection() as db:
            store = Store(db)
            for run in store.overdue_runs(self._settings.batch_size):
                with structlog.contextvars.bound_contextvars(run_id=str(run["id"])), _isolated(db):
                    self._sweep_run(store, run)
            for test_id in store.overdue_tests(self._settings.test_timeout_seconds, self._settings.batch_size):
                self._answer_test(store, told.unanswered(test_id))
            store.forget()

    def _sweep_run(self, store: Store, run: Row) -> None:
        connector = store.lock_fetch(run["id"])
        if connector is None:
            return
        if run["sends"] >= self._settings.max_sends or run["attempt"] >= self._settings.max_attempts:
            self._give_up(store, connector, run)
        elif run["blob"] is not None:
            self._send_import_again(store, run)
        else:
            self._send_fetch_again(store, connector, run)

    def _send_import_again(self, store: Store, run: Row) -> None:
        lease = self._settings.stored_lease_seconds
        if run["stage"] == "stored" and self._depth(ImportRequested.queue) > 0:
            store.wait_on(run["id"], lease)
            return
        store.resend_import(run["id"], lease)
        put_job(store.db, _stored_job(run), run["id"])
        self._resent(run, "importing")

    def _send_fetch_again(self, store: Store, connector: Connector, run: Row) -> None:
        lease = self._settings.queue_lease_seconds
        if run["stage"] == "queued" and self._depth(FetchRequested.queue) > 0:
            store.wait_on(run["id"], lease)
            return
        store.resend_fetch(run["id"], lease)
        step = look(connector, datetime.now(UTC), self._full_check_every)
        put_job(store.db, _job(connector, step, run["id"]), run["id"])
        self._resent(run, "fetching")

    def _resent(self, run: Row, stage: str) -> None:
        self._metrics.resent.labels(stage).inc()
        log.warning("run.sent_again", was=run["stage"], sends=run["sends"], attempt=run["attempt"])

    def _give_up(self, store: Store, connector: Connector, run: Row) -> None:
        store.give_up(run["id"])
        after = self._note_trouble(store, connector, "gave_up")
        put_event(store.db, told.failed(after, run, "gave_up"))
        self._metrics.runs.labels("failed", "gave_up").inc()
        log.error("run.gave_up", sends=run["sends"], attempt=run["attempt"])

    def measure(self) -> None:
        """Refresh the gauges that come from the tables."""
        with self._pool.connection() as db:
            figures = Store(db).gauges()
        for state in ("active", "paused"):
            self._metrics.connectors.labels(state).set(figures[state])
        for stage in ("queued", "fetching", "stored", "importing"):
            self._metrics.open_runs.labels(stage).set(figures[stage])
        self._metrics.outbox.set(figures["outbox"])
        self._metrics.oldest_due.set(figures["oldest_due"])
        self._metrics.oldest_success.set(figures["oldest_success"])


@contextmanager
def _isolated(db: Db) -> Iterator[None]:
    """What fails for one connector is undone and logged; the others go on."""
    try:
        with db.transaction():
            yield
    except (psycopg.OperationalError, BusUnavailable):
        raise
    except Exception:
        log.exception("connector.skipped")


def _job(connector: Connector, step: Fetch | Reimport, run_id: UUID) -> FetchRequested | ImportRequested:
    if isinstance(step, Fetch):
        return FetchRequested(
            run_id=run_id,
            org_id=connector.org_id,
            connector_id=connector.id,
            endpoint=connector.endpoint,
            known=step.known,
            full_check=step.full_check,
        )
    file = step.file
    return ImportRequested(
        run_id=run_id,
        org_id=connector.org_id,
        connector_id=connector.id,
        checksum=file.checksum,
        blob=file.blob,
        size=file.size,
        mtime=file.mtime,
        looked_at=file.looked_at,
    )


def _stored_job(run: Row) -> ImportRequested:
    return ImportRequested(
        run_id=run["id"],
        org_id=run["org_id"],
        connector_id=run["connector_id"],
        checksum=run["checksum"],
        blob=run["blob"],
        size=run["file_size"],
        mtime=run["file_mtime"],
        looked_at=run["looked_at"],
        host_key=run["host_key"],
    )
