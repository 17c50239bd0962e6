"""dramatiq's RabbitMQ broker, with the ways in which it loses a message closed."""

import contextlib
import os
import socket
from typing import Any

import pika
import structlog
from dramatiq import Broker, MessageProxy, Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.rabbitmq import _RabbitmqConsumer as RabbitmqConsumer
from dramatiq.common import dq_name, xq_name
from dramatiq.errors import BrokerError, ConnectionClosed
from pika.adapters.blocking_connection import BlockingConnection
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPConnectionError, AMQPError, ChannelClosedByBroker

from shared.bus.stall import Stall
from shared.errors import BadMessage, Unavailable, describe

log = structlog.get_logger()

# What pika and dramatiq raise when RabbitMQ cannot be reached or does not take what we want. A connection whose
# handshake is never answered is no AMQPError.
FAULTS = (AMQPError, AMQPConnectorException, BrokerError, OSError)

# Well above the restarts a job can meet, well below for ever: a message that kills each worker is parked at last.
_DELIVERY_LIMIT = 20
# What waits in the delay queue kills nobody and is delivered anew each time that a retry cannot be published, so it is
# never parked. "No limit" has no one spelling: RabbitMQ 4 takes no argument for 20, and 3 takes -1 for none at all.
NO_DELIVERY_LIMIT = 1_000_000_000
PRECONDITION_FAILED = 406
_MAX_RETRIES = 3
_MAX_WAITS = 60
_FIRST_RETRY_MS = 1_000
_LAST_RETRY_MS = 30_000
_BLOCKED_SECONDS = 10


def parameters(url: str) -> pika.URLParameters:
    """Where RabbitMQ is. Unless the URL says otherwise, a broker that blocks publishers is not waited for for ever."""
    made = pika.URLParameters(url)
    # Whose it is, in RabbitMQ's lists: on Kubernetes the host is the pod.
    name = f"sftp-connector {socket.gethostname()} {os.getpid()}"
    made.client_properties = {"connection_name": name, **(made.client_properties or {})}
    if made.blocked_connection_timeout is None:
        made.blocked_connection_timeout = _BLOCKED_SECONDS
    return made


def connected(where: pika.URLParameters) -> BlockingConnection:
    """A connection; one of FAULTS where there is none."""
    try:
        return BlockingConnection(where)
    except ValueError as error:
        # What pika raises when the other side resets a connection in the moment in which it is made.
        raise AMQPConnectionError(describe(error)) from None


class SafeConsumer(RabbitmqConsumer):
    """Acknowledges a message only on the connection that brought it.

    Delivery tags start at 1 on each connection, so a late acknowledgement would hit another message. A message that
    would end dramatiq's threads is rejected on arrival. A consumer that RabbitMQ has forgotten is given up.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        try:
            super().__init__(*arguments, **named)
        except ValueError as error:  # see `connected`
            raise ConnectionClosed(describe(error)) from None
        self.stall = Stall(self.channel, self.queue_name)

    def __next__(self) -> Any:
        message = super().__next__()
        if message is not None or self.known_tags:
            self.stall.delivered()
        elif self._is_stalled():
            log.warning("consumer.stalled", queue=self.queue_name)
            raise ConnectionClosed("the queue brings nothing, and messages wait in it")
        if message is None:
            return None
        message.consumer = self
        if not _well_formed(message, self.queue_name):
            self.nack(message)
            log.error("job.not_understood", queue=self.queue_name, bytes=len(message.encode()))
            return None
        return message

    def _is_stalled(self) -> bool:
        try:
            return self.stall.noticed()
        except AMQPError as error:
            raise ConnectionClosed(describe(error)) from None

    def ack(self, message: Any) -> None:
        """Acknowledge, unless the connection that brought the message is gone: then it comes again."""
        if message.consumer is self:
            super().ack(message)

    def nack(self, message: Any) -> None:
        """Reject into the dead-letter queue, under the same condition."""
        if message.consumer is self:
            super().nack(message)

    def close(self) -> None:
        """Close the connection, also where RabbitMQ closed its channel: dramatiq leaves it open then."""
        try:
            super().close()
        finally:
            if self.connection.is_open:
                with contextlib.suppress(AMQPError):  # lost meanwhile
                    self.connection.close()


def _well_formed(message: Any, queue_name: str) -> bool:
    """Whether a message is one that `JobSender` or `RetryOrPark` may have written to this queue."""
    return (
        message.queue_name == queue_name
        and isinstance(message.actor_name, str)
        and not message.args
        and isinstance(message.kwargs, dict)
        and message.kwargs.keys() == {"job"}
        and isinstance(message.options, dict)
        and message.options.keys() <= {"retries", "eta"}
        and all(isinstance(value, int) for value in message.options.values())
    )


class QuorumBroker(RabbitmqBroker):
    """Durable quorum queues, publisher confirms, safe acknowledgements."""

    def __init__(self, url: str) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=[RetryOrPark()])
        self.parameters = parameters(url)

    def _of_this_thread(self) -> Any:
        if getattr(self.state, "connection", None) is None:
            self.state.connection = connected(self.parameters)
            self.connections.add(self.state.connection)
        return self.state.connection

    # As dramatiq deletes it, and made as ours are.
    connection = vars(RabbitmqBroker)["connection"].getter(_of_this_thread)

    @property
    def consumer_class(self) -> type[SafeConsumer]:
        """The consumer that each queue gets."""
        return SafeConsumer

    def _build_queue_arguments(self, queue_name: str) -> dict[str, Any]:
        arguments: dict[str, Any] = super()._build_queue_arguments(queue_name)
        return arguments | {"x-queue-type": "quorum", "x-delivery-limit": _DELIVERY_LIMIT}

    def waiting(self, queue_name: str) -> int:
        """How many messages of the queue were not given to a worker yet."""
        try:
            found: int = self._declare_queue(queue_name).method.message_count
        except AMQPError:
            del self.connection
            raise
        return found

    def _declare_dq_queue(self, queue_name: str) -> Any:
        """The delay queue; one that an earlier version made keeps the limit that it was made with."""
        arguments = self._build_queue_arguments(queue_name) | {"x-delivery-limit": NO_DELIVERY_LIMIT}
        try:
            return self.channel.queue_declare(dq_name(queue_name), durable=True, arguments=arguments)
        except ChannelClosedByBroker as error:
            if error.reply_code != PRECONDITION_FAILED:
                raise
            del self.channel
            return self.channel.queue_declare(dq_name(queue_name), passive=True)

    def _declare_xq_queue(self, queue_name: str) -> Any:
        """The dead-letter queue: on as many nodes as the others, and never emptied by time."""
        return self.channel.queue_declare(xq_name(queue_name), durable=True, arguments={"x-queue-type": "quorum"})


def next_try(exception: BaseException, retries: int) -> int | None:
    """After how many milliseconds a job that raised is tried again, having been so `retries` times; None: never.

    What is only away is waited for, for about half an hour; a fault of ours is tried a few times.
    """
    most = (
        0 if isinstance(exception, BadMessage) else _MAX_WAITS if isinstance(exception, Unavailable) else _MAX_RETRIES
    )
    return min(_FIRST_RETRY_MS * 2**retries, _LAST_RETRY_MS) if retries < most else None


class RetryOrPark(Middleware):
    """A job that raised is tried again a few times, then parked in the dead-letter queue.

    Unlike dramatiq's own Retries it writes no traceback into the message, and a retry that cannot be published parks
    the message instead of losing it.
    """

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Decide what becomes of a message whose job ended."""
        if exception is None:
            return
        retries: int = message.options.get("retries", 0)
        delay = next_try(exception, retries)
        if delay is None:
            message.fail()
            return
        again = message.copy(options={"retries": retries + 1})
        try:
            broker.enqueue(again, delay=delay)
        except Exception as error:  # noqa: BLE001 - dramatiq acknowledges the message if anything escapes from here
            message.fail()
            log.error("job.not_retried", error=describe(error))
