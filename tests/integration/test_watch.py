"""Whether what a service needs answers, as it is told: over a real RabbitMQ, and with a lane that counts its jobs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from deploy.local.servers.rabbitmq import Rabbitmq
from shared.bus.jobs import Handlers, JobSender, Lane
from shared.bus.queues import Queues
from shared.contracts import FetchProgressed
from shared.errors import BadMessage, DatabaseUnavailable
from shared.metrics import Metrics
from shared.process import Loop, watch
from tests.integration.amqp import close_connections, put, wait_until

QUEUE = FetchProgressed.queue


def progress() -> FetchProgressed:
    return FetchProgressed(run_id=uuid4(), phase="started")


@contextmanager
def lane(url: str, handlers: Handlers, metrics: Metrics) -> Iterator[None]:
    made = Lane(url, handlers, threads=1, metrics=metrics)
    made.start()
    try:
        yield
    finally:
        made.stop(0.5)


def send(url: str, *jobs: FetchProgressed) -> None:
    sender = JobSender(url)
    for job in jobs:
        sender.send(job)
    sender.close()


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    return metrics.registry.get_sample_value(f"sftp_connector_{name}", labels) or 0.0


class TestDependencies:
    def test_what_answers_is_up_and_what_does_not_is_down(self, metrics: Metrics) -> None:
        def breaks() -> bool:
            raise OSError("a secret")

        watch(metrics, {"database": lambda: True, "blobs": lambda: False, "broker": breaks}, [])

        told = {name: counted(metrics, "dependency_up", dependency=name) for name in ("database", "blobs", "broker")}
        assert told == {"database": 1, "blobs": 0, "broker": 0}

    def test_what_comes_back_is_up_again(self, metrics: Metrics) -> None:
        answers = iter([False, True])
        for expected in (0, 1):
            watch(metrics, {"database": lambda: next(answers)}, [])
            assert counted(metrics, "dependency_up", dependency="database") == expected

    def test_a_broker_is_up_while_it_answers(self, amqp_url: str, metrics: Metrics) -> None:
        broker = Queues(amqp_url)
        watch(metrics, {"broker": broker.answers}, [])
        broker.close()
        assert counted(metrics, "dependency_up", dependency="broker") == 1

    def test_a_broker_that_is_away_is_down(self, metrics: Metrics) -> None:
        watch(metrics, {"broker": Queues("amqp://127.0.0.1:1").answers}, [])
        assert metrics.registry.get_sample_value("sftp_connector_dependency_up", {"dependency": "broker"}) == 0

    def test_a_connection_that_the_broker_closed_is_no_outage(self, rabbitmq: Rabbitmq, amqp_url: str) -> None:
        broker = Queues(amqp_url)
        assert broker.answers()
        close_connections(rabbitmq, amqp_url)
        assert broker.answers()
        broker.close()


class TestLoops:
    def test_a_loop_that_fails_is_told_until_it_works_again(self, metrics: Metrics) -> None:
        failing = threading.Event()
        failing.set()

        def step() -> None:
            if failing.is_set():
                raise OSError("away")

        loop = Loop("tick", step, idle_seconds=0.01)
        loop.start()
        try:
            wait_until(lambda: loop.failures >= 2)
            watch(metrics, {}, [loop])
            assert counted(metrics, "loop_failures", loop="tick") >= 2
            failing.clear()
            wait_until(lambda: loop.failures == 0)
            watch(metrics, {}, [loop])
            assert counted(metrics, "loop_failures", loop="tick") == 0
        finally:
            loop.stop(5)

    def test_a_loop_outlives_failures_without_number(self) -> None:
        def step() -> None:
            raise OSError("away")

        loop = Loop("tick", step, idle_seconds=0.01)
        loop.failures = 2_000
        loop.start()
        wait_until(lambda: loop.failures == 2_001)
        loop.join(0.3)
        assert loop.is_alive()
        loop.stop(5)


class TestJobs:
    def test_a_job_is_counted_with_how_long_it_waited(self, amqp_url: str, metrics: Metrics) -> None:
        send(amqp_url, progress(), progress())
        with lane(amqp_url, {FetchProgressed: lambda _job: None}, metrics):
            wait_until(lambda: counted(metrics, "jobs_total", queue=QUEUE, result="done") == 2)
        assert counted(metrics, "message_wait_seconds_count", queue=QUEUE) == 2
        assert counted(metrics, "message_wait_seconds_sum", queue=QUEUE) > 0

    @pytest.mark.parametrize(
        ("error", "result"),
        [(DatabaseUnavailable("away"), "delayed"), (ValueError("a fault"), "failed"), (BadMessage("what?"), "refused")],
    )
    def test_a_job_that_raised_is_counted_by_what_that_means(
        self, amqp_url: str, metrics: Metrics, error: Exception, result: str
    ) -> None:
        def handle(_job: FetchProgressed) -> None:
            raise error

        send(amqp_url, progress())
        with lane(amqp_url, {FetchProgressed: handle}, metrics):
            wait_until(lambda: counted(metrics, "jobs_total", queue=QUEUE, result=result) >= 1)
        assert counted(metrics, "jobs_total", queue=QUEUE, result="done") == 0

    def test_what_is_tried_again_did_not_wait_for_a_worker(self, amqp_url: str, metrics: Metrics) -> None:
        tries: list[FetchProgressed] = []

        def handle(job: FetchProgressed) -> None:
            tries.append(job)
            if len(tries) == 1:
                raise DatabaseUnavailable("away")

        send(amqp_url, progress())
        with lane(amqp_url, {FetchProgressed: handle}, metrics):
            wait_until(lambda: counted(metrics, "jobs_total", queue=QUEUE, result="done") == 1)
        assert len(tries) == 2
        assert counted(metrics, "message_wait_seconds_count", queue=QUEUE) == 1

    def test_a_job_that_cannot_be_read_is_refused(self, amqp_url: str, metrics: Metrics) -> None:
        sender = JobSender(amqp_url)
        sender.send(progress())
        with lane(amqp_url, {FetchProgressed: lambda _job: None}, metrics):
            wait_until(lambda: counted(metrics, "jobs_total", queue=QUEUE, result="done") == 1)
            body = (
                b'{"queue_name": "sftp.reports", "actor_name": "FetchProgressed", "args": [], "kwargs": {"job": {}},'
                b' "options": {}, "message_id": "m", "message_timestamp": 1}'
            )
            put(amqp_url, QUEUE, body)
            wait_until(lambda: counted(metrics, "jobs_total", queue=QUEUE, result="refused") == 1)
        sender.close()
