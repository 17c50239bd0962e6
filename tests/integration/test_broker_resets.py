"""A broker, or what stands before it, that resets connections in the moment in which they are made."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest
from dramatiq.errors import ConnectionClosed

from shared.bus.broker import FAULTS, QuorumBroker, SafeConsumer, connected, parameters
from shared.bus.jobs import JobSender
from shared.bus.queues import Queues
from shared.errors import BusUnavailable

# pika meets the very moment in one of fifteen.
TRIES = 200


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Where each connection is taken, and reset at once."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as listening:

        def reset_each() -> None:
            with contextlib.suppress(OSError):  # closed in the end
                while True:
                    taken, _ = listening.accept()
                    taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    taken.close()

        thread = threading.Thread(target=reset_each)
        thread.start()
        yield f"amqp://guest:guest@127.0.0.1:{listening.getsockname()[1]}/"
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


def always(error: type[Exception] | tuple[type[Exception], ...], attempt: Callable[[], object]) -> None:
    """It ends in this way, however often it is tried."""
    for _ in range(TRIES):
        with pytest.raises(error):
            attempt()


def test_a_connection_that_is_reset_is_a_fault_like_any_other(url: str) -> None:
    always(FAULTS, lambda: connected(parameters(url)))


def test_whoever_asks_or_sends_is_told_that_the_broker_is_away(url: str) -> None:
    always(BusUnavailable, lambda: Queues(url).answers())
    sender = JobSender(url)
    always(BusUnavailable, lambda: sender.depth("sftp.fetch"))
    sender.close()


def test_a_consumer_ends_as_its_thread_expects(url: str) -> None:
    broker = QuorumBroker(url)
    always(ConnectionClosed, lambda: SafeConsumer(broker, "sftp.fetch", 1, 100))
