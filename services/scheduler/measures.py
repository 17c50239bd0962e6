"""Refreshes the gauges: what the tables and the queues hold, the same for every scheduler."""

import math
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
    """Each method is a step of a loop of its own; figures that could not be taken for `old_seconds` are told no more.

    Other schedulers may still measure, and the highest figure of all counts. `queue_state` tells how a queue is.
    """

    def __init__(
        self,
        pool: ConnectionPool[Db],
        metrics: Metrics,
        queue_state: Callable[[str], QueueState],
        *,
        old_seconds: float = 300.0,
    ) -> None:
        self._pool = pool
        self._metrics = metrics
        self._queue_state = queue_state
        self._old_seconds = old_seconds
        metrics.migrations_known.set(len(list(FOLDER.glob("*.sql"))))
        self._forget_each = {
            "tables": self._forget_tables,
            "connectors": self._forget_connectors,
            "queues": self._forget_queues,
        }
        self._taken: dict[str, float] = {}
        # Figures that are never taken grow old, too.
        for figures in self._forget_each:
            self._note(figures)

    def tables(self) -> None:
        """What is owed and under way: taken every few seconds."""
        self._forget_old()
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
        self._forget_old()
        for queue in (*QUEUES, UI_QUEUE):
            state = self._queue_state(queue)
            self._metrics.queue_messages.labels(queue).set(state.messages)
            self._metrics.queue_consumers.labels(queue).set(state.consumers)
            self._metrics.dead_letters.labels(queue).set(state.dead)
        self._note("queues")

    def _note(self, figures: str) -> None:
        self._taken[figures] = time.time()
        self._metrics.measured.labels(figures).set(self._taken[figures])

    def _forget_old(self) -> None:
        # By more than one loop, because one that hangs cannot see to its own figures.
        for figures, forget in self._forget_each.items():
            if time.time() - self._taken[figures] > self._old_seconds:
                forget()

    def _forget_tables(self) -> None:
        told = self._metrics
        told.open_runs.forget()
        told.oldest_open_run.forget()
        for gauge in (
            *(told.oldest_due, told.oldest_success, told.oldest_import, told.oldest_removal),
            *(told.outbox, told.outbox_oldest, told.lease_overdue, told.migrations),
        ):
            gauge.set(math.nan)  # which no maximum takes for the highest

    def _forget_connectors(self) -> None:
        for family in (self._metrics.active_connectors, self._metrics.connectors, self._metrics.success_age):
            family.forget()

    def _forget_queues(self) -> None:
        for family in (self._metrics.queue_messages, self._metrics.queue_consumers, self._metrics.dead_letters):
            family.forget()
