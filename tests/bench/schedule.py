"""A scheduler with 1,000, 10,000 and 100,000 connectors, 1,000 of them due a minute, and with all of them due at once.

`python -m tests.bench.schedule`. PostgreSQL, RabbitMQ and the scheduler are real; fetchers answer at once and import
nothing. Autovacuum is on, because a scheduler runs for ever.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from deploy.local.service import ROOT, Service
from deploy.local.stack import Servers, Stack
from tests.bench import processes, report
from tests.bench.report import Table
from tests.bench.schedule_population import Db, make_all_due, populate
from tests.bench.system import private_servers, stack

CONNECTORS = (1_000, 10_000, 100_000)
DUE_A_MINUTE = 1_000
STEADY_SECONDS, RUSH_SECONDS = 60, 30
COLUMNS = (
    "connectors",
    "load",
    "claimed/s",
    "jobs/s",
    "events/s",
    "looks ended/s",
    "due to queued: median s",
    "99 % s",
    "scheduler ms a look",
    "PostgreSQL ms a look",
    "RabbitMQ ms a look",
)
_CLAIMED = "select count(*) as count from runs where queued_at >= %(since)s"
_DELAYS = """
    select percentile_cont(array[0.5, 0.99]) within group (
               order by extract(epoch from queued - due_at)::float8) as delays
    from (select connector_id as id, min(queued_at) as queued from runs
          where queued_at >= %(since)s group by connector_id) first_run
    join first_due using (id)
    where due_at >= %(since)s
"""
_ANY_DUE = "select exists (select from connectors where state = 'active' and due_at <= now()) as found"
_SERIES = {
    "jobs": 'sftp_connector_relayed_total{kind="job"}',
    "events": 'sftp_connector_relayed_total{kind="event"}',
    "ended": 'sftp_connector_runs_total{code="",outcome="unchanged"}',
}


@dataclass(frozen=True, slots=True)
class Load:
    """What a scheduler did in so many seconds, and what it cost: processor seconds by process."""

    name: str
    seconds: float
    claimed: int
    done: dict[str, float]
    delays: Sequence[float] | None  # from due to queued: the median and the 99th percentile, where it says something
    cpu: dict[str, float]

    def cells(self) -> list[str]:
        """The row of a table without its first cell."""
        rates = [f"{count / self.seconds:.1f}" for count in (self.claimed, *self.done.values())]
        delays = [f"{delay:.2f}" for delay in self.delays] if self.delays else ["", ""]
        costs = [f"{seconds * 1000 / max(1, self.claimed):.1f}" for seconds in self.cpu.values()]
        return [self.name, *rates, *delays, *costs]


class Watch:
    """Measures a scheduler that runs."""

    def __init__(self, db: Db, servers: Servers, scheduler: Service) -> None:
        self._db = db
        self._scheduler = scheduler
        measured = {"scheduler": scheduler, "postgres": servers.postgres, "rabbitmq": servers.rabbitmq}
        self._pids = {name: processes.pid(server) for name, server in measured.items()}

    def steady(self, seconds: float) -> Load:
        """The usual load, for so many seconds."""
        return self._load(f"{DUE_A_MINUTE:,} a minute", lambda: time.sleep(seconds), delays=True)

    def rush(self, seconds: float) -> Load:
        """All connectors due at once, for so many seconds or until none is due any more."""
        make_all_due(self._db)
        return self._load("all due at once", lambda: self._until_none_is_due(seconds), delays=False)

    def _until_none_is_due(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._one(_ANY_DUE)["found"]:
            time.sleep(0.25)

    def _load(self, name: str, wait: Callable[[], None], *, delays: bool) -> Load:
        since, cpu, done, begun = self._one("select now() as since"), self._cpu(), self._done(), time.monotonic()
        wait()
        took = time.monotonic() - begun
        spent = {process: used - cpu[process] for process, used in self._cpu().items()}
        more = {series: count - done[series] for series, count in self._done().items()}
        claimed = self._one(_CLAIMED, since)["count"]
        return Load(name, took, claimed, more, self._one(_DELAYS, since)["delays"] if delays else None, spent)

    def _one(self, statement: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        row = self._db.execute(statement, values).fetchone()
        assert row is not None
        return row

    def _cpu(self) -> dict[str, float]:
        return {name: processes.cpu_seconds(pid) for name, pid in self._pids.items()}

    def _done(self) -> dict[str, float]:
        return {name: self._scheduler.metric(series) for name, series in _SERIES.items()}


@contextmanager
def answering(made: Stack) -> Iterator[None]:
    """Fetchers that answer at once, as a process of their own."""
    command = [sys.executable, "-m", "tests.bench.schedule_answers", made.amqp_url]
    with subprocess.Popen(command, cwd=ROOT) as process:
        try:
            yield
        finally:
            process.kill()


def measure(servers: Servers, home: Path, connectors: int, seconds: tuple[float, float]) -> list[Load]:
    """The usual load with so many connectors, and all of them at once."""
    interval = max(60, connectors * 60 // DUE_A_MINUTE)
    steady, rush = seconds
    with (
        stack(servers, home) as made,
        psycopg.connect(made.database_url, autocommit=True, row_factory=dict_row) as db,
        answering(made),
    ):
        populate(db, connectors, interval)
        scheduler = made.service("scheduler")
        scheduler.start()
        watch = Watch(db, servers, scheduler)
        time.sleep(10)
        return [watch.steady(steady), watch.rush(rush)]


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = report.options(__doc__)
    parser.add_argument("--connectors", type=int, nargs="+", default=CONNECTORS)
    parser.add_argument("--seconds", type=float, nargs=2, default=(STEADY_SECONDS, RUSH_SECONDS))
    given = parser.parse_args()
    table = Table("One scheduler", COLUMNS)
    with private_servers() as (servers, home):
        with psycopg.connect(servers.postgres.dsn(), autocommit=True) as db:
            db.execute("alter system reset autovacuum")
            db.execute("select pg_reload_conf()")
        for connectors in given.connectors:
            for load in measure(servers, home, connectors, tuple(given.seconds)):
                table.rows.append([f"{connectors:,}", *load.cells()])
        where = report.machine(servers.postgres.dsn())
    report.publish("schedule", [table], where, write=given.write)


if __name__ == "__main__":
    main()
