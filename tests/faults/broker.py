"""Faults of RabbitMQ: restarted, killed, emptied, blocked, and messages that are doubled or no messages at all."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pika

from services.scheduler.requests import import_of
from shared.bus.jobs import JobSender
from tests.faults.drill import Drill
from tests.faults.fault import fault

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


@fault(bound=20, amid=True)
@contextmanager
def broker_is_away_while_connectors_are_due(drill: Drill) -> Iterator[None]:
    """No connection to RabbitMQ for more than two intervals; no connector then has two runs."""
    drill.broker.refuse = True
    drill.broker.reset()
    yield
    time.sleep(8)  # is what is injected: more than two intervals of every connector
    for row in drill.rows(
        "select connector_id, count(*) from runs where connector_id = any(%s) and stage <> 'done'"
        " group by connector_id having count(*) > 1",
        drill.connector_ids,
    ):
        raise AssertionError(f"more than one run is open for {row}")
    drill.broker.refuse = False


@fault(bound=20, amid=True)
@contextmanager
def broker_blocks_publishers(drill: Drill) -> Iterator[None]:
    """A memory alarm: whoever publishes is blocked, consumers go on."""
    rabbitmq = drill.stack.servers.rabbitmq
    rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1")
    try:
        yield
        time.sleep(1)  # is what is injected
    finally:
        rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


@fault(bound=20, amid=True, parked=True)
@contextmanager
def broker_refuses_to_publish(drill: Drill) -> Iterator[None]:
    """The right to publish is taken away; consumers go on."""
    rabbitmq, vhost = drill.stack.servers.rabbitmq, drill.stack.name
    rabbitmq.ctl("set_permissions", "-p", vhost, "guest", ".*", "^$", ".*")
    try:
        yield
        time.sleep(1)  # is what is injected
    finally:
        rabbitmq.ctl("set_permissions", "-p", vhost, "guest", ".*", ".*", ".*")


@fault(bound=20, amid=True)
@contextmanager
def queues_are_purged(drill: Drill) -> Iterator[None]:
    """The jobs that wait are removed, while fetchers and importers stand still."""
    drill.services["fetcher"].freeze()
    drill.services["importer"].freeze()
    with drill.channel() as channel:
        for queue in _QUEUES:
            channel.queue_purge(queue)
    yield
    drill.services["fetcher"].thaw()
    drill.services["importer"].thaw()


@fault(bound=25, amid=True)
@contextmanager
def queues_are_deleted(drill: Drill) -> Iterator[None]:
    """The queues are deleted, with those of retries and of dead letters."""
    with drill.channel() as channel:
        for queue in _QUEUES:
            for name in (queue, f"{queue}.DQ", f"{queue}.XQ"):
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

    patience(1_000, 200)
    try:
        drill.replace("importer", failpoints="import.finished=sleep:3")
        yield
        drill.until_imported()
    finally:
        patience(21_600_000, 60_000)
    drill.replace("importer")


@fault(bound=10, amid=True)
@contextmanager
def every_job_a_hundred_times(drill: Drill) -> Iterator[None]:
    """Each import is requested a hundred times more, the newest first."""
    query = "select * from runs where connector_id = any(%s) and blob is not null order by queued_at desc"
    runs = drill.rows(query, drill.connector_ids)
    sender = JobSender(drill.stack.amqp_url)
    for _ in range(100 // len(runs) + 1):
        for run in runs:
            sender.send(import_of(run))
    sender.close()
    yield


@fault(bound=20, amid=True, parked=True)
@contextmanager
def messages_that_are_none(drill: Drill) -> Iterator[None]:
    """No text, an unknown actor, a job without its fields, up to 5 MB: in every queue."""
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
                b"x" * drill.random.randrange(5_000_000),
            )
            for body in bodies:
                channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))
    yield


@fault(bound=15, amid=True)
@contextmanager
def connections_to_the_broker_flap(drill: Drill) -> Iterator[None]:
    """All connections to RabbitMQ are reset, six times within two seconds."""
    for _ in range(6):
        drill.broker.reset()
        drill.linger()
    yield


@fault(bound=25, amid=True)
@contextmanager
def broker_is_out_of_reach_without_a_sign(drill: Drill) -> Iterator[None]:
    """Nothing passes to or from RabbitMQ, and no connection ends."""
    drill.broker.both(blackhole=True)
    yield
    time.sleep(3)  # is what is injected
    # What was open then stays so on one side alone
    drill.broker.reset()
    drill.broker.heal()
