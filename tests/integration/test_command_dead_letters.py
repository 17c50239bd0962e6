"""Dead letters: looked at as often as one likes, tried afresh or dropped, and never shown with a secret."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from typer.testing import CliRunner

from deploy.command import parked
from deploy.command.main import app
from shared.bus.broker import QuorumBroker
from shared.bus.events import PARKED_QUEUE, UI_QUEUE, declare, park
from shared.contracts import FetchRequested, PauseAsked
from tests.integration.amqp import wait_until
from tests.leaks import leaks

SECRET = "canary-5d1f-sealed"
JOB = {
    "queue_name": "sftp.fetch",
    "actor_name": "FetchRequested",
    "args": [],
    "kwargs": {"job": {"run_id": "r-1", "org_id": "o-1", "endpoint": {"host": "h", "sealed_key": SECRET}}},
    "options": {"retries": 3},
    "message_id": "m-1",
    "message_timestamp": 1,
}
DEAD = "sftp.fetch.XQ"


@pytest.fixture
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    """A channel of a broker that has all queues, and nobody who reads them."""
    broker = QuorumBroker(amqp_url)
    broker.declare_queue(FetchRequested.queue, ensure=True)
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        made = connection.channel()
        made.confirm_delivery()
        declare(made)
        yield made
    broker.close()


def command(amqp_url: str, *words: str, code: int = 0) -> dict[str, Any]:
    """The document that the command prints."""
    ended = CliRunner().invoke(app, ["dead-letters", *words, "--json"], env={"SFTP_CONNECTOR_AMQP_URL": amqp_url})
    assert ended.exit_code == code, (ended.output, ended.exception)
    assert not list(leaks({"output": ended.output}, {"the login": SECRET}))
    found: dict[str, Any] = json.loads(ended.stdout.strip() or "{}")
    return found


def put(channel: BlockingChannel, queue: str, body: bytes) -> None:
    channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2), mandatory=True)


def put_job(channel: BlockingChannel, **changes: Any) -> None:
    put(channel, DEAD, json.dumps({**JOB, **changes}).encode())


def taken(channel: BlockingChannel, queue: str) -> list[Any]:
    """What is in a queue, which is empty then."""
    found = []
    while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
        found.append(json.loads(got[2]))
    return found


def test_letters_are_listed_and_shown_with_what_they_are_about(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)

    listed = command(amqp_url, "list")
    (letter,) = listed["dead_letters"]
    shown = command(amqp_url, "show", letter["id"])["dead_letter"]

    assert (listed["queues"][DEAD], listed["queues"][PARKED_QUEUE]) == (1, 0)
    assert (letter["queue"], letter["kind"]) == (DEAD, "FetchRequested")
    assert letter["about"] == {"org_id": "o-1", "run_id": "r-1"}
    assert shown["content"]["kwargs"]["job"]["endpoint"] == {"host": "h", "sealed_key": "***"}


def test_letters_are_found_by_the_queue_that_they_were_in(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)

    assert len(command(amqp_url, "list", "--queue", "sftp.fetch")["dead_letters"]) == 1
    assert command(amqp_url, "list", "--queue", "sftp.import")["dead_letters"] == []


def test_looking_loses_nothing_however_often(amqp_url: str, channel: BlockingChannel) -> None:
    for number in range(3):
        put_job(channel, message_id=f"m-{number}")

    found = [command(amqp_url, "list")["dead_letters"] for _ in range(25)]

    assert {len(letters) for letters in found} == {3}
    # RabbitMQ 4 drops what came back twenty times, so each was replaced by a copy that begins anew
    got = [channel.basic_get(DEAD) for _ in range(3)]
    assert max((properties.headers or {}).get("x-delivery-count", 0) for _, properties, _ in got) < 10


def test_a_job_is_tried_afresh(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)
    put_job(channel, message_id="m-2", queue_name="sftp.fetch.DQ", options={"retries": 1, "eta": 5})
    put_job(channel, message_id="m-3")
    kept = command(amqp_url, "list")["dead_letters"][2]["id"]
    wanted = [letter["id"] for letter in command(amqp_url, "list")["dead_letters"][:2]]

    assert command(amqp_url, "requeue", "--yes", *wanted) == {"requeued": wanted, "left": [], "unseen": 0}

    jobs = taken(channel, "sftp.fetch")
    assert [(job["message_id"], job["queue_name"], job["options"]) for job in jobs] == [
        ("m-1", "sftp.fetch", {}),
        ("m-2", "sftp.fetch", {}),
    ]
    assert jobs[0]["kwargs"] == JOB["kwargs"]
    assert [letter["id"] for letter in command(amqp_url, "list")["dead_letters"]] == [kept]


def test_a_letter_stays_where_no_queue_takes_it(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)
    channel.queue_delete("sftp.fetch")

    command(amqp_url, "requeue", "--all", "--yes", code=1)

    assert len(taken(channel, DEAD)) == 1


def test_an_event_is_tried_afresh_unless_its_secret_is_gone(amqp_url: str, channel: BlockingChannel) -> None:
    event = {"id": "e-1", "type": PauseAsked.type, "data": {"organisation_id": "o-1", "connector_id": "c-1"}}
    park(channel, json.dumps(event).encode(), "it failed too often")
    park(channel, json.dumps({**event, "data": {"password": SECRET}}).encode(), "it failed too often")
    kept = [letter["id"] for letter in command(amqp_url, "list")["dead_letters"]][1]

    document = command(amqp_url, "requeue", "--all", "--yes", code=1)

    assert (len(document["requeued"]), document["left"]) == (1, [kept])
    assert taken(channel, UI_QUEUE) == [event]


def test_what_nobody_understands_is_listed_and_left_and_dropped(amqp_url: str, channel: BlockingChannel) -> None:
    for body in (b"\xff\xfe", b"[]", b'{"queue_name": 7}', b'{"queue_name": "other"}', b"[" * 100_000):
        put(channel, DEAD, body)
    put(channel, PARKED_QUEUE, b'{"reason": "x", "event": null}')

    assert len(command(amqp_url, "list")["dead_letters"]) == 6
    assert len(command(amqp_url, "requeue", "--all", "--yes", code=1)["left"]) == 6
    assert len(command(amqp_url, "drop", "--queue", DEAD, "--all", "--yes")["dropped"]) == 5
    assert [letter["queue"] for letter in command(amqp_url, "list")["dead_letters"]] == [PARKED_QUEUE]


def test_nothing_happens_to_letters_that_nobody_named(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)
    command(amqp_url, "drop", "0123456789ab", "--yes", code=1)
    command(amqp_url, "drop", code=2)
    command(amqp_url, "drop", "--all", "--queue", "other", code=2)
    # and nobody agrees
    command(amqp_url, "drop", "--all", code=1)

    assert len(taken(channel, DEAD)) == 1


def test_events_that_nobody_takes_stay_and_keep_no_other_back(amqp_url: str, channel: BlockingChannel) -> None:
    event = {"id": "e-1", "type": PauseAsked.type, "data": {}}
    for event_type in ("sftp_connector.unheard_of", 7, PauseAsked.type):
        park(channel, json.dumps({**event, "type": event_type}).encode(), "it failed too often")

    document = command(amqp_url, "requeue", "--all", "--yes", code=1)

    assert (len(document["requeued"]), len(document["left"])) == (1, 2)
    assert taken(channel, UI_QUEUE) == [event]


@pytest.mark.slow
def test_one_may_think_longer_than_rabbitmq_waits_for_a_heartbeat(amqp_url: str, channel: BlockingChannel) -> None:
    put_job(channel)
    words = [sys.executable, "-m", "deploy.command", "dead-letters", "drop", "--all"]
    settings = {"SFTP_CONNECTOR_AMQP_URL": f"{amqp_url}?heartbeat=1"}
    with subprocess.Popen(
        words, env=os.environ | settings, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as asked:
        assert asked.stderr is not None
        # Asked, the person thinks
        os.read(asked.stderr.fileno(), 1)
        time.sleep(4)  # is what is tried
        out, _ = asked.communicate(b"y\n", timeout=30)

    assert (asked.returncode, out.decode().strip()) == (0, "dropped: 1, left: 0")


def test_why_a_letter_is_left_is_told(amqp_url: str, channel: BlockingChannel) -> None:
    event = {"id": "e-1", "type": "sftp_connector.unheard_of", "data": {}}
    park(channel, json.dumps({**event, "type": PauseAsked.type, "data": {"password": SECRET}}).encode(), "it failed")
    park(channel, json.dumps(event).encode(), "no such event type")
    put_job(channel, queue_name="other")
    secret, unheard, other = [letter["id"] for letter in command(amqp_url, "list")["dead_letters"]]

    words = ["dead-letters", "requeue", "--all", "--yes"]
    said = CliRunner().invoke(app, words, env={"SFTP_CONNECTOR_AMQP_URL": amqp_url})

    assert said.exit_code == 1
    assert f"left: {secret}: its secret is with its sender alone;" in said.stdout
    assert all(f"left: {letter}: nobody takes it;" in said.stdout for letter in (unheard, other))


@pytest.mark.slow
def test_what_lies_behind_those_that_are_looked_through_is_told(amqp_url: str, channel: BlockingChannel) -> None:
    quick = channel.connection.channel()  # waits for no confirm
    for number in range(10_003):
        quick.basic_publish("", DEAD, json.dumps({**JOB, "message_id": f"m-{number}"}).encode())
    wait_until(lambda: parked.depth(channel, DEAD) == 10_003)
    asked = CliRunner().invoke(app, ["dead-letters", "drop", "--all"], env={"SFTP_CONNECTOR_AMQP_URL": amqp_url})
    assert "10000 dead letters will be dropped, 3 more will remain. Go on?" in asked.stderr

    document = command(amqp_url, "drop", "--all", "--yes", code=1)
    assert (len(document["dropped"]), document["unseen"]) == (10_000, 3)
    assert command(amqp_url, "drop", "--all", "--yes")["unseen"] == 0
