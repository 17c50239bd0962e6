"""Jobs on a real RabbitMQ: none is lost, none blocks the others, and none tells what it should not."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pika
import pytest

from deploy.local.servers.ports import free_port
from deploy.local.servers.rabbitmq import Rabbitmq
from shared.bus.jobs import JobSender, Lane
from shared.contracts import ConnectionTested, FetchProgressed, FetchReported, FetchRequested, Job
from shared.errors import BadMessage, BusUnavailable
from tests.integration.amqp import channel, close_connections, depth, put, take, vhost, wait_until

QUEUE = FetchProgressed.queue
PARKED = f"{QUEUE}.XQ"
SECRET = "canary-51c0"


def progress(run_id: UUID | None = None) -> FetchProgressed:
    return FetchProgressed(run_id=run_id or uuid4(), phase="started")


class Desk:
    """A handler that keeps the runs it was called with; some of them wait until they are released."""

    def __init__(self) -> None:
        self.seen: list[UUID] = []
        self.done: list[UUID] = []
        self._held: dict[UUID, threading.Event] = {}

    def hold(self) -> FetchProgressed:
        """A job that stays in hand until `release`."""
        job = progress()
        self._held[job.run_id] = threading.Event()
        return job

    def release(self, job: FetchProgressed) -> None:
        self._held[job.run_id].set()

    def release_all(self) -> None:
        for event in self._held.values():
            event.set()

    def __call__(self, job: FetchProgressed) -> None:
        self.seen.append(job.run_id)
        if job.run_id in self._held:
            self._held[job.run_id].wait(60)
        self.done.append(job.run_id)


@contextmanager
def lane(url: str, handlers: Mapping[type[Job], Callable[..., None]], *, threads: int = 2) -> Iterator[Lane]:
    """A lane that consumes."""
    made = Lane(url, handlers, threads=threads)
    made.start()
    try:
        wait_until(made.is_alive)
        yield made
    finally:
        made.stop(0.5)


@pytest.fixture
def sender(amqp_url: str) -> Iterator[JobSender]:
    made = JobSender(amqp_url)
    yield made
    made.close()


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.release_all()


def test_rabbitmq_lists_whose_connections_they_are(rabbitmq: Rabbitmq, amqp_url: str) -> None:
    ours = f'"connection_name","sftp-connector {socket.gethostname()} {os.getpid()}"'
    with lane(amqp_url, {FetchProgressed: Desk()}):
        wait_until(lambda: any(ours in line for line in connections_to(rabbitmq, amqp_url)))


def connections_to(rabbitmq: Rabbitmq, amqp_url: str) -> list[str]:
    """Where its clients come from, and what they say of themselves."""
    listed = rabbitmq.ctl("list_connections", "vhost", "client_properties").splitlines()
    return [line for line in listed if line.startswith(f"{vhost(amqp_url)}\t")]


def test_a_job_is_handled_once_and_gone(amqp_url: str, sender: JobSender, desk: Desk) -> None:
    # Given
    jobs = [progress() for _ in range(20)]

    # When
    with lane(amqp_url, {FetchProgressed: desk}):
        for job in jobs:
            sender.send(job)
        wait_until(lambda: len(desk.done) == 20)

    # Then
    assert sorted(desk.seen) == sorted(job.run_id for job in jobs)
    assert depth(amqp_url, QUEUE) == 0
    assert depth(amqp_url, PARKED) == 0


def test_a_job_sent_before_any_lane_runs_waits_for_it(amqp_url: str, sender: JobSender, desk: Desk) -> None:
    job = progress()
    sender.send(job)

    with lane(amqp_url, {FetchProgressed: desk}):
        wait_until(lambda: desk.done == [job.run_id])


def test_a_job_arrives_as_it_was_sent(amqp_url: str, sender: JobSender) -> None:
    seen: list[Job] = []
    jobs: list[Job] = [
        FetchReported(run_id=uuid4(), verdict="failed", code="dns_failed", detail="été \u2028 客户"),
        ConnectionTested(test_id=uuid4(), ok=True, steps=()),
    ]

    with lane(amqp_url, {FetchReported: seen.append, ConnectionTested: seen.append}, threads=1):
        for job in jobs:
            sender.send(job)
        wait_until(lambda: len(seen) == 2)

    assert seen == jobs


def test_a_job_that_keeps_failing_is_tried_again_and_then_parked_without_its_error(
    amqp_url: str, sender: JobSender
) -> None:
    # Given
    times: list[float] = []

    def fail(_job: FetchProgressed) -> None:
        times.append(time.monotonic())
        raise ValueError(f"password {SECRET} is wrong")

    # When
    job = progress()
    with lane(amqp_url, {FetchProgressed: fail}):
        sender.send(job)
        wait_until(lambda: depth(amqp_url, PARKED) == 1)

    # Then
    (body,) = take(amqp_url, PARKED)
    assert len(times) == 4
    assert [round(after - before) >= wait for before, after, wait in zip(times, times[1:], (1, 2, 4), strict=False)]
    assert json.loads(body)["kwargs"] == {"job": job.model_dump(mode="json")}
    assert json.loads(body)["options"] == {"retries": 3}
    for told in (SECRET.encode(), b"ValueError", b"Traceback", b"test_jobs"):
        assert told not in body
    assert depth(amqp_url, QUEUE) == depth(amqp_url, f"{QUEUE}.DQ") == 0


def test_a_job_that_fails_once_is_done_the_second_time(amqp_url: str, sender: JobSender) -> None:
    tries: list[UUID] = []

    def fail_once(job: FetchProgressed) -> None:
        tries.append(job.run_id)
        if len(tries) == 1:
            raise OSError("passing")

    with lane(amqp_url, {FetchProgressed: fail_once}):
        job = progress()
        sender.send(job)
        wait_until(lambda: len(tries) == 2)

    assert tries == [job.run_id, job.run_id]
    assert depth(amqp_url, PARKED) == 0


def envelope(**changes: Any) -> bytes:
    """A message as dramatiq writes it, with something wrong."""
    plain = {
        "queue_name": QUEUE,
        "actor_name": "FetchProgressed",
        "args": [],
        "kwargs": {"job": progress().model_dump(mode="json")},
        "options": {},
        "message_id": str(uuid4()),
        "message_timestamp": 0,
    }
    return json.dumps(plain | changes).encode()


def test_what_cannot_be_understood_is_parked_once_and_the_lane_goes_on(
    amqp_url: str, sender: JobSender, desk: Desk
) -> None:
    # Given
    strange = [
        b"",
        b"\xff\xfe\x00 no text",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"x" * 2_000_000,
        envelope(actor_name="Nobody"),
        envelope(actor_name=["FetchProgressed"]),
        envelope(actor_name="FetchRequested"),
        envelope(queue_name="another.queue"),
        envelope(queue_name=None),
        envelope(args=[1, 2]),
        envelope(args=None),
        envelope(kwargs=[]),
        envelope(kwargs={"job": None}),
        envelope(kwargs={"job": {"run_id": SECRET, "phase": "started"}}),
        envelope(kwargs={"job": {}, "more": 1}),
        envelope(options=None),
        envelope(options=[]),
        envelope(options={"retries": "many"}),
        envelope(options={"throws": "what"}),
        envelope(options={"eta": "tomorrow"}),
        envelope(more=1),
    ]

    # When
    with lane(amqp_url, {FetchProgressed: desk}) as running:
        wait_until(lambda: queues_exist(amqp_url))
        put(amqp_url, QUEUE, *strange)
        job = progress()
        sender.send(job)
        wait_until(lambda: desk.done == [job.run_id])
        wait_until(lambda: depth(amqp_url, PARKED) == len(strange))
        assert running.is_alive()

    # Then
    assert sorted(take(amqp_url, PARKED)) == sorted(strange)
    assert depth(amqp_url, QUEUE) == depth(amqp_url, f"{QUEUE}.DQ") == 0


def queues_exist(url: str) -> bool:
    try:
        return depth(url, PARKED) == 0
    except pika.exceptions.ChannelClosedByBroker:
        return False


def test_a_job_that_a_handler_calls_bad_is_parked_after_one_try(amqp_url: str, sender: JobSender) -> None:
    # A job's own fields may be fine and still make no sense to its handler.
    tries: list[UUID] = []

    def refuse(job: FetchProgressed) -> None:
        tries.append(job.run_id)
        raise BadMessage("there is no such run")

    with lane(amqp_url, {FetchProgressed: refuse}):
        sender.send(progress())
        wait_until(lambda: depth(amqp_url, PARKED) == 1)

    assert len(tries) == 1


def test_a_lane_consumes_only_its_own_queues(amqp_url: str, sender: JobSender) -> None:
    # Given a handler that sends to the queues of other services
    sent = FetchReported(run_id=uuid4(), verdict="unchanged")

    def forward(_job: Any) -> None:
        sender.send(sent)

    # When
    with lane(amqp_url, {FetchRequested: forward}):
        put_fetch(sender)
        put_fetch(sender)
        wait_until(lambda: depth(amqp_url, FetchRequested.queue) == 0)
        wait_until(lambda: sender_queue(amqp_url) == (2, 0))

    # Then
    assert [json.loads(body)["actor_name"] for body in take(amqp_url, QUEUE)] == ["FetchReported"] * 2


def put_fetch(sender: JobSender) -> None:
    where = {"host": "sftp.example.com", "port": 22, "username": "crm", "path": "/leads.csv", "sealed_password": ""}
    sender.send(
        FetchRequested.model_validate(
            {"run_id": uuid4(), "org_id": uuid4(), "connector_id": uuid4(), "endpoint": where}
        )
    )


def sender_queue(url: str) -> tuple[int, int] | None:
    """Messages and consumers of the queue of reports; None before it exists."""
    try:
        with channel(url) as open_channel:
            method = open_channel.queue_declare(QUEUE, passive=True).method
            return method.message_count, method.consumer_count
    except pika.exceptions.ChannelClosedByBroker:
        return None


def test_two_lanes_work_side_by_side(amqp_url: str, sender: JobSender, desk: Desk) -> None:
    # Given a lane with all its threads in hand
    slow = [desk.hold() for _ in range(2)]
    fetches: list[Job] = []

    with lane(amqp_url, {FetchProgressed: desk}), lane(amqp_url, {FetchRequested: fetches.append}):
        for job in slow:
            sender.send(job)
        wait_until(lambda: len(desk.seen) == 2)

        # When
        put_fetch(sender)

        # Then
        wait_until(lambda: len(fetches) == 1, seconds=5)
        desk.release_all()
        wait_until(lambda: len(desk.done) == 2)


def test_a_late_acknowledgement_or_rejection_hits_no_other_job(
    rabbitmq: Rabbitmq, amqp_url: str, sender: JobSender, desk: Desk
) -> None:
    # Given a lane whose connection is lost while it has two jobs in hand: their delivery tags are 1 and 2
    late, bad, *others = [desk.hold() for _ in range(4)]

    def handle(job: FetchProgressed) -> None:
        desk(job)
        if job.run_id == bad.run_id:
            raise BadMessage("it took too long")

    with lane(amqp_url, {FetchProgressed: handle}, threads=4):
        for job in (late, bad):
            sender.send(job)
        wait_until(lambda: len(desk.seen) == 2)
        close_connections(rabbitmq, amqp_url)
        # and somebody else does those jobs, and the lane is given others: their tags are 1 and 2 again
        wait_until(lambda: depth(amqp_url, QUEUE) == 2)
        take(amqp_url, QUEUE)
        for job in others:
            sender.send(job)
        wait_until(lambda: len(desk.seen) == 4)

        # When the first two end, and the lane stops before the others end
        desk.release(late)
        desk.release(bad)
        wait_until(lambda: len(desk.done) == 2)

    # Then the others are neither lost nor parked
    left = {json.loads(body)["kwargs"]["job"]["run_id"] for body in take(amqp_url, QUEUE)}
    assert left == {str(job.run_id) for job in others}
    assert depth(amqp_url, PARKED) == 0


def test_a_retry_that_cannot_be_published_is_parked_and_not_lost(
    rabbitmq: Rabbitmq, amqp_url: str, sender: JobSender
) -> None:
    # Given a broker that takes no more messages from us while a job is in hand
    begun, failing = threading.Event(), threading.Event()

    def fail(_job: FetchProgressed) -> None:
        begun.set()
        failing.wait(60)
        raise OSError("passing")

    with lane(amqp_url, {FetchProgressed: fail}, threads=1):
        job = progress()
        sender.send(job)
        assert begun.wait(20)
        rabbitmq.ctl("set_permissions", "-p", vhost(amqp_url), "guest", ".*", "", ".*")

        # When
        failing.set()
        wait_until(lambda: depth(amqp_url, PARKED) == 1)

    # Then
    (body,) = take(amqp_url, PARKED)
    assert json.loads(body)["kwargs"]["job"]["run_id"] == str(job.run_id)


def test_every_queue_survives_the_loss_of_a_node(rabbitmq: Rabbitmq, amqp_url: str, sender: JobSender) -> None:
    sender.send(progress())

    listed = rabbitmq.ctl("list_queues", "-p", vhost(amqp_url), "--no-table-headers", "name", "type", "durable")

    assert sorted(line.split("\t") for line in listed.splitlines()) == [
        [name, "quorum", "true"] for name in (QUEUE, f"{QUEUE}.DQ", PARKED)
    ]


def test_a_stop_waits_for_the_job_in_hand(amqp_url: str, sender: JobSender, desk: Desk) -> None:
    # Given one job in hand and one behind it
    first, second = desk.hold(), progress()
    running = Lane(amqp_url, {FetchProgressed: desk}, threads=1)
    running.start()
    sender.send(first)
    wait_until(lambda: desk.seen == [first.run_id])
    sender.send(second)

    # When
    stopping = threading.Thread(target=running.stop, args=(20,))
    stopping.start()
    time.sleep(0.2)
    assert stopping.is_alive()
    desk.release(first)
    stopping.join(10)

    # Then the first is done, the second waits for another lane
    assert not stopping.is_alive()
    assert not running.is_alive()
    assert desk.done == [first.run_id]
    (body,) = take(amqp_url, QUEUE)
    assert json.loads(body)["kwargs"]["job"]["run_id"] == str(second.run_id)


def test_a_job_that_exceeds_the_grace_is_delivered_to_another_lane(
    amqp_url: str, sender: JobSender, desk: Desk
) -> None:
    # Given
    job = desk.hold()
    other = Desk()
    running = Lane(amqp_url, {FetchProgressed: desk}, threads=1)
    running.start()
    sender.send(job)
    wait_until(lambda: desk.seen == [job.run_id])

    # When
    begun = time.monotonic()
    running.stop(0.3)
    took = time.monotonic() - begun

    # Then
    assert took < 3
    with lane(amqp_url, {FetchProgressed: other}):
        wait_until(lambda: other.done == [job.run_id])
    desk.release(job)
    assert depth(amqp_url, QUEUE) == 0


def test_a_send_without_a_broker_fails_quickly() -> None:
    sender = JobSender(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    begun = time.monotonic()

    with pytest.raises(BusUnavailable) as caught:
        sender.send(progress())

    assert time.monotonic() - begun < 2
    assert "guest" not in str(caught.value)


def test_a_sender_goes_on_after_its_connection_was_lost(rabbitmq: Rabbitmq, amqp_url: str, sender: JobSender) -> None:
    sender.send(progress())
    close_connections(rabbitmq, amqp_url)

    sender.send(progress())

    assert depth(amqp_url, QUEUE) == 2


def test_threads_share_a_sender(amqp_url: str, sender: JobSender) -> None:
    def send() -> None:
        for _ in range(10):
            sender.send(progress())

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert depth(amqp_url, QUEUE) == 80


@pytest.mark.slow
def test_a_killed_broker_loses_no_confirmed_job_and_the_lane_goes_on_by_itself(tmp_path: Path, desk: Desk) -> None:
    with Rabbitmq(tmp_path / "rabbitmq") as server:
        # Given confirmed jobs that nobody takes yet, and a lane for others
        sender = JobSender(server.url)
        fetches: list[Job] = []
        jobs = [progress() for _ in range(20)]
        for job in jobs:
            sender.send(job)
        with lane(server.url, {FetchRequested: fetches.append}) as running:
            put_fetch(sender)
            wait_until(lambda: len(fetches) == 1)

            # When
            server.kill()
            begun = time.monotonic()
            with pytest.raises(BusUnavailable):
                sender.send(progress())
            took = time.monotonic() - begun
            server.start()
            put_fetch(sender)

            # Then
            assert took < 2
            wait_until(lambda: len({job.run_id for job in fetches if isinstance(job, FetchRequested)}) == 2)
            assert running.is_alive()
        with lane(server.url, {FetchProgressed: desk}):
            wait_until(lambda: set(desk.done) == {job.run_id for job in jobs})
        sender.close()
