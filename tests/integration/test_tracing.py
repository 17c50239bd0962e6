"""A trace goes with the work: from the UI's event into rows and jobs, and out with what is told."""

import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
import structlog
from psycopg_pool import ConnectionPool

from services.fetcher.heartbeat import Heartbeat
from services.importer.store import Store as ImporterStore
from shared import tracing
from shared.bus.jobs import JobSender
from shared.contracts import CloudEvent, FetchProgressed, ImportRequested, Job
from shared.database import Db, organisation
from shared.outbox import put_job
from shared.trace_context import Trace, new_trace, parse
from tests.integration.amqp import wait_until
from tests.integration.conftest import emptied, pool_of
from tests.integration.scheduler.builders import FORM, Desk
from tests.integration.test_events import consumer, event, publish
from tests.integration.test_jobs import lane, progress

TRACE = Trace("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "leadbay=1")


@pytest.fixture
def database_url(common_url: str) -> str:
    """An empty database."""
    return emptied(common_url)


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    return Desk(connections)


@pytest.fixture
def sender(amqp_url: str) -> Iterator[JobSender]:
    made = JobSender(amqp_url)
    yield made
    made.close()


def owed(desk: Desk) -> list[tuple[str, Trace | None]]:
    """What waits in the outbox, each message with its trace; the outbox is empty afterwards."""
    rows = desk.all("select name, body from outbox order by id")
    desk.all("delete from outbox")
    return [(row["name"], parse(row["body"].get("traceparent"), row["body"].get("tracestate"))) for row in rows]


def trace_of(desk: Desk, run_id: UUID) -> Trace | None:
    run = desk.run(run_id)
    return parse(run["traceparent"], run["tracestate"])


class TestBus:
    def test_a_job_is_handled_in_the_trace_in_which_it_was_sent(self, amqp_url: str, sender: JobSender) -> None:
        handled: dict[UUID, tuple[Trace | None, str | None]] = {}

        def handle(job: FetchProgressed) -> None:
            handled[job.run_id] = tracing.current(), structlog.contextvars.get_contextvars().get("trace_id")

        inside, outside = progress(), progress()
        hostile = progress().model_copy(update={"traceparent": TRACE.parent.upper()})
        # One thread: nothing of a job stays behind for the next
        with lane(amqp_url, {FetchProgressed: handle}, threads=1):
            with tracing.of(TRACE):
                sender.send(inside)
            for job in (outside, hostile):
                sender.send(job)
            wait_until(lambda: len(handled) == 3)
        assert handled == {
            inside.run_id: (TRACE, TRACE.trace_id),
            outside.run_id: (None, None),
            hostile.run_id: (None, None),
        }

    def test_an_event_of_the_ui_is_handled_in_its_trace(self, amqp_url: str) -> None:
        handled: list[tuple[CloudEvent, Trace | None]] = []
        bodies = [
            event() | {"traceparent": TRACE.parent, "tracestate": TRACE.state},
            event() | {"traceparent": {"a": "$(id)"}, "tracestate": [1]},
            event(),
        ]
        with consumer(amqp_url, lambda found: handled.append((found, tracing.current()))):
            publish(amqp_url, *bodies)
            wait_until(lambda: len(handled) == 3)
        assert [trace for _, trace in handled] == [TRACE, None, None]
        assert [found.id for found, _ in handled] == [body["id"] for body in bodies]


class TestHeartbeat:
    def test_what_it_tells_of_a_look_is_part_of_the_look_s_trace(self) -> None:
        # Given two looks, one of which is part of a trace, and a thread that is in none
        sent: dict[UUID, Trace | None] = {}

        class Ear:
            received = 7

            def send(self, job: Job) -> None:
                assert isinstance(job, FetchProgressed)
                sent[job.run_id] = tracing.current()

        heartbeat, inside, outside = Heartbeat(Ear()), uuid4(), uuid4()
        with tracing.of(TRACE), heartbeat.of(inside, Ear()), tracing.of(None), heartbeat.of(outside, Ear()):
            heartbeat.beat()
        assert sent == {inside: TRACE, outside: None}


class TestRuns:
    def test_what_an_admin_asks_for_is_part_of_the_admin_s_trace(self, desk: Desk) -> None:
        with tracing.of(TRACE):
            desk.ask("sftp_connector.create", **FORM)
        assert owed(desk) == [
            ("sftp_connector.created", TRACE),
            ("sftp_connector.sync_queued", TRACE),
            ("FetchRequested", TRACE),
        ]
        assert trace_of(desk, desk.value("select id from runs")) == TRACE

    def test_each_run_that_is_merely_due_has_a_trace_of_its_own(self, desk: Desk) -> None:
        ids = desk.insert_many(2)
        desk.handler.tick()
        traces = [trace_of(desk, desk.open_runs(connector_id)[0]) for connector_id in ids]
        assert None not in traces
        assert traces[0] != traces[1]
        found = owed(desk)
        assert {trace for _, trace in found} == set(traces)
        assert [trace for name, trace in found if name == "FetchRequested"] == [
            trace for name, trace in found if name == "sftp_connector.sync_queued"
        ]

    @pytest.mark.parametrize(("sampled", "flags"), [(False, "00"), (True, "01")])
    def test_whether_it_asks_to_be_recorded_is_a_setting(
        self, connections: ConnectionPool[Db], flags: str, *, sampled: bool
    ) -> None:
        desk = Desk(connections, trace_sampled=sampled)
        desk.insert_connector()
        assert desk.tick().traceparent[-2:] == flags

    def test_a_run_that_waited_for_room_is_sent_in_its_own_trace(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_per_server=1)
        first = desk.created()
        with tracing.of(TRACE):
            desk.ask("sftp_connector.create", **(FORM | {"path": "/other.csv"}))
        desk.ask("sftp_connector.delete", connector_id=str(first))
        owed(desk)
        desk.handler.tick()
        assert owed(desk) == [("FetchRequested", TRACE)]

    def test_it_stays_part_of_it_when_it_is_sent_again_and_given_up(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_sends=2)
        with tracing.of(TRACE):
            connector_id = desk.created()
        (run_id,) = desk.open_runs(connector_id)
        for expected in ("FetchRequested", "sftp_connector.sync_failed"):
            desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
            owed(desk)
            desk.let_leases_end()
            desk.sweep.step()
            assert owed(desk) == [(expected, TRACE)]
        assert tracing.current() is None

    def test_an_import_that_has_its_turn_is_sent_in_its_own_trace(self, desk: Desk) -> None:
        # Given two runs of the organisation, one that waits for the turn of the other
        runs = {}
        for trace in (Trace(TRACE.parent[:-2] + "00"), TRACE):
            with tracing.of(trace):
                connector_id = desk.created()
            runs[desk.open_runs(connector_id)[0]] = connector_id
        service = pool_of("importer", desk.connections)
        claims = []
        for run_id, connector_id in runs.items():
            with organisation(service, desk.org_id) as db:
                claims.append(ImporterStore(db).claim(request_of(desk, run_id, connector_id), 60))
        first, second = claims
        assert first is not None
        assert second is None
        owed(desk)
        # When the first ends in its trace
        with tracing.of(trace_of(desk, first.run_id)), organisation(service, desk.org_id) as db:
            ImporterStore(db).send_back(first)
        assert owed(desk) == [("ImportRequested", TRACE)]

    def test_a_job_that_names_its_trace_keeps_it(self, desk: Desk) -> None:
        other = new_trace(sampled=True)
        with tracing.of(TRACE), desk.connections.connection() as db:
            put_job(db, progress().model_copy(update={"traceparent": other.parent}))
        assert owed(desk) == [("FetchProgressed", other)]

    def test_outside_of_a_trace_an_event_says_nothing_of_one(self, desk: Desk) -> None:
        desk.ask("sftp_connector.pause", connector_id=str(uuid4()))
        (row,) = desk.all("select body from outbox")
        assert "trace" not in json.dumps(row["body"])


def request_of(desk: Desk, run_id: UUID, connector_id: UUID) -> ImportRequested:
    """A file that a fetcher brought."""
    return ImportRequested(
        run_id=run_id,
        org_id=desk.org_id,
        connector_id=connector_id,
        checksum="c" * 64,
        blob="org/x",
        size=7,
        looked_at=desk.value("select now()"),
    )
