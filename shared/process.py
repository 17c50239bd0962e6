"""How every service runs: start its parts, wait for SIGTERM, stop them in order."""

import signal
import threading
from collections.abc import Callable

import structlog

from shared.errors import describe

log = structlog.get_logger()


def until_stopped() -> threading.Event:
    """An event that SIGTERM and SIGINT set. Call it from the main thread, before any part starts."""
    stop = threading.Event()

    def asked(_number: int, _frame: object) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    return stop


class Loop(threading.Thread):
    """Calls `step` again and again, at most `idle_seconds` apart; a step that raises is logged and tried again."""

    def __init__(self, name: str, step: Callable[[], None], *, idle_seconds: float) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._idle_seconds = idle_seconds
        self._stopping = threading.Event()
        self._failures = 0

    def run(self) -> None:
        """Loop until `stop`."""
        while not self._stopping.is_set():
            try:
                self._step()
                self._failures = 0
            except Exception as error:  # noqa: BLE001 - the loop outlives every fault
                self._failures += 1
                log.warning("loop.failed", loop=self.name, error=describe(error))
            self._stopping.wait(min(self._idle_seconds * 2**self._failures, 10.0))

    def stop(self, grace_seconds: float) -> None:
        """Finish the step in hand, at most this long."""
        self._stopping.set()
        self.join(grace_seconds)
