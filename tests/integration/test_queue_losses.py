"""Each way in which the queue library is known to lose a job, tried on a real RabbitMQ of our own."""

import itertools
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from dramatiq.errors import ConnectionClosed
from pika.adapters.blocking_connection import BlockingChannel

from deploy.local.servers.rabbitmq import Rabbitmq
from shared.bus.broker import QuorumBroker
from shared.bus.jobs import JobSender, Lane
from shared.contracts import FetchProgressed, FetchRequested, Job
from shared.errors import BusUnavailable
from tests.integration.amqp import channel, depth, put, take, vhost, wait_until
from tests.integration.test_jobs import PARKED, QUEUE, Desk, envelope, lane, progress, put_fetch, queues_exist
from tests.proxy import Proxy

pytestmark = pytest.mark.slow

DELAYED = f"{QUEUE}.DQ"
LIMIT = 20


class Panic(BaseException):
    """What a library in Rust raises: it is no Exception."""


@pytest.fixture(scope="module")
def broker(session_home: Path) -> Iterator[Rabbitmq]:
    """A RabbitMQ that a test may kill or change the settings of."""
    with Rabbitmq(session_home / "rabbitmq-to-harm") as server:
        yield server
        server.kill()  # quicker than a stop


@pytest.fixture
def url(broker: Rabbitmq) -> Iterator[str]:
    """An empty virtual host of it."""
    name = f"t_{uuid4().hex[:12]}"
    yield broker.create_vhost(name)
    broker.delete_vhost(name)


@pytest.fixture
def sender(url: str) -> Iterator[JobSender]:
    made = JobSender(url)
    yield made
    made.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.release_all()


def runs(bodies: list[bytes]) -> set[UUID]:
    return {UUID(json.loads(body)["kwargs"]["job"]["run_id"]) for body in bodies}


def test_whatever_a_handler_raises_ends_no_thread_and_loses_no_job(url: str, sender: JobSender) -> None:
    # Given
    raised = {uuid4(): kind for kind in (SystemExit, KeyboardInterrupt, GeneratorExit, Panic, MemoryError)}
    begun: list[UUID] = []
    done: set[UUID] = set()

    def escape(job: FetchProgressed) -> None:
        begun.append(job.run_id)
        if begun.count(job.run_id) == 1:
            raise raised[job.run_id]("canary-51c0")
        done.add(job.run_id)

    # When
    with structlog.testing.capture_logs() as lines, lane(url, {FetchProgressed: escape}, threads=2) as running:
        for run_id in raised:
            sender.send(progress(run_id))
        wait_until(lambda: done == raised.keys())

        # Then
        assert running.is_alive()
    assert sum(line["event"] == "job.failed" for line in lines) == len(raised)
    assert depth(url, QUEUE) == depth(url, DELAYED) == depth(url, PARKED) == 0


def test_a_retry_that_can_neither_be_published_nor_told_of_is_parked(
    broker: Rabbitmq, url: str, sender: JobSender
) -> None:
    # Given a broker that takes no more messages from us while a job is in hand, and a log that takes no more lines
    begun, failing = threading.Event(), threading.Event()

    def fail(_job: FetchProgressed) -> None:
        begun.set()
        failing.wait(60)
        raise OSError("passing")

    with lane(url, {FetchProgressed: fail}, threads=1), unwritable_log():
        job = progress()
        sender.send(job)
        assert begun.wait(20)
        broker.ctl("set_permissions", "-p", vhost(url), "guest", ".*", "", ".*")

        # When
        failing.set()

        # Then
        wait_until(lambda: depth(url, PARKED) == 1)
    assert runs(take(url, PARKED)) == {job.run_id}


@contextmanager
def unwritable_log() -> Iterator[None]:
    def refuse(*_line: object) -> str:
        raise BrokenPipeError

    usual = structlog.get_config()
    structlog.configure(processors=[refuse])
    try:
        yield
    finally:
        structlog.configure(**usual)


def test_a_job_that_kills_its_process_is_parked_and_the_others_are_done(
    url: str, sender: JobSender, tmp_path: Path
) -> None:
    # Given
    deadly, others = progress(), [progress() for _ in range(10)]
    for job in [*others[:5], deadly, *others[5:]]:
        sender.send(job)
    book = tmp_path / "begun"

    # When whatever runs the service starts it again each time
    for _ in range(LIMIT + 1):
        with started(url, str(deadly.run_id), book) as process:
            process.join(20)
            assert process.exitcode == 9
    wait_until(lambda: depth(url, PARKED) == 1)
    with started(url, str(deadly.run_id), book):
        wait_until(lambda: {str(job.run_id) for job in others} <= set(book.read_text().split()))

    # Then
    assert runs(take(url, PARKED)) == {deadly.run_id}
    assert book.read_text().count(str(deadly.run_id)) == LIMIT + 1
    assert depth(url, QUEUE) == 0


@contextmanager
def started(url: str, deadly: str, book: Path) -> Iterator[BaseProcess]:
    """A process with a lane; a copy of one that is ready, because a new one takes its time."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    process = processes.Process(target=work, args=(url, deadly, book), daemon=True)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()


def work(url: str, deadly: str, book: Path) -> None:
    """A service with a lane, which the deadly job kills."""

    def handle(job: FetchProgressed) -> None:
        with book.open("a") as file:
            file.write(f"{job.run_id}\n")
        if str(job.run_id) == deadly:
            os._exit(9)

    Lane(url, {FetchProgressed: handle}, threads=2).start()
    threading.Event().wait()


def test_a_retry_that_waits_is_not_parked_however_often_its_connection_ends(
    url: str, sender: JobSender, desk: Desk
) -> None:
    # Given a retry in the delay queue
    sender.send(progress())
    take(url, QUEUE)
    waiting = progress()
    due = int(time.time() * 1000) + 1_000
    options = {"retries": 1, "eta": due}
    kwargs = {"job": waiting.model_dump(mode="json")}
    put(url, DELAYED, envelope(queue_name=DELAYED, options=options, kwargs=kwargs))

    # When its consumers end more often than any other job may be delivered
    for _ in range(2 * LIMIT):
        with channel(url) as open_channel:
            wait_until(partial(taken, open_channel))

    # Then
    assert depth(url, DELAYED) == 1
    with lane(url, {FetchProgressed: desk}):
        wait_until(lambda: desk.done == [waiting.run_id])
    assert depth(url, PARKED) == 0


def taken(open_channel: BlockingChannel) -> bool:
    """Whether a message of the delay queue is in hand, and not acknowledged."""
    return open_channel.basic_get(DELAYED)[0] is not None


def test_a_delay_queue_of_an_earlier_version_is_used_as_it_is(url: str, sender: JobSender) -> None:
    # Given
    with channel(url) as open_channel:
        arguments: dict[str, Any] = {
            "x-queue-type": "quorum",
            "x-delivery-limit": LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": PARKED,
        }
        open_channel.queue_declare(DELAYED, durable=True, arguments=arguments)
    tries: list[UUID] = []

    def fail_once(job: FetchProgressed) -> None:
        tries.append(job.run_id)
        if len(tries) == 1:
            raise OSError("passing")

    # When
    with lane(url, {FetchProgressed: fail_once}):
        sender.send(progress())

        # Then
        wait_until(lambda: len(tries) == 2)


def test_a_job_that_outlasts_the_consumer_timeout_is_done_once_and_its_late_end_hits_no_other(
    broker: Rabbitmq, url: str, sender: JobSender, desk: Desk
) -> None:
    # Given a handler that claims a run, as an importer does, and a broker that takes a job back after a second
    claimed: set[UUID] = set()
    again = threading.Event()
    fetches: list[Job] = []

    def claim(job: FetchProgressed) -> None:
        if job.run_id in claimed:
            again.set()
            return
        claimed.add(job.run_id)
        desk(job)

    short, late, other = progress(), desk.hold(), desk.hold()
    timeout(broker, 1_000)
    with lane(url, {FetchProgressed: claim}) as running, lane(url, {FetchRequested: fetches.append}) as beside:
        # the long job has the tag 2 on its connection
        sender.send(short)
        wait_until(lambda: desk.done == [short.run_id])
        sender.send(late)
        wait_until(lambda: late.run_id in desk.seen)
        timeout(broker, 3_600_000)

        # When it is delivered again while it runs, and another has the tag 2 by the time it ends
        assert again.wait(20)
        sender.send(other)
        wait_until(lambda: other.run_id in desk.seen)
        desk.release(late)
        wait_until(lambda: late.run_id in desk.done)
        put_fetch(sender)
        wait_until(lambda: len(fetches) == 1)
        assert running.is_alive()
        assert beside.is_alive()

    # Then it was done once, and the other, whose lane was stopped before it ended, comes again
    assert desk.seen.count(late.run_id) == 1
    assert runs(take(url, QUEUE)) == {other.run_id}
    assert depth(url, PARKED) == 0
    assert broker.ctl("list_connections", "vhost").split().count(vhost(url)) == 1, "the sender's"


def timeout(broker: Rabbitmq, milliseconds: int) -> None:
    """How long a consumer on a connection to come may keep a job."""
    broker.ctl(
        "eval",
        f"application:set_env(rabbit, consumer_timeout, {milliseconds}),"
        "application:set_env(rabbit, channel_tick_interval, 500).",
    )


def test_a_broker_that_is_killed_while_jobs_are_sent_loses_none_that_was_confirmed(broker: Rabbitmq, url: str) -> None:
    # Given
    confirmed: list[UUID] = []
    refused = threading.Event()

    def send() -> None:
        sender = JobSender(url)
        while not refused.is_set():
            job = progress()
            try:
                sender.send(job)
            except BusUnavailable:
                refused.set()
            else:
                confirmed.append(job.run_id)
        sender.close()

    sending = [threading.Thread(target=send) for _ in range(8)]
    for thread in sending:
        thread.start()
    wait_until(lambda: len(confirmed) > 200)

    # When
    broker.kill()
    for thread in sending:
        thread.join(20)
    broker.start()

    # Then
    assert refused.is_set()
    assert runs(take(url, QUEUE)) >= set(confirmed)


def test_a_send_to_a_blocked_broker_ends_in_time_and_a_job_that_fails_meanwhile_is_parked(
    broker: Rabbitmq, url: str
) -> None:
    # Given a broker that takes no messages, because its memory is said to be full
    patient = f"{url}?blocked_connection_timeout=0.5"
    sender = JobSender(patient)
    begun, failing = threading.Event(), threading.Event()

    def fail(_job: FetchProgressed) -> None:
        begun.set()
        failing.wait(60)
        raise OSError("passing")

    failed = progress()
    with lane(patient, {FetchProgressed: fail}, threads=1):
        sender.send(failed)
        assert begun.wait(20)
        broker.ctl("set_vm_memory_high_watermark", "absolute", "1")
        try:
            # When
            failing.set()
            started = time.monotonic()
            with pytest.raises(BusUnavailable):
                put_fetch(sender)
            took = time.monotonic() - started
            wait_until(lambda: depth(url, PARKED) == 1)
        finally:
            broker.ctl("set_vm_memory_high_watermark", "0.4")
        # Then
        assert took < 6
        assert runs(take(url, PARKED)) == {failed.run_id}
    put_fetch(sender)
    sender.close()


def test_a_broker_that_takes_a_connection_and_says_nothing_is_given_up_in_time(broker: Rabbitmq, url: str) -> None:
    # Given
    with Proxy(("127.0.0.1", broker.port)) as proxy:
        proxy.both(blackhole=True)
        sender = JobSender(url.replace(f":{broker.port}/", f":{proxy.port}/") + "?stack_timeout=0.5")
        begun = time.monotonic()

        # When
        with pytest.raises(BusUnavailable):
            sender.send(progress())
        with pytest.raises(BusUnavailable):
            sender.depth(QUEUE)

        # Then
        assert time.monotonic() - begun < 3
        proxy.heal()
        sender.send(progress())
        sender.close()
    assert depth(url, QUEUE) == 1


def test_a_message_of_50_megabytes_is_parked_once_and_the_lane_goes_on(url: str, sender: JobSender, desk: Desk) -> None:
    # Given
    huge = "x" * 50_000_000
    strange = [huge.encode(), envelope(kwargs={"job": {"run_id": huge, "phase": "started"}})]
    with lane(url, {FetchProgressed: desk}) as running:
        wait_until(lambda: queues_exist(url))

        # When
        put(url, QUEUE, *strange)

        # Then
        job = progress()
        sender.send(job)
        wait_until(lambda: desk.done == [job.run_id])
        wait_until(lambda: depth(url, PARKED) == 2)
        assert running.is_alive()
    assert sorted(map(len, take(url, PARKED))) == sorted(map(len, strange))


def test_a_consumer_for_which_rabbitmq_holds_what_is_done_is_given_up(url: str, sender: JobSender) -> None:
    # Given a consumer that may hold one job
    broker = QuorumBroker(url)
    consumer: Any = broker.consume(QUEUE, prefetch=1, timeout=50)
    consumer.stall.seconds = 0.3
    sent = [progress() for _ in range(2)]
    sender.send(sent[0])
    first = next(message for message in consumer if message is not None)

    # While it works, or has nothing to do, it is left alone
    sender.send(sent[1])
    assert silent(consumer, seconds=2)
    consumer.ack(first)
    second = next(message for message in consumer if message is not None)
    consumer.ack(second)
    assert silent(consumer, seconds=2)

    # When the acknowledgement of a job is lost, and another one waits
    sender.send(sent[0])
    next(message for message in consumer if message is not None)
    consumer.known_tags.clear()
    sender.send(sent[1])
    with pytest.raises(ConnectionClosed, match="messages wait"):
        silent(consumer, seconds=5)

    # Then both come to the next one
    consumer.close()
    consumer = broker.consume(QUEUE, prefetch=2, timeout=50)
    brought = {str(next(message for message in consumer if message is not None).kwargs["job"]["run_id"]) for _ in sent}
    assert brought == {str(job.run_id) for job in sent}
    consumer.close()
    broker.close()


def silent(consumer: Any, *, seconds: float) -> bool:
    """Whether it brings nothing for so long."""
    deadline = time.monotonic() + seconds
    return all(message is None for message in itertools.takewhile(lambda _: time.monotonic() < deadline, consumer))
