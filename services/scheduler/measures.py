"""Refreshes the gauges: what the tables and the queues hold, the same for every scheduler."""

import time
from collections.abc import Callable
from pathlib import Path

from psycopg_pool import ConnectionPool

from shared.bus.events import UI_QUEUE
from shared.bus.queues import QueueState
from shared.database import Db, Row, every_organisation, queries
from shared.metrics import QUEUES, Metrics
from shared.migrate import FOLDER

SQL = queries(Path(__file__).with_name("measures.sql"))

_QUANTILES = (0.5, 0.9, 0.99)


class Measures:
    """Each method is a step of a loop of its own; one that fails leaves the figures as they were, with their time.

    `queue_state` tells how a queue is.
    """

    def __init__(self, pool: ConnectionPool[Db], metrics: Metrics, queue_state: Callable[[str], QueueState]) -> None:
        self._pool = pool
        self._metrics = metrics
        self._queue_state = queue_state
        metrics.migrations_known.set(len(list(FOLDER.glob("*.sql"))))

    def tables(self) -> None:
        """What is owed and under way: taken every few seconds."""
        with every_organisation(self._pool) as db:
            backlog = db.execute(SQL["backlog"]).fetchone()
            stages = {row["stage"]: row for row in db.execute(SQL["open_runs"])}
        assert backlog is not None  # noqa: S101 - it has no condition
        self._tell_backlog(backlog)
        self._tell_runs(stages)
        self._note("tables")

    def _tell_backlog(self, backlog: Row) -> None:
        self._metrics.oldest_due.set(backlog["oldest_due"])
        self._metrics.oldest_success.set(backlog["oldest_success"])
        self._metrics.oldest_removal.set(backlog["oldest_removal"])
        self._metrics.outbox.set(backlog["outbox"])
        self._metrics.outbox_oldest.set(backlog["outbox_oldest"])
        self._metrics.migrations.set(backlog["migrations"])

    def _tell_runs(self, stages: dict[str, Row]) -> None:
        for stage in ("waiting", "queued", "fetching", "stored", "importing"):
            row = stages.get(stage)
            self._metrics.open_runs.labels(stage).set(row["runs"] if row else 0)
            self._metrics.oldest_open_run.labels(stage).set(row["oldest"] if row else 0)
        self._metrics.oldest_import.set(max((row["claimed"] for row in stages.values()), default=0))
        self._metrics.lease_overdue.set(max((row["overdue"] for row in stages.values()), default=0))

    def connectors(self) -> None:
        """How many there are and how fresh: that reads them all, so it is taken now and then."""
        with every_organisation(self._pool) as db:
            paused = db.execute(SQL["paused"]).fetchone()
            active = db.execute(SQL["freshness"], {"quantiles": list(_QUANTILES)}).fetchone()
        assert paused is not None  # noqa: S101 - aggregates have one row
        assert active is not None  # noqa: S101
        for kind in ("fresh", "failing", "late"):
            self._metrics.active_connectors.labels(kind).set(active[kind])
        self._metrics.connectors.labels("active").set(active["fresh"] + active["failing"] + active["late"])
        for state in ("paused", "auto_paused"):
            self._metrics.connectors.labels(state).set(paused[state])
        self._metrics.success_age.forget()
        for quantile, success in zip(_QUANTILES, active["successes"] or (), strict=False):
            self._metrics.success_age.labels(str(quantile)).set((active["moment"] - success).total_seconds())
        self._note("connectors")

    def queues(self) -> None:
        """What waits in the queues, who takes it, and what was given up."""
        for queue in (*QUEUES, UI_QUEUE):
            state = self._queue_state(queue)
            self._metrics.queue_messages.labels(queue).set(state.messages)
            self._metrics.queue_consumers.labels(queue).set(state.consumers)
            self._metrics.dead_letters.labels(queue).set(state.dead)
        self._note("queues")

    def _note(self, figures: str) -> None:
        self._metrics.measured.labels(figures).set(time.time())
