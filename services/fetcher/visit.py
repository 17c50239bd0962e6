"""The sessions of one look: one at a time, each with one login, all within one budget of time."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from services.fetcher.sftp.login import Password, PrivateKey
from services.fetcher.sftp.session import Limits, Session, open_session
from shared.contracts import Endpoint, Seen


class Visit:
    """A context that closes its last session; nothing is connected before `open`."""

    def __init__(self, endpoint: Endpoint, credentials: Callable[[], Password | PrivateKey], limits: Limits) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._limits = limits
        self._latest = time.monotonic() + limits.session_seconds
        self._opened = ExitStack()
        self.seen = Seen()  # what is known of the server and the file so far
        self.received = 0  # bytes of the file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The session is told of the failure: it knows whether the time was over.
        self._opened.__exit__(kind, error, trace)

    @property
    def seconds_left(self) -> float:
        """How much of the budget is left."""
        return self._latest - time.monotonic()

    def open(self) -> Session:
        """A new session after the one there was; it has to show the same host key. LookFailed when it cannot be had."""
        self._opened.close()
        limits = replace(self._limits, session_seconds=self.seconds_left)
        session = self._opened.enter_context(open_session(self._endpoint, self._credentials(), limits, self.note))
        self._endpoint = self._endpoint.model_copy(update={"host_keys": (session.host_key,)})
        return session

    def note(self, **found: str) -> None:
        """Note something of the server or the file, by the name of the field of `Seen`."""
        self.seen = self.seen.model_copy(update=found)
