"""Mends what was left behind: runs past their lease, tests that nobody answered, pauses that are over."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog
from psycopg_pool import ConnectionPool

from services.scheduler import told
from services.scheduler.connection_test_store import ConnectionTestStore
from services.scheduler.core.planning import AFRESH, Connector, look
from services.scheduler.endings import answer_test, isolated, note_trouble
from services.scheduler.removals import send_removals_again
from services.scheduler.requests import import_of, request_for
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared import tracing
from shared.contracts import LARGE_IMPORTS, FetchRequested, ImportRequested, RemovalRequested
from shared.database import Db, Row, every_organisation
from shared.errors import BusUnavailable, describe
from shared.metrics import Metrics
from shared.outbox import put_event, put_job
from shared.trace_context import parse

log = structlog.get_logger()

_ASKED = (FetchRequested.queue, ImportRequested.queue, LARGE_IMPORTS, RemovalRequested.queue)


class Sweep:
    """`depth` tells how many jobs wait in a queue: a job that waits in a long queue is not lost."""

    def __init__(
        self, pool: ConnectionPool[Db], settings: Settings, metrics: Metrics, depth: Callable[[str], int]
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._metrics = metrics
        self._depth = depth
        self._full_check_every = timedelta(seconds=settings.full_check_seconds)

    def step(self) -> None:
        """Send again what was lost, give up what kills its workers, resume what recovered, answer what nobody took."""
        # Asked before anything is locked.
        waiting = self._waiting()
        with every_organisation(self._pool) as db:
            store = Store(db)
            for run in store.overdue_runs(self._settings.batch_size, self._settings.max_attempts):
                with _about(run), isolated(db):
                    self._sweep_run(store, run, waiting)
            for connector in store.resume_recovered(self._settings.batch_size):
                put_event(db, told.resumed_by_itself(connector))
            tests = ConnectionTestStore(db)
            for test_id in tests.overdue(self._settings.test_timeout_seconds, self._settings.batch_size):
                answer_test(db, told.unanswered(test_id), self._metrics)
                self._metrics.unanswered_tests.inc()
            if RemovalRequested.queue not in waiting:
                send_removals_again(db, self._settings.batch_size)
        with every_organisation(self._pool) as db:
            settings = self._settings
            Store(db).forget(settings.kept_decisions_days, settings.kept_runs_days, settings.forget_batch)

    def _waiting(self) -> set[str]:
        """The queues in which messages wait; while RabbitMQ does not answer that may be any."""
        try:
            return {queue for queue in _ASKED if self._depth(queue) > 0}
        except BusUnavailable as error:
            log.warning("sweep.queues_unknown", error=describe(error))
            return set(_ASKED)

    def _sweep_run(self, store: Store, run: Row, waiting: set[str]) -> None:
        connector = store.lock_fetch(run["id"])
        if connector is None:
            return
        if _is_in(waiting, run):
            stored = run["blob"] is not None
            store.wait_on(
                run["id"], self._settings.stored_lease_seconds if stored else self._settings.queue_lease_seconds
            )
        elif self._was_tried_enough(run):
            self._give_up(store, connector, run)
        elif run["blob"] is not None:
            self._send_import_again(store, run)
        else:
            self._send_fetch_again(store, connector, run)

    def _was_tried_enough(self, run: Row) -> bool:
        """Fetches count until there is a file, claims of importers always."""
        too_many_sends = run["blob"] is None and run["sends"] >= self._settings.max_sends
        return too_many_sends or bool(run["attempt"] >= self._settings.max_attempts)

    def _send_import_again(self, store: Store, run: Row) -> None:
        store.resend_import(run["id"], self._settings.stored_lease_seconds)
        put_job(store.db, import_of(run), run["id"])
        self._resent(run, "importing")

    def _send_fetch_again(self, store: Store, connector: Connector, run: Row) -> None:
        store.resend_fetch(run["id"], self._settings.queue_lease_seconds)
        step = AFRESH if run["dry_run"] else look(connector, datetime.now(UTC), self._full_check_every)
        put_job(store.db, request_for(connector, step, run["id"]), run["id"])
        self._resent(run, "fetching")

    def _resent(self, run: Row, stage: str) -> None:
        self._metrics.resent.labels(stage).inc()
        log.warning("run.sent_again", was=run["stage"], sends=run["sends"], attempt=run["attempt"])

    def _give_up(self, store: Store, connector: Connector, run: Row) -> None:
        detail = _tries(run)
        store.give_up(run["id"], detail)
        after = note_trouble(
            store, connector, "gave_up", self._settings.patience, self._metrics, dry_run=run["dry_run"]
        )
        for event in (told.failed(after, run, "gave_up", detail), *told.bell_quieted(connector, run)):
            put_event(store.db, event)
        self._metrics.runs.labels("failed", "gave_up").inc()
        log.error("run.gave_up", sends=run["sends"], attempt=run["attempt"])


@contextmanager
def _about(run: Row) -> Iterator[None]:
    """Within it log lines name the run, and messages its trace."""
    with (
        tracing.of(parse(run["traceparent"], run["tracestate"])),
        structlog.contextvars.bound_contextvars(run_id=str(run["id"])),
    ):
        yield


def _tries(run: Row) -> str:
    """What was tried, and never ended."""
    if run["blob"] is None and not run["attempt"]:
        return f"sent to fetchers {run['sends']} times, and none answered"
    return f"claimed by importers {run['attempt']} times, and none ended"


def _is_in(waiting: set[str], run: Row) -> bool:
    """Whether its message may still wait for a worker; that of a run that awaits its turn was taken."""
    if run["stage"] == "stored" and not run["awaits_turn"]:
        return import_of(run).destination in waiting
    return bool(run["stage"] == "queued") and FetchRequested.queue in waiting
