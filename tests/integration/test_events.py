"""Events from and to the UI on a real RabbitMQ: each is handled, or parked for an operator without its secrets."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pika
import pytest

from deploy.local.servers.ports import free_port
from deploy.local.servers.rabbitmq import Rabbitmq
from shared.bus.events import PARKED_QUEUE, UI_QUEUE, EventConsumer, EventPublisher
from shared.contracts import EVENTS_EXCHANGE, UI_EVENTS, UI_EXCHANGE, CloudEvent
from shared.errors import BadMessage, BusUnavailable, DatabaseUnavailable
from tests.conftest import PASSWORD
from tests.integration.amqp import channel, close_connections, depth, take, wait_until
from tests.proxy import Proxy

CREATE = "sftp_connector.create"
TOLD = "sftp_connector.created"


def parked(url: str) -> list[dict[str, Any]]:
    return [json.loads(body) for body in take(url, PARKED_QUEUE)]


def event(event_type: str = CREATE, **data: Any) -> dict[str, Any]:
    """An event as the UI sends it."""
    return {"specversion": "1.0", "id": str(uuid4()), "source": "ui", "type": event_type, "data": data}


def publish(url: str, *bodies: dict[str, Any] | bytes, event_type: str = CREATE) -> None:
    """Publish as the UI does, each with a confirm; an event that reaches no queue is an error."""
    with channel(url) as open_channel:
        open_channel.confirm_delivery()
        for body in bodies:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            open_channel.basic_publish(UI_EXCHANGE, event_type, raw, mandatory=True)


@contextmanager
def consumer(url: str, handle: Callable[[CloudEvent], None]) -> Iterator[EventConsumer]:
    """A consumer that is connected."""
    made = EventConsumer(url, handle, retry_seconds=0.02)
    made.start()
    try:
        assert made.connected.wait(10)
        yield made
    finally:
        made.stop(10)
        assert not made.is_alive()


@pytest.fixture
def publisher(amqp_url: str) -> Iterator[EventPublisher]:
    made = EventPublisher(amqp_url)
    yield made
    made.close()


@contextmanager
def listener(url: str, pattern: str) -> Iterator[Callable[[], list[Any]]]:
    """A queue of the UI's own, bound to the events it asks for; gives what came in so far."""
    with channel(url) as open_channel:
        open_channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
        queue = open_channel.queue_declare("", exclusive=True).method.queue
        open_channel.queue_bind(queue, EVENTS_EXCHANGE, pattern)

        def received() -> list[Any]:
            bodies = []
            while (got := open_channel.basic_get(queue, auto_ack=True))[0] is not None:
                bodies.append((got[0].routing_key, got[1].delivery_mode, json.loads(got[2])))
            return bodies

        yield received


def test_an_event_reaches_a_queue_that_is_bound_to_its_type(amqp_url: str, publisher: EventPublisher) -> None:
    with listener(amqp_url, "sftp_connector.*") as received:
        publisher.publish(TOLD, {"id": "1", "name": "été 客户"})
        publisher.publish("notification", {"id": "2"})

        assert received() == [(TOLD, 2, {"id": "1", "name": "été 客户"})]


def test_an_event_that_nobody_listens_to_is_no_fault(publisher: EventPublisher) -> None:
    publisher.publish(TOLD, {"id": "1"})
    publisher.publish(TOLD, {"id": "2"})


def test_a_publisher_goes_on_after_its_connection_was_lost(
    rabbitmq: Rabbitmq, amqp_url: str, publisher: EventPublisher
) -> None:
    # Given
    publisher.publish(TOLD, {"id": "1"})
    close_connections(rabbitmq, amqp_url)

    # When
    with listener(amqp_url, "#") as received:
        publisher.publish(TOLD, {"id": "2"})

        # Then
        assert [body["id"] for _, _, body in received()] == ["2"]


def test_a_publisher_makes_a_deleted_exchange_again(amqp_url: str, publisher: EventPublisher) -> None:
    publisher.publish(TOLD, {"id": "1"})
    with channel(amqp_url) as open_channel:
        open_channel.exchange_delete(EVENTS_EXCHANGE)

    publisher.publish(TOLD, {"id": "2"})
    publisher.publish(TOLD, {"id": "3"})


def test_a_publisher_without_a_broker_fails_quickly() -> None:
    publisher = EventPublisher(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    begun = time.monotonic()

    with pytest.raises(BusUnavailable) as caught:
        publisher.publish(TOLD, {"id": "1"})

    assert time.monotonic() - begun < 2
    assert "guest" not in str(caught.value)


def test_a_broker_that_takes_a_connection_and_says_nothing_ends_neither_publisher_nor_consumer(
    rabbitmq: Rabbitmq, amqp_url: str
) -> None:
    # Given
    seen: list[CloudEvent] = []
    with Proxy(("127.0.0.1", rabbitmq.port)) as proxy:
        far = amqp_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/") + "?stack_timeout=0.5"
        publisher = EventPublisher(far)
        with consumer(far, seen.append) as running:
            proxy.both(blackhole=True)
            proxy.reset()

            # When
            with pytest.raises(BusUnavailable):
                publisher.publish(TOLD, {"id": "1"})
            silent = proxy.connections
            wait_until(lambda: proxy.connections >= silent + 2)

            # Then
            proxy.heal()
            publisher.publish(TOLD, {"id": "2"})
            publish(amqp_url, event())
            wait_until(lambda: len(seen) == 1)
            assert running.is_alive()
        publisher.close()


def test_events_are_handled_in_order_and_gone(amqp_url: str) -> None:
    # Given
    seen: list[CloudEvent] = []
    sent = [event(number=number, password=PASSWORD) for number in range(20)]

    # When
    with consumer(amqp_url, seen.append):
        publish(amqp_url, *sent)
        wait_until(lambda: len(seen) == 20)

    # Then
    assert [found.data for found in seen] == [body["data"] for body in sent]
    assert depth(amqp_url, UI_QUEUE) == 0
    assert depth(amqp_url, PARKED_QUEUE) == 0


def test_every_event_type_of_the_ui_is_heard(amqp_url: str) -> None:
    seen: list[CloudEvent] = []

    with consumer(amqp_url, seen.append):
        for event_type in UI_EVENTS:
            publish(amqp_url, event(event_type), event_type=event_type)
        wait_until(lambda: len(seen) == len(UI_EVENTS))

    assert [found.type for found in seen] == list(UI_EVENTS)


def test_events_wait_while_no_consumer_runs(amqp_url: str) -> None:
    seen: list[CloudEvent] = []
    with consumer(amqp_url, seen.append):
        pass

    publish(amqp_url, event(), event())

    with consumer(amqp_url, seen.append):
        wait_until(lambda: len(seen) == 2)


def test_an_event_whose_handler_raises_comes_again(amqp_url: str) -> None:
    # Given
    tries: list[str] = []

    def fail_once(found: CloudEvent) -> None:
        tries.append(found.id)
        if len(tries) == 1:
            raise OSError("passing")

    first, second = event(), event()

    # When
    with consumer(amqp_url, fail_once):
        publish(amqp_url, first, second)
        wait_until(lambda: len(tries) == 3)

    # Then
    assert tries == [first["id"], first["id"], second["id"]], "the order of events is kept"
    assert depth(amqp_url, UI_QUEUE) == depth(amqp_url, PARKED_QUEUE) == 0


def test_an_event_waits_for_a_database_that_is_away_however_long_that_takes(amqp_url: str) -> None:
    # Given a handler that has no database for far more tries than an event gets otherwise
    tries: list[str] = []

    def away(found: CloudEvent) -> None:
        tries.append(found.id)
        if len(tries) <= 40:
            raise DatabaseUnavailable("away")

    first, second = event(), event()

    # When
    with consumer(amqp_url, away):
        publish(amqp_url, first, second)
        wait_until(lambda: len(tries) == 42)

    # Then nothing was given up, and the order is kept
    assert tries == [first["id"]] * 41 + [second["id"]]
    assert depth(amqp_url, UI_QUEUE) == depth(amqp_url, PARKED_QUEUE) == 0


def test_an_event_that_keeps_failing_is_parked_without_its_secrets(amqp_url: str) -> None:
    # Given
    tries: list[str] = []

    def fail(found: CloudEvent) -> None:
        tries.append(found.id)
        if found.data:
            raise ValueError(f"password {PASSWORD} is wrong")

    poison = event(host="sftp.acme.com", password=PASSWORD, more=[{"passphrase": PASSWORD}])
    good = event()

    # When
    with consumer(amqp_url, fail):
        publish(amqp_url, poison, good)
        wait_until(lambda: depth(amqp_url, PARKED_QUEUE) == 1, seconds=30)
        wait_until(lambda: good["id"] in tries)

    # Then
    (body,) = take(amqp_url, PARKED_QUEUE)
    assert (tries.count(poison["id"]), tries.count(good["id"])) == (10, 1)
    assert b"canary" not in body
    assert json.loads(body)["event"] == poison | {
        "data": {"host": "sftp.acme.com", "password": "***", "more": [{"passphrase": "***"}]}
    }
    assert json.loads(body)["reason"] == "it failed too often"
    assert depth(amqp_url, UI_QUEUE) == 0


def test_what_is_no_event_is_parked_and_the_next_one_handled(amqp_url: str) -> None:
    # Given
    seen: list[CloudEvent] = []
    strange: list[bytes] = [
        b"",
        b"\xff\xfe no text",
        b"not json, password=" + PASSWORD.encode(),
        b"null",
        b"[]",
        json.dumps([{"password": PASSWORD}]).encode(),
        json.dumps(json.dumps({"password": PASSWORD})).encode(),
        json.dumps(event() | {"specversion": "0.3"}).encode(),
        json.dumps(event() | {"data": "password " + PASSWORD}).encode(),
        json.dumps(event() | {"data": None}).encode(),
        json.dumps(event() | {"id": ""}).encode(),
        json.dumps(event() | {"time": "yesterday", "Password": PASSWORD}).encode(),
        b"[" * 100_000,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"x" * 2_000_000,
    ]

    # When
    good = event()
    with consumer(amqp_url, seen.append) as running:
        publish(amqp_url, *strange, good)
        wait_until(lambda: len(seen) == 1)
        assert running.is_alive()

    # Then
    assert seen[0].id == good["id"]
    bodies = take(amqp_url, PARKED_QUEUE)
    assert [json.loads(body)["bytes"] for body in bodies] == [len(body) for body in strange]
    assert not [body for body in bodies if b"canary" in body]
    assert depth(amqp_url, UI_QUEUE) == 0


def test_an_event_that_a_handler_calls_bad_is_parked_after_one_try(amqp_url: str) -> None:
    tries: list[str] = []

    def refuse(found: CloudEvent) -> None:
        tries.append(found.id)
        raise BadMessage("nobody knows this type")

    with consumer(amqp_url, refuse):
        publish(amqp_url, event(password=PASSWORD))
        wait_until(lambda: depth(amqp_url, PARKED_QUEUE) == 1)

    (found,) = parked(amqp_url)
    assert (found["reason"], found["event"]["data"]) == ("nobody knows this type", {"password": "***"})
    assert len(tries) == 1


def test_a_consumer_makes_deleted_queues_and_exchanges_again(amqp_url: str) -> None:
    # Given
    seen: list[CloudEvent] = []
    with consumer(amqp_url, seen.append):
        publish(amqp_url, event())
        wait_until(lambda: len(seen) == 1)

        # When
        with channel(amqp_url) as open_channel:
            open_channel.exchange_delete(UI_EXCHANGE)
            open_channel.queue_delete(PARKED_QUEUE)
            open_channel.queue_delete(UI_QUEUE)
        wait_until(lambda: is_bound(amqp_url))
        publish(amqp_url, event(), b"nothing")

        # Then
        wait_until(lambda: len(seen) == 2)
        wait_until(lambda: depth(amqp_url, PARKED_QUEUE) == 1)


def is_bound(url: str) -> bool:
    """Whether the queue of UI events is there again and consumed."""
    try:
        with channel(url) as open_channel:
            return bool(open_channel.queue_declare(UI_QUEUE, passive=True).method.consumer_count)
    except pika.exceptions.ChannelClosedByBroker:
        return False


def test_no_event_is_lost_while_the_queue_of_parked_ones_is_missing(amqp_url: str) -> None:
    # Given
    seen: list[CloudEvent] = []
    with consumer(amqp_url, seen.append):
        with channel(amqp_url) as open_channel:
            open_channel.queue_delete(PARKED_QUEUE)

        # When
        publish(amqp_url, b"nothing", event())
        wait_until(lambda: len(seen) == 1)

    # Then
    assert [found["bytes"] for found in parked(amqp_url)] == [len(b"nothing")]


@pytest.mark.slow
def test_an_event_outlasts_any_number_of_lost_connections(rabbitmq: Rabbitmq, amqp_url: str) -> None:
    # Given a handler that loses its connection in more tries than a failing event gets
    tries: list[str] = []

    def lose(found: CloudEvent) -> None:
        tries.append(found.id)
        if len(tries) <= 12:
            close_connections(rabbitmq, amqp_url)

    first = event()

    # When
    with consumer(amqp_url, lose):
        publish(amqp_url, first)
        wait_until(lambda: len(tries) == 13, seconds=40)

    # Then
    wait_until(lambda: depth(amqp_url, UI_QUEUE) == 0)
    assert depth(amqp_url, PARKED_QUEUE) == 0


def test_an_event_in_hand_comes_again_when_the_connection_is_lost(rabbitmq: Rabbitmq, amqp_url: str) -> None:
    # Given
    seen: list[str] = []
    lost = threading.Event()

    def handle(found: CloudEvent) -> None:
        seen.append(found.id)
        lost.wait(20)

    first, second = event(), event()
    with consumer(amqp_url, handle) as running:
        publish(amqp_url, first)
        wait_until(lambda: len(seen) == 1)

        # When
        close_connections(rabbitmq, amqp_url)
        lost.set()
        publish(amqp_url, second)

        # Then
        wait_until(lambda: len(seen) == 3)
        assert running.is_alive()
        wait_until(running.connected.is_set)

    assert seen == [first["id"], first["id"], second["id"]]
    assert depth(amqp_url, UI_QUEUE) == 0


def test_a_stop_finishes_the_event_in_hand(amqp_url: str) -> None:
    # Given
    seen: list[str] = []
    begun, finish = threading.Event(), threading.Event()

    def handle(found: CloudEvent) -> None:
        begun.set()
        finish.wait(20)
        seen.append(found.id)

    running = EventConsumer(amqp_url, handle)
    running.start()
    assert running.connected.wait(10)
    first, second = event(), event()
    publish(amqp_url, first, second)
    assert begun.wait(10)

    # When
    stopping = threading.Thread(target=running.stop, args=(20,))
    stopping.start()
    finish.set()
    stopping.join(10)

    # Then
    assert not running.is_alive()
    assert seen == [first["id"]]
    assert [json.loads(body)["id"] for body in take(amqp_url, UI_QUEUE)] == [second["id"]]


def test_a_consumer_waits_for_a_broker_that_comes_later(rabbitmq: Rabbitmq) -> None:
    # Given a virtual host that does not exist yet
    name = f"t_{uuid4().hex[:12]}"
    seen: list[CloudEvent] = []
    running = EventConsumer(rabbitmq.vhost_url(name), seen.append)
    running.start()
    assert not running.connected.wait(0.3)

    # When
    url = rabbitmq.create_vhost(name)
    try:
        assert running.connected.wait(10)
        publish(url, event())

        # Then
        wait_until(lambda: len(seen) == 1)
    finally:
        running.stop(10)
        rabbitmq.delete_vhost(name)
    assert not running.is_alive()
