"""What RabbitMQ tells of the queues."""

from typing import NamedTuple

import structlog
from dramatiq.common import xq_name
from pika.adapters.blocking_connection import BlockingConnection
from pika.exceptions import ChannelClosedByBroker

from shared.bus.broker import FAULTS, connected, parameters
from shared.bus.events import PARKED_QUEUE, UI_QUEUE
from shared.errors import BusUnavailable, describe

log = structlog.get_logger()

_NOT_FOUND = 404


class QueueState(NamedTuple):
    """A queue at one moment; one that nobody has made yet is empty and without consumers."""

    messages: int  # that no consumer has in hand
    consumers: int
    dead: int  # messages that were given up


class Queues:
    """Asks RabbitMQ, for one thread. It connects when it is first needed and after each fault."""

    def __init__(self, url: str) -> None:
        self._parameters = parameters(url)
        self._connection: BlockingConnection | None = None

    def answers(self) -> bool:
        """Whether RabbitMQ answers; BusUnavailable otherwise."""
        self.state(UI_QUEUE)
        return True

    def state(self, queue: str) -> QueueState:
        """A work queue, or that of UI events; BusUnavailable when RabbitMQ does not tell."""
        dead_letters = PARKED_QUEUE if queue == UI_QUEUE else xq_name(queue)
        # RabbitMQ ends a connection that was idle for long, which is noticed here alone.
        kept = self._connection is not None
        try:
            return self._state(queue, dead_letters)
        except BusUnavailable:
            if not kept:
                raise
        return self._state(queue, dead_letters)

    def _state(self, queue: str, dead_letters: str) -> QueueState:
        try:
            messages, consumers = self._counts(queue)
            return QueueState(messages, consumers, self._counts(dead_letters)[0])
        except FAULTS as error:
            self.close()
            raise BusUnavailable(describe(error)) from None

    def _counts(self, queue: str) -> tuple[int, int]:
        if self._connection is None:
            self._connection = connected(self._parameters)
        # RabbitMQ closes the channel of a question about a queue that is not there.
        channel = self._connection.channel()
        try:
            found = channel.queue_declare(queue, passive=True).method
        except ChannelClosedByBroker as error:
            if error.reply_code != _NOT_FOUND:
                raise
            return 0, 0
        channel.close()
        return found.message_count, found.consumer_count

    def close(self) -> None:
        """Close the connection; it is opened again when needed."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.is_open:
            try:
                connection.close()
            except FAULTS as error:
                log.debug("queues.close_failed", error=describe(error))
