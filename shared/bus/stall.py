"""Notices a consumer that RabbitMQ has forgotten.

A quorum queue that is deleted and at once made anew may lose what is acknowledged on it (seen with RabbitMQ 3.10): it
holds its messages for a consumer that has none of them, and brings no more, for as long as the connection lasts.
"""

import time

from pika.adapters.blocking_connection import BlockingChannel

SECONDS = 5.0


class Stall:
    """Of one consumer; asks the queue only where it brought nothing for some seconds."""

    def __init__(self, channel: BlockingChannel, queue: str, seconds: float = SECONDS) -> None:
        self._channel = channel
        self._queue = queue
        self.seconds = seconds
        self.delivered()

    def delivered(self) -> None:
        """The queue has brought a message, or the one in hand is not done."""
        self._since = time.monotonic()
        self._waited = False

    def noticed(self) -> bool:
        """Whether messages wait, and waited already some seconds ago, while we had none; AMQPError."""
        if time.monotonic() - self._since < self.seconds:
            return False
        waits = int(self._channel.queue_declare(self._queue, passive=True).method.message_count) > 0
        stalled = waits and self._waited
        self.delivered()
        self._waited = waits
        return stalled
