"""Messages that were given up: what is in a dead-letter queue, without losing any of it by looking."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pika
from dramatiq.common import q_name, xq_name
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from shared.bus.events import PARKED_QUEUE, masked
from shared.contracts import JOBS, UI_EVENTS, UI_EXCHANGE

JOB_QUEUES = tuple(sorted({queue for job in JOBS for queue in (job.queue, *job.other_queues)}))
QUEUES = (PARKED_QUEUE, *(xq_name(queue) for queue in JOB_QUEUES))

_NOT_FOUND = 404
# RabbitMQ 4 drops a message that came back twenty times: before that it is replaced by a copy.
_RETURNS = 10
_RETURNED = "x-delivery-count"
_REASONS = {
    "rejected": "it failed too often, or cannot be understood: the log of its service says why",
    "delivery_limit": "each worker that took it died",
}


@dataclass(frozen=True)
class Letter:
    """A dead letter."""

    queue: str
    body: bytes
    properties: Any

    @property
    def id(self) -> str:
        """By its content, so that it is the same at each look."""
        return hashlib.sha256(self.body).hexdigest()[:12]

    @cached_property
    def content(self) -> dict[str, Any]:
        """What it says, with the values of secret fields replaced; empty when it cannot be understood."""
        found = masked(self.body)
        return _without_seals(found) if isinstance(found, dict) else {}

    @property
    def kind(self) -> str:
        """The job or event that it is."""
        event = self.content.get("event")
        return str(self.content.get("actor_name") or (event.get("type") if isinstance(event, dict) else None) or "?")

    @property
    def about(self) -> dict[str, str]:
        """The ids that it names."""
        parts = [self.content.get("kwargs"), self.content.get("event")]
        inner = [part.get(name) for part in parts if isinstance(part, dict) for name in ("job", "data")]
        names = ("organisation_id", "org_id", "connector_id", "run_id", "test_id")
        return {name: str(item[name]) for item in inner if isinstance(item, dict) for name in names if item.get(name)}

    @property
    def reason(self) -> str:
        """Why it was given up."""
        if self.queue == PARKED_QUEUE:
            return str(self.content.get("reason", "it cannot be understood"))
        return _REASONS.get(self._death("reason"), "RabbitMQ does not say why")

    @property
    def parked_at(self) -> datetime | None:
        """Since when it is here, where RabbitMQ tells."""
        at = self._death("time")
        return at.replace(tzinfo=UTC) if isinstance(at, datetime) else None

    @property
    def returns(self) -> int:
        """How often it was taken from its queue and given back."""
        return int((self.properties.headers or {}).get(_RETURNED, 0))

    def _death(self, name: str) -> Any:
        deaths = (self.properties.headers or {}).get("x-death") or [{}]
        return deaths[0].get(name)

    @property
    def pointless(self) -> str:
        """Why nothing comes of a letter that cannot be tried afresh."""
        lost = self.queue == PARKED_QUEUE and self.kind in UI_EVENTS
        return "its secret is with its sender alone" if lost else "nobody takes it"

    def revived(self) -> tuple[str, str, bytes] | None:
        """Exchange, routing key and body with which it is tried afresh; None when that is pointless."""
        try:
            message = json.loads(self.body)
            if self.queue == PARKED_QUEUE:
                event = message["event"]
                # An admin's secret was masked: only the admin has it.
                lost = event["type"] not in UI_EVENTS or '"***"' in json.dumps(event)
                return None if lost else (UI_EXCHANGE, event["type"], _bytes(event))
            queue = q_name(message["queue_name"])
            return ("", queue, _bytes({**message, "queue_name": queue, "options": {}})) if queue in JOB_QUEUES else None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None


def depth(channel: BlockingChannel, queue: str) -> int:
    """How many letters the queue holds; none where nobody has made it yet."""
    # RabbitMQ closes the channel of a question about a queue that is not there.
    asking = channel.connection.channel()
    try:
        found: int = asking.queue_declare(queue, passive=True).method.message_count
    except ChannelClosedByBroker as error:
        if error.reply_code != _NOT_FOUND:
            raise
        return 0
    asking.close()
    return found


def go_through(channel: BlockingChannel, queue: str, limit: int, is_done: Callable[[Letter], bool]) -> None:
    """Show the first letters of a queue to `is_done`, and remove those of which it says so.

    The others go back to their places when the connection is closed.
    """
    for _ in range(min(limit, depth(channel, queue))):
        method, properties, body = channel.basic_get(queue)
        if method is None:
            return
        letter = Letter(queue, body, properties)
        if is_done(letter):
            channel.basic_ack(method.delivery_tag)
        elif letter.returns >= _RETURNS:
            send(channel, "", queue, body, properties)
            channel.basic_ack(method.delivery_tag)


def send(channel: BlockingChannel, exchange: str, key: str, body: bytes, properties: Any = None) -> None:
    """Return when RabbitMQ has the message in a queue."""
    channel.basic_publish(exchange, key, body, properties or pika.BasicProperties(delivery_mode=2), mandatory=True)


def _bytes(content: Any) -> bytes:
    return json.dumps(content).encode()


def _without_seals(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "***" if key.startswith("sealed_") else _without_seals(item) for key, item in value.items()}
    return [_without_seals(item) for item in value] if isinstance(value, list) else value
