"""A look into RabbitMQ, as the tests of the bus need it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pika
from pika.adapters.blocking_connection import BlockingChannel

from deploy.local.servers.rabbitmq import Rabbitmq


def wait_until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Poll until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def channel(url: str) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        yield connection.channel()


def depth(url: str, queue: str) -> int:
    """How many messages wait in a queue, those in hand left out."""
    with channel(url) as open_channel:
        count: int = open_channel.queue_declare(queue, passive=True).method.message_count
        return count


def take(url: str, queue: str) -> list[bytes]:
    """Take every message out of a queue."""
    bodies = []
    with channel(url) as open_channel:
        while (got := open_channel.basic_get(queue, auto_ack=True))[0] is not None:
            bodies.append(got[2])
    return bodies


def put(url: str, queue: str, *bodies: bytes) -> None:
    """Publish raw bodies, each with a confirm."""
    with channel(url) as open_channel:
        open_channel.confirm_delivery()
        for body in bodies:
            open_channel.basic_publish("", queue, body, mandatory=True)


def vhost(url: str) -> str:
    return urlsplit(url).path.removeprefix("/")


def close_connections(server: Rabbitmq, url: str) -> None:
    """Close every connection to the virtual host, as a restart of a node does."""
    server.ctl("close_all_connections", "--vhost", vhost(url), "a test")
