"""Events from and to the UI: CloudEvents on two topic exchanges, through raw pika."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel, BlockingConnection
from pika.exceptions import ChannelClosedByBroker
from pydantic import ValidationError

from shared import tracing
from shared.bus.broker import FAULTS, NO_DELIVERY_LIMIT, PRECONDITION_FAILED, connected, parameters
from shared.bus.stall import Stall
from shared.contracts import EVENTS_EXCHANGE, SECRET_FIELDS, UI_EVENTS, UI_EXCHANGE, CloudEvent
from shared.errors import BadMessage, BusUnavailable, Unavailable, describe

log = structlog.get_logger()

UI_QUEUE = "sftp-connector.ui-events"
PARKED_QUEUE = "sftp-connector.ui-events.parked"
_QUORUM = {"x-queue-type": "quorum"}
# Tries of an event that fails, before it is parked.
_TRIES = 10
# Deliveries of one that ends the consumer each time. Connections that were lost count as well, hence so many.
_DELIVERIES = 100
_RECONNECT_SECONDS = 1.0
_PERSISTENT = pika.BasicProperties(delivery_mode=2, content_type="application/cloudevents+json")


class EventPublisher:
    """Publishes events with confirms, for one thread. It connects when it is first needed and after each fault."""

    def __init__(self, url: str) -> None:
        self._parameters = parameters(url)
        self._connection: BlockingConnection | None = None
        self._channel: BlockingChannel | None = None

    def publish(self, event_type: str, body: dict[str, Any]) -> None:
        """Return when RabbitMQ has the event; that nobody listens is normal. BusUnavailable otherwise."""
        data = json.dumps(body).encode()
        # RabbitMQ ends a connection that was idle for long, which is noticed here alone.
        if self._connection is None or not self._published(event_type, data, again=True):
            self._published(event_type, data, again=False)

    def _published(self, event_type: str, data: bytes, *, again: bool) -> bool:
        try:
            self._open().basic_publish(EVENTS_EXCHANGE, event_type, data, _PERSISTENT)
        except FAULTS as error:
            self.close()
            if again:
                return False
            raise BusUnavailable(describe(error)) from None
        return True

    def _open(self) -> BlockingChannel:
        if self._channel is None:
            self._connection = connected(self._parameters)
            self._channel = self._connection.channel()
            self._channel.confirm_delivery()
            self._channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
        return self._channel

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except FAULTS as error:
                log.debug("events.close_failed", error=describe(error))


class EventConsumer(threading.Thread):
    """Hands each UI event to `handle` and acknowledges it afterwards; reconnects for ever.

    `handle` raises BadMessage for what can never be understood: it is parked with every secret masked. After
    Unavailable the event is tried again for ever, after any other exception a few times.
    """

    def __init__(self, url: str, handle: Callable[[CloudEvent], None], *, retry_seconds: float = 1.0) -> None:
        super().__init__(name="ui-events", daemon=True)
        self._retry_seconds = retry_seconds
        self._parameters = parameters(url)
        self._handle = handle
        self._stopping = threading.Event()
        self.connected = threading.Event()

    def run(self) -> None:
        """Consume until `stop`."""
        while not self._stopping.is_set():
            try:
                self._consume()
            except FAULTS as error:
                log.warning("ui_events.connection_lost", error=describe(error))
            self.connected.clear()
            self._stopping.wait(_RECONNECT_SECONDS)

    def stop(self, grace_seconds: float) -> None:
        """Finish the event in hand, at most this long."""
        self._stopping.set()
        self.join(grace_seconds)

    def _consume(self) -> None:
        with connected(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=1)
            self.connected.set()
            stall = Stall(channel, UI_QUEUE)
            # The generator ends without an error when the broker cancels the consumer: the caller reconnects then.
            for method, properties, body in channel.consume(UI_QUEUE, inactivity_timeout=0.2):
                if self._stopping.is_set():
                    return
                if method is not None:
                    self._deliver(connection, channel, method.delivery_tag, properties, body)
                    stall.delivered()
                elif stall.noticed():
                    log.warning("ui_events.stalled")
                    return

    def _deliver(
        self, connection: BlockingConnection, channel: BlockingChannel, tag: int, properties: Any, body: bytes
    ) -> None:
        """Handle one event before the next is taken, so that the order of events holds also when one is tried again."""
        try:
            if (properties.headers or {}).get("x-delivery-count", 0) >= _DELIVERIES:
                raise BadMessage("it was never finished")
            handled = self._try(connection, body)
        except BadMessage as error:
            log.error("ui_events.parked", reason=str(error))
            park(channel, body, str(error))
            handled = True
        if handled:
            channel.basic_ack(tag)
        else:
            channel.basic_nack(tag, requeue=True)

    def _try(self, connection: BlockingConnection, body: bytes) -> bool:
        """Handle the event, and wait as long as it takes for what is only away; False when asked to stop meanwhile."""
        tries = _TRIES
        while tries > 0:
            try:
                self._handle_in_trace(parse(body))
            except BadMessage:
                raise
            except Exception as error:
                log.exception("ui_events.failed", error=describe(error))
                tries -= not isinstance(error, Unavailable)
            else:
                return True
            connection.sleep(self._retry_seconds)
            if self._stopping.is_set():
                return False
        raise BadMessage("it failed too often")

    def _handle_in_trace(self, event: CloudEvent) -> None:
        with tracing.work(event.type, event.trace, {"event_id": event.id}):
            self._handle(event)


def declare(channel: BlockingChannel) -> None:
    """Make the exchanges, the queue of UI events and that of parked ones, if they are missing."""
    for exchange in (UI_EXCHANGE, EVENTS_EXCHANGE):
        channel.exchange_declare(exchange, "topic", durable=True)
    _declare_ui_queue(channel.connection)
    channel.queue_declare(PARKED_QUEUE, durable=True, arguments=_QUORUM)
    for event_type in UI_EVENTS:
        channel.queue_bind(UI_QUEUE, UI_EXCHANGE, event_type)


def _declare_ui_queue(connection: BlockingConnection) -> None:
    """RabbitMQ itself gives no event up; a queue that an earlier version made keeps the limit that it was made with."""
    channel = connection.channel()
    try:
        channel.queue_declare(UI_QUEUE, durable=True, arguments=_QUORUM | {"x-delivery-limit": NO_DELIVERY_LIMIT})
    except ChannelClosedByBroker as error:
        if error.reply_code != PRECONDITION_FAILED:
            raise
    else:
        channel.close()


def parse(body: bytes) -> CloudEvent:
    """The envelope; BadMessage when it is none."""
    try:
        return CloudEvent.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise BadMessage(f"not a CloudEvent: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def park(channel: BlockingChannel, body: bytes, reason: str) -> None:
    """Keep what an operator needs of an event that was given up: no secret is among it.

    Raises AMQPError when the queue did not take it.
    """
    content = {"reason": reason, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest(), "event": masked(body)}
    channel.basic_publish("", PARKED_QUEUE, json.dumps(content).encode(), _PERSISTENT, mandatory=True)


_SECRET_WORDS = (*(name.replace("_", "") for name in SECRET_FIELDS), "privatekey", "database64")


def masked(body: bytes) -> Any:
    """The event with the values of its secret fields replaced; None when it is not JSON."""
    try:
        return _mask(json.loads(body))
    except (ValueError, RecursionError):
        return None


def _mask(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if _secret(key) else _mask(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item) for item in value]
    # A sender that encodes its data twice puts the whole form into one string.
    return "***" if isinstance(value, str) and _secret(value) else value


def _secret(text: str) -> bool:
    """Whether it names a secret, however that is spelled, or may hold one."""
    letters = re.sub(r"[\W_]", "", text.casefold())
    return any(name in letters for name in _SECRET_WORDS)
