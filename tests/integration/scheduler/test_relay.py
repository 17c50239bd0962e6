"""What a committed transaction owes leaves in order, at least once, and soon."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.scheduler.relay import Relay
from shared.bus.events import EventPublisher
from shared.bus.jobs import JobSender
from shared.contracts import FetchProgressed, Job, SyncStarted
from shared.database import Db
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.outbox import put_event, put_job
from shared.process import Loop
from tests.integration.conftest import pool_of
from tests.integration.scheduler.builders import Database, at_once

MakeRelay = Callable[["Bus"], Relay]


class Bus:
    """Stands where RabbitMQ's sender and publisher stand: keeps what it takes, and may stop taking any."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.takes: int | None = None
        self.fault: Exception = BusUnavailable("down")
        self.before: Callable[[], None] = lambda: None
        self.news = threading.Condition()

    def send(self, job: Job) -> None:
        assert isinstance(job, FetchProgressed)
        self._take(str(job.received_bytes), {})

    def publish(self, event_type: str, body: dict[str, Any]) -> None:
        assert event_type == body["type"]
        self._take(body["data"]["in_reply_to"], body)

    def close(self) -> None:
        """Nothing to close."""

    def wait_for(self, name: str, seconds: float = 10.0) -> None:
        with self.news:
            assert self.news.wait_for(lambda: name in self.ids, seconds)

    def _take(self, name: str, body: dict[str, Any]) -> None:
        if self.takes is not None and len(self.ids) >= self.takes:
            raise self.fault
        self.before()
        with self.news:
            self.ids.append(name)
            self.bodies.append(body)
            self.news.notify_all()


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def outbox(connections: ConnectionPool[Db]) -> Database:
    return Database(connections)


@pytest.fixture
def make_relay(connections: ConnectionPool[Db], database_url: str, metrics: Metrics) -> Iterator[MakeRelay]:
    """A relay that publishes to the given bus."""
    with ExitStack() as made:

        def make(bus: Bus) -> Relay:
            service = pool_of("scheduler", connections)
            relay = Relay(service, database_url, cast("JobSender", bus), cast("EventPublisher", bus), metrics)
            made.callback(relay.close)
            return relay

        yield make


def owe(outbox: Database, *names: int) -> list[str]:
    """Owe a message under each of these numbers, jobs and events by turns."""
    with outbox.connections.connection() as db:
        for name in names:
            if name % 2:
                put_job(db, FetchProgressed(run_id=uuid4(), phase="started", received_bytes=name))
            else:
                event = SyncStarted(
                    organisation_id=uuid4(), in_reply_to=str(name), connector_id=uuid4(), run_id=uuid4()
                )
                put_event(db, event)
    return [str(name) for name in names]


def waiting(outbox: Database) -> int:
    count: int = outbox.value("select count(*) from outbox")
    return count


def test_jobs_and_events_leave_in_the_order_in_which_they_were_owed(
    outbox: Database, bus: Bus, make_relay: MakeRelay
) -> None:
    # Given more than one batch of jobs and events
    names = owe(outbox, *range(250))
    # When they are relayed
    make_relay(bus).step()
    # Then all left in order, and nothing waits
    assert bus.ids == names
    assert waiting(outbox) == 0


def test_what_is_not_committed_does_not_leave(outbox: Database, bus: Bus, make_relay: MakeRelay) -> None:
    relay = make_relay(bus)
    with outbox.connections.connection() as db:
        put_job(db, FetchProgressed(run_id=uuid4(), phase="started", received_bytes=1))
        relay.step()
        assert bus.ids == []
        db.rollback()
    relay.step()
    assert bus.ids == []


@pytest.mark.parametrize("fault", [BusUnavailable("down"), RuntimeError("anything else")], ids=["down", "other"])
def test_a_bus_that_fails_in_the_middle_keeps_the_rest_waiting(
    outbox: Database, bus: Bus, make_relay: MakeRelay, fault: Exception
) -> None:
    names, relay = owe(outbox, *range(6)), make_relay(bus)
    # When the bus takes no more than three
    bus.takes, bus.fault = 3, fault
    for _ in range(2):
        with pytest.raises(type(fault)):
            relay.step()
    # Then those that it took are gone from the outbox, the others wait, and none went twice
    assert bus.ids == names[:3]
    assert waiting(outbox) == 3
    # When it is back, then the rest follows
    bus.takes = None
    relay.step()
    assert bus.ids == names
    assert waiting(outbox) == 0


def test_two_relays_at_once_publish_each_message_once(outbox: Database, make_relay: MakeRelay) -> None:
    names = owe(outbox, *range(300))
    buses = [Bus(), Bus()]
    for bus in buses:
        # Slow enough for the other to come in between.
        bus.before = lambda: time.sleep(0.001)
    relays = [make_relay(bus) for bus in buses]

    # When both work until nothing waits
    def relay_all(number: int) -> None:
        while waiting(outbox):
            relays[number].step()

    at_once(2, relay_all)
    # Then each message left through one of them, in order
    published = [bus.ids for bus in buses]
    assert sorted(published[0] + published[1], key=int) == names
    assert all(ids == sorted(ids, key=int) for ids in published)


def test_a_message_leaves_well_within_a_second(outbox: Database, bus: Bus, make_relay: MakeRelay) -> None:
    loop = Loop("relay", make_relay(bus).step, idle_seconds=0.01)
    loop.start()
    try:
        # Given a relay that listens
        owe(outbox, 0)
        bus.wait_for("0")
        # When messages come one by one, each while it does nothing but listen
        latencies = []
        for number in range(1, 8):
            while waiting(outbox):
                time.sleep(0.01)
            time.sleep(0.05)
            owe(outbox, number)
            begin = time.monotonic()
            bus.wait_for(str(number))
            latencies.append(time.monotonic() - begin)
        # Then each leaves when it is announced, not when the relay looks by itself
        assert statistics.median(latencies) < 0.3
    finally:
        loop.stop(10)


def test_a_relay_that_dies_before_it_forgets_repeats_the_same_event(
    outbox: Database, database_url: str, bus: Bus, make_relay: MakeRelay
) -> None:
    relay = make_relay(bus)
    owe(outbox, 2)

    def die() -> None:
        # The relay is known by the lock that it holds.
        with psycopg.connect(database_url, autocommit=True) as db:
            db.execute(
                "select pg_terminate_backend(pid) from pg_locks join pg_database d on d.oid = database"
                " where locktype = 'advisory' and granted and datname = current_database()"
            )

    # When its connection dies after the event was published and before that is committed
    bus.before = die
    with pytest.raises(psycopg.OperationalError):
        relay.step()
    assert waiting(outbox) == 1
    # Then the next one publishes it again, under the same id, by which consumers know it
    bus.before = lambda: None
    make_relay(bus).step()
    assert bus.ids == ["2", "2"]
    assert bus.bodies[0] == bus.bodies[1]
    assert bus.bodies[0]["id"]
    assert waiting(outbox) == 0


def test_a_relay_whose_ears_were_cut_off_listens_again(
    outbox: Database, database_url: str, bus: Bus, make_relay: MakeRelay
) -> None:
    relay = make_relay(bus)
    relay.step()
    # When the connection that listens dies
    with psycopg.connect(database_url, autocommit=True) as db:
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name like '%-relay' and datname = current_database()"
        )
    owe(outbox, 2)
    with pytest.raises(psycopg.OperationalError):
        relay.step()
    # Then it is opened anew, and nothing was lost
    relay.step()
    assert bus.ids == ["2"]
