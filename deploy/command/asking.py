"""Asks as an admin's UI does: publishes an event and hears the answers."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pika
from pika.adapters.blocking_connection import BlockingChannel

from deploy.command.bus import channel
from deploy.command.output import Problem
from shared.bus.events import declare, parse
from shared.contracts import EVENTS_EXCHANGE, UI_EXCHANGE, Asked, CloudEvent, Refused
from shared.errors import BadMessage
from shared.ids import new_id
from shared.settings import BusSettings

SOURCE = "leadbay/operator"
# The operator among the users: what is noted of who asked names it.
OPERATOR = UUID("00000000-0000-7000-8000-00000000c0de")

Event = dict[str, Any]


class Desk:
    """Hears every event from the moment it is opened."""

    def __init__(self, opened: BlockingChannel) -> None:
        self._channel = opened
        declare(opened)
        self._queue = opened.queue_declare("", exclusive=True).method.queue
        opened.queue_bind(self._queue, EVENTS_EXCHANGE, "#")

    def ask(self, asked_type: type[Asked], org_id: UUID, **fields: Any) -> str:
        """Publish the event; its id, which the answers name."""
        data = {"organisation_id": str(org_id), "user_id": str(OPERATOR), "role": "ADMIN", **fields}
        event = CloudEvent(id=str(new_id()), source=SOURCE, type=asked_type.type, time=datetime.now(UTC), data=data)
        properties = pika.BasicProperties(delivery_mode=2, content_type="application/cloudevents+json")
        body = event.model_dump_json().encode()
        self._channel.basic_publish(UI_EXCHANGE, event.type, body, properties, mandatory=True)
        return event.id

    def answer(self, to: str, seconds: float, *types: str) -> Event:
        """The first answer of one of these types, or a refusal."""
        wanted = {*types, Refused.type}
        return self.first(lambda event: event["type"] in wanted and event.get("in_reply_to") == to, seconds)

    def first(self, is_it: Callable[[Event], bool], seconds: float) -> Event:
        """The first event to come that is the one; a Problem when none comes in time."""
        deadline = time.monotonic() + seconds
        for _, _, body in self._channel.consume(self._queue, auto_ack=True, inactivity_timeout=0.1):
            if body is not None:
                told = _told(body)
                if told is not None and is_it(told):
                    return told
            if time.monotonic() > deadline:
                break
        raise Problem(f"No answer within {seconds:g} s; it may still come. `sftp-connector doctor` says what is away.")


def _told(body: bytes) -> Event | None:
    """What an event says; None where it is no CloudEvent: others may publish on the exchange, too."""
    try:
        event = parse(body)
    except BadMessage:
        return None
    return {**event.data, "type": event.type}


@contextmanager
def desk(settings: BusSettings) -> Iterator[Desk]:
    """A desk that hears what is told from now on."""
    with channel(settings) as opened:
        yield Desk(opened)
