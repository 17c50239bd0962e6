"""How every service runs: start its parts, wait for SIGTERM, stop them in order."""

import signal
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Protocol

import structlog

from shared.bus.queues import Queues
from shared.errors import describe
from shared.metrics import Metrics
from shared.settings import ServiceSettings
from shared.telemetry import Check, StatusServer, passes

log = structlog.get_logger()

_FIRST_SECONDS = 1.0
_LONGEST_SECONDS = 10.0
_WATCH_SECONDS = 15.0


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
    with _spans(settings, metrics.service):
        _run(settings, metrics, parts, ready, asked_to_stop)
    log.info("service.stopped")


def _run(
    settings: ServiceSettings,
    metrics: Metrics,
    parts: Sequence[Part],
    ready: Mapping[str, Check],
    asked_to_stop: socket.socket,
) -> None:
    status = StatusServer(
        settings.http_host,
        settings.http_port,
        metrics.registry,
        healthy={part.name: part.is_alive for part in parts},
        ready=ready,
    )
    watcher = _watcher(settings, metrics, parts, ready)
    for part in (*parts, watcher):
        part.start()
    status.start()
    log.info("service.started", status_port=status.port)
    asked_to_stop.recv(1)
    log.info("service.stopping", grace_seconds=settings.grace_seconds)
    deadline = time.monotonic() + settings.grace_seconds
    for part in parts:
        part.stop(max(0.1, deadline - time.monotonic()))
    # What it asks may not answer for long, and nobody needs to know any more.
    watcher.stop(0.1)
    status.stop()


def _spans(settings: ServiceSettings, service: str) -> AbstractContextManager[None]:
    if settings.otlp_endpoint is None:
        return nullcontext()
    from shared.spans import exported  # noqa: PLC0415 - its packages are an extra

    return exported(settings.otlp_endpoint, service, sampled=settings.trace_sampled)


def _watcher(settings: ServiceSettings, metrics: Metrics, parts: Sequence[Part], ready: Mapping[str, Check]) -> "Loop":
    needed = {**ready, "broker": Queues(settings.amqp_url.get_secret_value()).answers}
    loops = [part for part in parts if isinstance(part, Loop)]
    return Loop("watch", partial(watch, metrics, needed, loops), idle_seconds=_WATCH_SECONDS)


def watch(metrics: Metrics, needed: Mapping[str, Check], loops: "Sequence[Loop]") -> None:
    """Measure whether what the service needs answers, and how its loops do."""
    for name, check in needed.items():
        metrics.dependency_up.labels(name).set(passes(check))
    for loop in loops:
        metrics.loop_failures.labels(loop.name).set(loop.failures)


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
    """Calls `step` again and again, `idle_seconds` apart; after a step that raised it waits longer, up to 10 s.

    The first step comes after a second at most, unless it is `patient`.
    """

    def __init__(self, name: str, step: Callable[[], None], *, idle_seconds: float, patient: bool = False) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._idle_seconds = idle_seconds
        self._first = idle_seconds if patient else min(idle_seconds, _FIRST_SECONDS)
        self._stopping = threading.Event()
        self.failures = 0  # in a row

    def run(self) -> None:
        """Loop until `stop`."""
        pause = self._first
        while not self._stopping.wait(pause):
            try:
                self._step()
                self.failures = 0
            except Exception as error:  # noqa: BLE001 - the loop outlives every fault
                self.failures += 1
                log.warning("loop.failed", loop=self.name, error=describe(error))
            # A float times two to the power of some thousand is no float any more.
            pause = min(self._idle_seconds * 2 ** min(self.failures, 20), max(self._idle_seconds, _LONGEST_SECONDS))

    def stop(self, grace_seconds: float) -> None:
        """Finish the step in hand, at most this long."""
        self._stopping.set()
        self.join(grace_seconds)
