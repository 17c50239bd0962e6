"""Publishes what committed transactions owe: jobs to the queues, events to the UI, in the order they were written."""

import contextlib
from collections.abc import Iterator

import structlog
from psycopg_pool import ConnectionPool

from services.scheduler.statements import SQL
from shared.bus.events import EventPublisher
from shared.bus.jobs import JobSender, type_by_name
from shared.database import Db, Row, connect
from shared.failpoints import failpoint
from shared.metrics import Metrics

log = structlog.get_logger()

# Announcements are hints; this is how long one that got lost can delay a message.
_POLL_SECONDS = 1.0


class Relay:
    """One relay works at a time, however many schedulers run: that keeps the order of a connector's events."""

    def __init__(
        self,
        pool: ConnectionPool[Db],
        database_url: str,
        sender: JobSender,
        publisher: EventPublisher,
        metrics: Metrics,
    ) -> None:
        self._pool = pool
        self._database_url = database_url
        self._sender = sender
        self._publisher = publisher
        self._metrics = metrics
        self._ears: Db | None = None

    def step(self) -> None:
        """Wait for an announcement, at most a second, then publish all there is. BusUnavailable: try again later."""
        self._listen()
        while self._relay():
            pass

    def _listen(self) -> None:
        if self._ears is None or self._ears.closed:
            self._ears = connect(self._database_url, name="relay")
            self._ears.execute("listen outbox")
            return
        for _announcement in self._ears.notifies(timeout=_POLL_SECONDS, stop_after=1):
            return

    def _relay(self) -> bool:
        """Publish one batch; whether there was any."""
        with self._pool.connection() as db:
            lock = db.execute(SQL["outbox_lock"]).fetchone()
            if lock is None or not lock["got"]:
                return False
            batch = db.execute(SQL["outbox_batch"]).fetchall()
            with self._removing_published(db) as done:
                for row in batch:
                    failpoint("relay.taken")
                    self._publish(row)
                    failpoint("relay.published")
                    done.append(row["id"])
        return bool(batch)

    @contextlib.contextmanager
    def _removing_published(self, db: Db) -> Iterator[list[int]]:
        """What was published leaves the outbox, also when a later message could not be published."""
        done: list[int] = []
        try:
            yield done
        except Exception:
            db.execute(SQL["outbox_done"], {"ids": done})
            db.commit()
            raise
        db.execute(SQL["outbox_done"], {"ids": done})

    def _publish(self, row: Row) -> None:
        if row["kind"] == "job":
            self._sender.send(type_by_name[row["name"]].model_validate(row["body"]))
        else:
            self._publisher.publish(row["name"], row["body"])
        self._metrics.relayed.labels(row["kind"]).inc()

    def close(self) -> None:
        """Close the listening connection and the publisher's."""
        if self._ears is not None:
            self._ears.close()
        self._publisher.close()
