"""Faults of RabbitMQ: restarted, killed, emptied, blocked, and messages that are doubled or no messages at all."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pika

from services.scheduler.requests import import_of
from shared.bus.jobs import JobSender
from shared.contracts import ImportRequested
from tests.faults.drill import Drill, NotHealed
from tests.faults.fault import fault

_OWED = "select from outbox where created_at < now() - interval '1 s'"
_SINCE = "select connector_id from runs where connector_id = any(%s) and queued_at > %s"
_TIMED_OUT = "delivery acknowledgement on channel"
_QUEUES = ("sftp.fetch", "sftp.import", "sftp.reports")


@fault(bound=15, amid=True)
@contextmanager
def broker_restarts(drill: Drill) -> Iterator[None]:
    """RabbitMQ's application is stopped, and started again later."""
    drill.stack.servers.rabbitmq.ctl("stop_app")
    yield
    drill.stack.servers.rabbitmq.ctl("start_app")


@fault(bound=15, amid=True)
@contextmanager
def broker_is_killed(drill: Drill) -> Iterator[None]:
    """RabbitMQ's process is killed; its disk is kept."""
    drill.stack.servers.rabbitmq.kill()
    yield
    drill.stack.servers.rabbitmq.start()


@fault(bound=20, amid=True, events_lost=True)
@contextmanager
def broker_loses_its_data(drill: Drill) -> Iterator[None]:
    """RabbitMQ is killed and its data removed; it comes back without a queue."""
    rabbitmq = drill.stack.servers.rabbitmq
    rabbitmq.kill()
    yield
    shutil.rmtree(rabbitmq.home / "data")
    rabbitmq.start()
    rabbitmq.create_vhost(drill.stack.name)
    drill.listen()


@fault(bound=20, alone=True)
@contextmanager
def broker_is_away_while_connectors_are_due(drill: Drill) -> Iterator[None]:
    """No connection to RabbitMQ for more than two intervals; each connector gets one run, and nobody logs in."""
    drill.rest()
    drill.broker.refuse = True
    drill.broker.reset()
    begun, logins = drill.now(), drill.server.connections
    yield
    time.sleep(5)  # is what is injected: more than two intervals of every connector
    runs = Counter(run["connector_id"] for run in drill.rows(_SINCE, drill.connector_ids, begun))
    assert [*runs.values()] == [1] * len(drill.connector_ids), f"runs of each connector: {runs}"
    assert drill.server.connections == logins, "somebody logged in"
    drill.broker.refuse = False


@fault(bound=20, amid=True)
@contextmanager
def broker_blocks_publishers(drill: Drill) -> Iterator[None]:
    """A memory alarm: whoever publishes is blocked, consumers go on."""
    rabbitmq = drill.stack.servers.rabbitmq
    rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        yield
        drill.until_hit(lambda: drill.rows(_OWED), "a message that is not published")
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


@fault(bound=20, parked=True, alone=True)
@contextmanager
def broker_refuses_to_publish(drill: Drill) -> Iterator[None]:
    """The right to publish is taken away while jobs wait; they are parked, because nothing can be said of them."""
    rabbitmq, fetcher = drill.stack.servers.rabbitmq, drill.services["fetcher"]
    drill.rest()
    fetcher.freeze()
    yield
    drill.until(lambda: drill.runs("stage = 'queued'") and not drill.rows("select from outbox"), "jobs that wait")
    rabbitmq.ctl("set_permissions", "-p", drill.stack.name, "guest", ".*", "^$", ".*")
    try:
        drill.broker.reset()  # a channel remembers what it was allowed
        fetcher.thaw()
        drill.until(lambda: drill.depths(["sftp.fetch.XQ"])["sftp.fetch.XQ"], "a job that is parked")
    finally:
        rabbitmq.ctl("set_permissions", "-p", drill.stack.name, "guest", ".*", ".*", ".*")


@fault(bound=20, alone=True)
@contextmanager
def queues_are_purged(drill: Drill) -> Iterator[None]:
    """The jobs that wait for a fetcher or an importer are removed."""
    name, queue = drill.random.choice([("fetcher", "sftp.fetch"), ("importer", "sftp.import")])
    with drill.without(name):
        yield
        drill.until(lambda: drill.depths([queue])[queue], "a job that waits")
        with drill.channel() as channel:
            assert channel.queue_purge(queue).method.message_count, "no job was removed"


@fault(bound=25, amid=True)
@contextmanager
def queues_are_deleted(drill: Drill) -> Iterator[None]:
    """The queues are deleted, with those of retries and of dead letters."""
    names = [f"{queue}{kind}" for queue in _QUEUES for kind in ("", ".DQ", ".XQ")]
    assert drill.mixed or len(drill.depths(names)) == len(names), "not all queues were there"
    with drill.channel() as channel:
        for name in names:
            channel.queue_delete(name)
    yield


@fault(bound=25, alone=True)
@contextmanager
def job_outlasts_the_consumer_timeout(drill: Drill) -> Iterator[None]:
    """RabbitMQ's patience with a job is one second, and an import takes three."""
    rabbitmq = drill.stack.servers.rabbitmq

    def patience(timeout: int, tick: int) -> None:
        for key, value in (("consumer_timeout", timeout), ("channel_tick_interval", tick)):
            rabbitmq.ctl("eval", f"application:set_env(rabbit, {key}, {value}).")

    lost = rabbitmq.log_path.read_text(errors="replace").count(_TIMED_OUT)
    patience(1_000, 200)
    try:
        drill.replace("importer", failpoints="import.finished=sleep:3")
        yield
        drill.until(lambda: rabbitmq.log_path.read_text(errors="replace").count(_TIMED_OUT) > lost, "impatience")
    finally:
        patience(21_600_000, 60_000)


@fault(bound=20, amid=True)
@contextmanager
def every_job_a_hundred_times(drill: Drill) -> Iterator[None]:
    """Each import is requested a hundred times more, by four at once, the newest first."""
    jobs = [import_of(run) for run in drill.runs("blob is not null order by queued_at desc limit 4")]
    assert jobs, "no file is there"
    with ThreadPoolExecutor(4) as pool:
        for sent in [pool.submit(_send, drill, jobs, 25) for _ in range(4)]:
            sent.result()
    yield


def _send(drill: Drill, jobs: list[ImportRequested], times: int) -> None:
    sender = JobSender(drill.stack.amqp_url)
    for job in jobs * times:
        sender.send(job)
    sender.close()


@fault(bound=20, amid=True, parked=True, alone=True)
@contextmanager
def messages_that_are_none(drill: Drill) -> Iterator[None]:
    """No text, an unknown actor, a job without its fields, a name that is none, up to 5 MB: in every queue."""
    unknown: dict[str, object] = {
        "queue_name": "",
        "actor_name": "Unknown",
        "args": [],
        "kwargs": {"job": {}},
        "options": {},
    }
    unknown |= {"message_id": "1", "message_timestamp": 1}
    with drill.channel() as channel:
        for queue in _QUEUES:
            bodies = (
                b"\x00\xff",
                b"{}",
                json.dumps(unknown | {"queue_name": queue}).encode(),
                json.dumps(unknown | {"actor_name": "ImportRequested", "queue_name": queue}).encode(),
                json.dumps(unknown | {"queue_name": queue, "actor_name": ["Unknown"]}).encode(),
                b"x" * drill.random.randrange(5_000_000),
            )
            for body in bodies:
                channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
    yield
    parked = [f"{queue}.XQ" for queue in _QUEUES]
    try:
        drill.until(lambda: set(drill.depths(parked).values()) == {len(bodies)}, "each of them, parked", seconds=25)
    except NotHealed as error:
        raise NotHealed(f"{error}, of {len(bodies)} in each queue, but {drill.depths(parked)}") from None


@fault(bound=15, amid=True)
@contextmanager
def connections_to_the_broker_flap(drill: Drill) -> Iterator[None]:
    """All connections to RabbitMQ are reset, six times within two seconds."""
    tries = drill.broker.connections
    for _ in range(6):
        drill.broker.reset()
        drill.linger()
    yield
    drill.until_hit(lambda: drill.broker.connections > tries, "services that begin anew")


@fault(bound=25, alone=True)
@contextmanager
def broker_is_out_of_reach_without_a_sign(drill: Drill) -> Iterator[None]:
    """Nothing passes to or from RabbitMQ, until a heartbeat is missed; no connection ends but by those who miss it."""
    tries = drill.broker.connections
    drill.broker.both(blackhole=True)
    yield
    drill.until(lambda: drill.broker.connections >= tries + len(drill.services), "services that begin anew", seconds=25)
    # What services gave up meanwhile RabbitMQ still believes in
    drill.broker.heal()
