"""How every service runs: start its parts, wait for SIGTERM, stop them in order."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from shared.errors import describe
from shared.metrics import Metrics
from shared.settings import ServiceSettings
from shared.telemetry import Check, StatusServer

log = structlog.get_logger()


class Part(Protocol):
    """Something that runs beside the main thread."""

    name: str

    def start(self) -> None:
        """Begin, without waiting for anything."""

    def is_alive(self) -> bool:
        """Whether all its threads run."""

    def stop(self, grace_seconds: float) -> None:
        """Take no more work; return when the work in hand is done, or after so many seconds."""


def serve(settings: ServiceSettings, metrics: Metrics, *, parts: Sequence[Part], ready: Mapping[str, Check]) -> None:
    """Run the parts until SIGTERM or SIGINT, then stop them in the order given, within the grace period."""
    asked_to_stop = _asked_to_stop()
    status = StatusServer(
        settings.http_host,
        settings.http_port,
        metrics.registry,
        healthy={part.name: part.is_alive for part in parts},
        ready=ready,
    )
    for part in parts:
        part.start()
    status.start()
    log.info("service.started", status_port=status.port)
    asked_to_stop.recv(1)
    log.info("service.stopping", grace_seconds=settings.grace_seconds)
    deadline = time.monotonic() + settings.grace_seconds
    for part in parts:
        part.stop(max(0.1, deadline - time.monotonic()))
    status.stop()
    log.info("service.stopped")


def _asked_to_stop() -> socket.socket:
    """A socket that becomes readable with SIGTERM or SIGINT.

    The kernel may hand a signal to any thread, and then a main thread that waits for a lock does not wake up.
    """
    readable, writable = socket.socketpair()
    writable.setblocking(False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    signal.set_wakeup_fd(writable.detach())
    return readable


class Loop(threading.Thread):
    """Calls `step` again and again, `idle_seconds` apart; after a step that raised it waits longer, up to 10 s."""

    def __init__(self, name: str, step: Callable[[], None], *, idle_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._idle_seconds = idle_seconds
        self._stopping = threading.Event()
        self._failures = 0

    def run(self) -> None:
        """Loop until `stop`."""
        while not self._stopping.wait(min(self._idle_seconds * 2**self._failures, max(self._idle_seconds, 10.0))):
            try:
                self._step()
                self._failures = 0
            except Exception as error:  # noqa: BLE001 - the loop outlives every fault
                self._failures += 1
                log.warning("loop.failed", loop=self.name, error=describe(error))

    def stop(self, grace_seconds: float) -> None:
        """Finish the step in hand, at most this long."""
        self._stopping.set()
        self.join(grace_seconds)
