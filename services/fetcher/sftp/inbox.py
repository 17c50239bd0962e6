"""What a channel has received and nobody has read yet, in place of paramiko's own buffer: no copies, and an end.

paramiko keeps whatever a server sends, also what it was given no window for.
"""

import threading
import time
from collections import deque

import paramiko
from paramiko.buffered_pipe import PipeTimeout

_SMALL_BYTES = 1024


class Inbox:
    """Filled by the transport's thread, read by one other. `room` is the window that the server was given."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._parts: deque[bytes | bytearray | memoryview] = deque()
        self._size = 0
        self._wanted = 1
        self._closed = False
        self._changed = threading.Condition(threading.Lock())

    def feed(self, data: bytes | memoryview) -> None:
        """Take what came; SSHException when it is more than there is room for."""
        with self._changed:
            self._keep(data)
            self._size += len(data)
            if self._size > self._room:
                raise paramiko.SSHException("the server sends more than its window")
            if self._size >= self._wanted:
                self._changed.notify()

    def _keep(self, data: bytes | memoryview) -> None:
        """Put small parts together: each that is kept alone costs some hundred bytes."""
        last = self._parts[-1] if self._parts else None
        if len(data) >= _SMALL_BYTES:
            self._parts.append(data)
        elif isinstance(last, bytearray):
            last += data
        else:
            self._parts.append(bytearray(data))

    def read(self, nbytes: int, timeout: float | None = None) -> bytes:
        """Exactly so many bytes, in one piece; fewer when the channel was closed before; PipeTimeout after a while."""
        latest = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            self._wanted = nbytes
            while self._size < nbytes and not self._closed:
                left = None if latest is None else latest - time.monotonic()
                if left is not None and left <= 0:
                    raise PipeTimeout
                self._changed.wait(left)
            parts = self._take(min(nbytes, self._size))
        return b"".join(parts)

    def _take(self, size: int) -> list[bytes | bytearray | memoryview]:
        self._size -= size
        parts = []
        while size:
            part = self._parts.popleft()
            if len(part) > size:
                view = memoryview(part)
                self._parts.appendleft(view[size:])
                part = view[:size]
            parts.append(part)
            size -= len(part)
        return parts

    def read_ready(self) -> bool:
        """Whether there is anything to read."""
        return self._size > 0

    def close(self) -> None:
        """Nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def __len__(self) -> int:
        return self._size
