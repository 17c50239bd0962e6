"""Requests and their answers on one channel: each in time, no larger than asked for, and none that nobody asked for."""

import struct
import time
from typing import Any, NamedTuple

from services.fetcher.sftp.messages import VERSION, Kind, ProtocolError, Status, StatusError, extensions, uint32

# An answer of this size has its time, a larger one pro rata.
_BLOCK = 32 * 1024
_LARGEST_ANSWER = 256 * 1024


class Answer(NamedTuple):
    """What a server sent: for DATA the bytes alone, else all that follows the request's number."""

    number: int
    kind: int
    body: bytes


class Answers:
    """Sends requests and takes answers in the order in which they come; `seconds` is the time for one of 32 KiB.

    EOFError or OSError when the connection is gone, TimeoutError when an answer is late.
    """

    def __init__(self, channel: Any, seconds: float) -> None:
        self._channel = channel
        self._seconds = seconds
        self._number = 0
        self._open: dict[int, int] = {}  # requests without an answer, and the most bytes that it may have
        self._abandoned: set[int] = set()

    def greet(self) -> frozenset[bytes]:
        """Agree on the version; the names of the server's extensions."""
        self._channel.settimeout(self._seconds)
        self._channel.sendall(uint32(5) + bytes([Kind.INIT]) + uint32(VERSION))
        latest = time.monotonic() + self._seconds
        length, kind = struct.unpack(">IB", self._exactly(5, latest))
        if kind != Kind.VERSION or not 5 <= length <= _LARGEST_ANSWER:
            raise ProtocolError("the server does not speak SFTP")
        return extensions(self._exactly(length - 1, latest))

    def ask(self, kind: Kind, body: bytes, most: int = 0) -> int:
        """Send a request; its number. An answer with more than `most` bytes of a file's data breaks the rules."""
        self._number += 1
        self._open[self._number] = most
        self._channel.settimeout(self._seconds)
        self._channel.sendall(struct.pack(">IBI", 5 + len(body), kind, self._number) + body)
        return self._number

    def take(self) -> Answer:
        """The next answer to any request that was not abandoned."""
        while True:
            answer = self._next()
            if answer.number not in self._abandoned:
                return answer
            self._abandoned.remove(answer.number)

    def abandon(self, number: int) -> None:
        """Drop the answer to this request when it comes."""
        self._abandoned.add(number)

    def answer(self, kind: Kind, body: bytes, wanted: Kind) -> bytes:
        """Ask and wait for the answer; StatusError when it is a status and no `wanted`."""
        number = self.ask(kind, body)
        answer = self.take()
        if answer.number != number:
            raise ProtocolError("the server answers another request")
        return expect(answer, wanted)

    def _next(self) -> Answer:
        latest = time.monotonic() + self._seconds * max(1.0, max(self._open.values(), default=0) / _BLOCK)
        length, kind, number = struct.unpack(">IBI", self._exactly(9, latest))
        if number not in self._open or not 5 <= length <= _LARGEST_ANSWER:
            raise ProtocolError("the server sends what was not asked for")
        most = self._open.pop(number)
        if kind == Kind.DATA:
            return Answer(number, kind, self._data(length - 5, most, latest))
        return Answer(number, kind, self._exactly(length - 5, latest))

    def _data(self, length: int, most: int, latest: float) -> bytes:
        (size,) = struct.unpack(">I", self._exactly(4, latest))
        if size + 4 != length or size > most:
            raise ProtocolError("the server sends more than was asked for")
        return self._exactly(size, latest)

    def _exactly(self, size: int, latest: float) -> bytes:
        """So many bytes; the inbox of `services.fetcher.sftp.inbox` gives them in one piece."""
        parts = []
        while size:
            self._channel.settimeout(max(latest - time.monotonic(), 0.001))
            part = self._channel.recv(size)
            if not part:
                raise EOFError
            parts.append(part)
            size -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def expect(answer: Answer, wanted: Kind) -> bytes:
    """The body of an answer of the wanted kind; StatusError for a status, ProtocolError for anything else."""
    if answer.kind == wanted:
        return answer.body
    if answer.kind == Kind.STATUS:
        raise StatusError(status_of(answer))
    raise ProtocolError("the server answers something else")


def status_of(answer: Answer) -> int:
    """The code of a status."""
    if answer.kind != Kind.STATUS or len(answer.body) < 4:
        raise ProtocolError("the server answers something else")
    return int.from_bytes(answer.body[:4], "big")


def is_end(answer: Answer) -> bool:
    """Whether the answer says that there is no more."""
    return answer.kind == Kind.STATUS and status_of(answer) == Status.EOF
