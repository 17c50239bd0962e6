"""What shows of a stack from outside, past the proxies: rows, queues and events."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pika
import psycopg
from pika.exceptions import ChannelClosedByBroker
from psycopg.rows import dict_row

from deploy.local.stack import Stack
from shared.contracts import EVENTS_EXCHANGE

EVENTS = "ledger-events"


class View:
    """Asks the database and RabbitMQ; their errors are raised while they are away."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self._db: psycopg.Connection[dict[str, Any]] | None = None

    def close(self) -> None:
        """End the connection to the database."""
        if self._db is not None:
            self._db.close()

    def rows(self, query: str, *values: object, **named: object) -> list[dict[str, Any]]:
        """What the database answers."""
        if self._db is None or self._db.closed:
            self._db = psycopg.connect(self.stack.database_url, autocommit=True, row_factory=dict_row)
        cursor = self._db.execute(query, named or values)
        return [] if cursor.description is None else cursor.fetchall()

    def now(self) -> datetime:
        """The database's clock."""
        (row,) = self.rows("select clock_timestamp() as now")
        found: datetime = row["now"]
        return found

    def depths(self, queues: Iterable[str]) -> dict[str, int]:
        """How many messages wait in each of the queues that exist."""
        found = {}
        with self.channel() as first:
            channel = first
            for queue in queues:
                try:
                    found[queue] = int(channel.queue_declare(queue, passive=True).method.message_count)
                except ChannelClosedByBroker:
                    channel = channel.connection.channel()
        return found

    def bodies(self, queues: Iterable[str]) -> list[str]:
        """The messages in these queues, as far as they exist; all of them go back."""
        found = []
        for queue in self.depths(queues):
            with self.channel() as channel:
                while (got := channel.basic_get(queue))[0] is not None:
                    found.append(got[2].decode(errors="replace"))
        return found

    def listen(self) -> None:
        """Keep every event that is published from now on, also while RabbitMQ is restarted."""
        with self.channel() as channel:
            channel.exchange_declare(EVENTS_EXCHANGE, "topic", durable=True)
            channel.queue_declare(EVENTS, durable=True, arguments={"x-queue-type": "quorum"})
            channel.queue_bind(EVENTS, EVENTS_EXCHANGE, "#")

    def channel(self) -> "Channel":
        """A channel."""
        return Channel(self.stack.amqp_url)


class Channel:
    """A channel with a connection of its own, for as long as a `with` lasts."""

    def __init__(self, url: str) -> None:
        self._parameters = pika.URLParameters(url)

    def __enter__(self) -> Any:
        self._connection = pika.BlockingConnection(self._parameters)
        channel = self._connection.channel()
        # RabbitMQ may lose what is published without, when the connection is closed at once.
        channel.confirm_delivery()
        return channel

    def __exit__(self, *_: object) -> None:
        if self._connection.is_open:
            self._connection.close()
