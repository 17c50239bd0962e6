"""RabbitMQ as the command uses it: any fault is BusUnavailable."""

from collections.abc import Iterator
from contextlib import contextmanager

from pika.adapters.blocking_connection import BlockingChannel

from shared.bus.broker import FAULTS, connected, parameters
from shared.errors import BusUnavailable, describe
from shared.settings import BusSettings


@contextmanager
def channel(settings: BusSettings) -> Iterator[BlockingChannel]:
    """A channel with publisher confirms. What was read on it and not acknowledged goes back when it is left."""
    try:
        with connected(parameters(settings.amqp_url.get_secret_value())) as connection:
            made = connection.channel()
            made.confirm_delivery()
            yield made
    except FAULTS as error:
        raise BusUnavailable(describe(error)) from None
