"""Tells the scheduler which downloads are alive, on a thread of its own: a blocked broker delays no download."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

import structlog

from shared import tracing
from shared.contracts import FetchProgressed, Job
from shared.errors import BusUnavailable
from shared.trace_context import Trace

log = structlog.get_logger()


class Sender(Protocol):
    """Whoever sends jobs."""

    def send(self, job: Job) -> None:
        """Return when the job is safe; BusUnavailable otherwise."""


class Receiving(Protocol):
    """Whatever counts the bytes that it has received so far."""

    received: int


class Heartbeat:
    """The looks in hand; call `beat` several times within the scheduler's lease."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._lock = threading.Lock()
        self._looks: list[tuple[UUID, Receiving, Trace | None]] = []  # a run that was sent twice may be there twice

    @contextmanager
    def of(self, run_id: UUID, look: Receiving) -> Iterator[None]:
        """Report the look for as long as it takes."""
        in_hand = (run_id, look, tracing.current())
        with self._lock:
            self._looks.append(in_hand)
        try:
            yield
        finally:
            with self._lock:
                self._looks.remove(in_hand)

    def beat(self) -> None:
        """Report every look in hand."""
        with self._lock:
            looks = list(self._looks)
        for run_id, look, trace in looks:
            report = FetchProgressed(run_id=run_id, phase="downloading", received_bytes=look.received)
            with tracing.of(trace):
                send_hint(self._sender, report)


def send_hint(sender: Sender, report: FetchProgressed) -> None:
    """Send a report that may get lost: without it the scheduler may ask a second time, which is harmless."""
    try:
        sender.send(report)
    except BusUnavailable as error:
        log.warning("progress.not_sent", error=str(error), run_id=str(report.run_id))
