"""Plays the admin's UI: publishes its events and hears those that come back."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pika

from shared.bus.events import declare, parse
from shared.contracts import EVENTS_EXCHANGE, UI_EXCHANGE
from shared.errors import BadMessage

Event = dict[str, Any]


class NoEvent(AssertionError):
    """An event that had to come did not; what came instead is in the message."""


class UI:
    """An admin in front of the screen. Every event of the exchange is kept in `heard`, in order."""

    def __init__(self, amqp_url: str, organisation_id: UUID, *, role: str = "ADMIN") -> None:
        self._parameters = pika.URLParameters(amqp_url)
        self.organisation_id = organisation_id
        self._role = role
        self._news = threading.Condition()
        self._stopping = threading.Event()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="ui", daemon=True)
        self.heard: list[Event] = []

    def __enter__(self) -> "UI":
        self._thread.start()
        if not self._listening.wait(10):
            raise NoEvent("RabbitMQ does not answer")
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(10)

    def ask(self, event_type: str, *, event_id: str | None = None, role: str | None = None, **data: Any) -> str:
        """Publish an event of the UI; its id."""
        event = {
            "specversion": "1.0",
            "id": event_id or str(uuid4()),
            "source": "leadbay/ui",
            "type": event_type,
            "datacontenttype": "application/json",
            "data": {
                "organisation_id": str(self.organisation_id),
                "user_id": str(UUID(int=1)),
                "role": role or self._role,
                **data,
            },
        }
        self.publish(event_type, json.dumps(event).encode())
        return str(event["id"])

    def publish(self, event_type: str, body: bytes) -> None:
        """Publish any bytes, as a broken UI might."""
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            channel.confirm_delivery()
            channel.basic_publish(UI_EXCHANGE, event_type, body, pika.BasicProperties(delivery_mode=2))

    def wait(
        self,
        *event_types: str,
        seconds: float = 20.0,
        matching: Callable[[Event], bool] = lambda _data: True,
        **expected: Any,
    ) -> Event:
        """The data of the first event of one of these types with the expected values, past or to come."""
        deadline = time.monotonic() + seconds
        with self._news:
            while True:
                for event in self.heard:
                    data = event["data"]
                    if (
                        event["type"] in event_types
                        and all(data.get(name) == value for name, value in expected.items())
                        and matching(data)
                    ):
                        return {"type": event["type"], **data}
                left = deadline - time.monotonic()
                if left <= 0:
                    raise NoEvent(f"no {' or '.join(event_types)} with {expected} in {seconds} s; {self._summary()}")
                self._news.wait(left)

    def forget(self) -> None:
        """Wait only for events from now on."""
        with self._news:
            self.heard.clear()

    def types(self) -> list[str]:
        """The types of all events heard, in order."""
        with self._news:
            return [event["type"] for event in self.heard]

    def _summary(self) -> str:
        told = [f"{event['type']} {event['data'].get('code') or ''}".strip() for event in self.heard]
        return "heard: " + (", ".join(told) or "nothing")

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                self._hear()
            except (pika.exceptions.AMQPError, OSError):
                # The broker may be restarted while somebody watches.
                self._stopping.wait(0.2)

    def _hear(self) -> None:
        with pika.BlockingConnection(self._parameters) as connection:
            channel = connection.channel()
            declare(channel)
            queue = channel.queue_declare("", exclusive=True).method.queue
            channel.queue_bind(queue, EVENTS_EXCHANGE, "#")
            self._listening.set()
            for method, _properties, body in channel.consume(queue, auto_ack=True, inactivity_timeout=0.1):
                if self._stopping.is_set():
                    return
                if method is not None and _is_event(body):
                    with self._news:
                        self.heard.append(json.loads(body))
                        self._news.notify_all()


def _is_event(body: bytes) -> bool:
    """Others may publish on the exchange, too."""
    try:
        parse(body)
    except BadMessage:
        return False
    return True
