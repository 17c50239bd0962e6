"""After a pause of the whole system everything is due at once, one organisation floods, and one server hangs."""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest

from shared.bus.jobs import JobSender, Lane
from shared.contracts import FetchProgressed, FetchReported, FetchRequested
from tests.bench import processes
from tests.bench.schedule_population import make_all_due, populate
from tests.pipeline.world import World

CONNECTORS, OF_THE_FLOOD, THREADS = 10_000, 5_000, 12
HANGING_HOST, MOST_AT_A_SERVER = "sftp1.example.com", 4
# Half of all connectors belong to others, and at the slowest rate seen they are looked at within this time.
BOUND_SECONDS = 60.0
MEMORY_MIB = 20.0


class Fetchers:
    """Answer at once, but for one server, at which each look hangs until its time is over."""

    def __init__(self, amqp_url: str) -> None:
        self._sender = JobSender(amqp_url)
        self._lock = threading.Lock()
        self.looks: Counter[UUID] = Counter()
        self.hanging = 0
        self.most_hanging = 0

    def close(self) -> None:
        """End what was opened to send answers."""
        self._sender.close()

    def look(self, request: FetchRequested) -> None:
        with self._lock:
            self.looks[request.connector_id] += 1
        self._sender.send(FetchProgressed(run_id=request.run_id, phase="started"))
        if request.endpoint.host == HANGING_HOST:
            self._hang(request)
            return
        found = {"size": 1_000_000, "mtime": 1_760_000_000, "looked_at": datetime.now(UTC)}
        self._sender.send(FetchReported(run_id=request.run_id, verdict="unchanged", **found))

    def _hang(self, request: FetchRequested) -> None:
        with self._lock:
            self.hanging += 1
            self.most_hanging = max(self.most_hanging, self.hanging)
        time.sleep(5)  # what a server that answers nothing costs
        with self._lock:
            self.hanging -= 1
        self._sender.send(FetchReported(run_id=request.run_id, verdict="failed", code="timed_out"))


@pytest.mark.timeout(300)
def test_everybody_is_served_within_the_bound_and_nothing_is_done_twice(
    world: World, record_property: Callable[[str, object], None]
) -> None:
    # Given ten thousand connectors, half of them of one organisation
    populate(world.db, CONNECTORS, interval_seconds=3600)
    flood = "(select org_id from connectors order by id limit 1)"
    world.db.execute(
        f"update connectors set org_id = {flood} where id in"
        f" (select id from connectors order by org_id limit {OF_THE_FLOOD})"
    )
    world.db.execute(
        "insert into import_mappings select org_id, 1, '{}', '{}', null, org_id from connectors"
        " group by org_id on conflict do nothing"
    )
    usual: dict[str, object] = {
        "tick_seconds": 0.25,
        "sweep_seconds": 5,
        "queue_lease_seconds": 900,
        "fetch_lease_seconds": 120,
    }
    scheduler = world.stack.service("scheduler", 1, **usual)
    scheduler.start()
    memory = processes.memory(processes.pid(scheduler))["VmRSS"]
    fetchers = Fetchers(world.stack.amqp_url)
    lane = Lane(world.stack.amqp_url, {FetchRequested: fetchers.look}, threads=THREADS)
    lane.start()
    # When all of them are due at once
    make_all_due(world.db)
    begun = world.rows("select now() as now")[0]["now"]

    world.until(lambda: world.count("connectors where due_at <= now()") == 0, "nothing due", seconds=240)
    world.until(lambda: world.count("runs where stage <> 'done'") == 0, "no open run", seconds=60)

    # Then the others were served soon, whoever flooded
    lane.stop(10)
    fetchers.close()
    delays = {
        name: sorted(
            row["delay"]
            for row in world.db.execute(
                "select extract(epoch from finished_at - %s)::float8 as delay from runs"
                f" where queued_at >= %s and (org_id = {flood}) = %s and server <> '10.0.0.1'",
                [begun, begun, of_the_flood],
            )
        )
        for name, of_the_flood in (("flood", True), ("others", False))
    }
    p95 = {name: statistics.quantiles(found, n=20)[-1] for name, found in delays.items()}
    grown = processes.memory(processes.pid(scheduler))["VmHWM"] - memory
    record_property("95 % of the others after s", round(p95["others"], 1))
    record_property("95 % of the flood after s", round(p95["flood"], 1))
    record_property("scheduler grew by MiB", round(grown, 1))
    assert p95["others"] < BOUND_SECONDS
    assert p95["others"] < p95["flood"]
    # the hanging server held few threads, and nobody was looked at twice
    assert 0 < fetchers.most_hanging <= MOST_AT_A_SERVER
    assert len(fetchers.looks) == CONNECTORS
    assert max(fetchers.looks.values()) == 1
    assert grown < MEMORY_MIB
