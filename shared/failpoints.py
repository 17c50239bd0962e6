"""Named points at which a test kills, freezes, delays or fails a service.

The environment variable `SFTP_CONNECTOR_FAILPOINTS` arms them: `import.batch@3=kill,fetch.stored=sleep:2` kills the
process at the third batch and waits two seconds after a file was stored. Where it is not set, a point is a call of an
empty function.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

POINTS = frozenset(
    (
        "tick.opened",  # a due connector's run is open, in a transaction that is not committed
        "relay.taken",  # messages were taken from the outbox, and none is published
        "relay.published",  # one message was published, and is still in the outbox
        "fetch.chunk",  # a piece of the file is received
        "fetch.stored",  # the blob has its final name, and nobody knows of it
        "fetch.answered",  # the answer is published, and the job not acknowledged
        "import.batch",  # a batch was merged
        "import.finished",  # everything is written, and nothing committed
        "import.committed",  # committed, and the job not acknowledged
    )
)


class FailpointReached(Exception):
    """What the action `raise` raises."""


@dataclass(slots=True)
class _Armed:
    left: int  # passages until it acts
    act: Callable[[], None]


class Failpoints:
    """Acts at the points that a specification arms, each once; ValueError when it is not understood."""

    def __init__(self, specification: str) -> None:
        self._lock = threading.Lock()
        self._armed = dict(_parsed(part.strip()) for part in specification.split(","))

    def __call__(self, name: str) -> None:
        """Pass a point."""
        with self._lock:
            armed = self._armed.get(name)
            if armed is None:
                return
            armed.left -= 1
            if armed.left:
                return
        armed.act()


def _parsed(part: str) -> tuple[str, _Armed]:
    where, _, action = part.partition("=")
    name, _, count = where.partition("@")
    if name not in POINTS:
        raise ValueError(f"FAILPOINTS: there is no point {name!r}; there are {', '.join(sorted(POINTS))}")
    if not (count or "1").isdigit() or int(count or "1") < 1:
        raise ValueError(f"FAILPOINTS: {where!r} wants a number from 1 on after the @")
    return name, _Armed(int(count or "1"), _action(action))


def _action(text: str) -> Callable[[], None]:
    kind, _, seconds = text.partition(":")
    if kind == "sleep" and seconds.replace(".", "", 1).isdigit():
        return partial(time.sleep, float(seconds))
    if text == "raise":
        return _raise
    if text in {"kill", "freeze"}:
        return partial(_signal, signal.SIGKILL if text == "kill" else signal.SIGSTOP)
    raise ValueError(f"FAILPOINTS: {text!r} is none of kill, freeze, raise and sleep:SECONDS")


def _signal(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)
    # The kernel may tell another thread first, and this one would go on meanwhile.
    time.sleep(0.1)


def _raise() -> None:
    raise FailpointReached


def _pass(name: str) -> None:
    """Nothing is armed."""


_specification = os.environ.get("SFTP_CONNECTOR_FAILPOINTS", "")
failpoint: Callable[[str], None] = Failpoints(_specification) if _specification else _pass
