"""A server that answers in every wrong way gets the right bytes out of the client, or a clear error in time."""

import contextlib
import random
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from services.fetcher.sftp.client import SftpClient
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.handshake import Greeted
from services.fetcher.sftp.messages import (
    LIMITS,
    Attributes,
    Fields,
    Kind,
    ProtocolError,
    Status,
    StatusError,
    string,
    uint32,
    uint64,
)
from services.fetcher.sftp.session import Session

CONTENT = random.Random(5).randbytes(1_500_000)
SECONDS = 0.3
ERRORS = (ProtocolError, StatusError, TimeoutError, EOFError, OSError)

# What becomes of the answer to one READ: the packets that are sent in its place.
Mischief = Callable[[random.Random, int, bytes], list[bytes]]


def packet(kind: int, number: int, body: bytes) -> bytes:
    return string(bytes([kind]) + uint32(number) + body)


def status(number: int, code: int) -> bytes:
    return packet(Kind.STATUS, number, uint32(code) + string(b"no") + string(b""))


def data(number: int, content: bytes) -> bytes:
    return packet(Kind.DATA, number, string(content)) if content else status(number, Status.EOF)


def honest(_dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [data(number, content)]


def short(dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [data(number, content[: dice.randint(1, len(content))] if content else b"")]


def empty(_dice: random.Random, number: int, _content: bytes) -> list[bytes]:
    return [packet(Kind.DATA, number, string(b""))]


def twice(_dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [data(number, content)] * 2


def oversized(_dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [data(number, content + b"x")]


def of_nobody(dice: random.Random, _number: int, content: bytes) -> list[bytes]:
    return [data(dice.randint(10**6, 2**32 - 1), content)]


def refused(dice: random.Random, number: int, _content: bytes) -> list[bytes]:
    return [status(number, dice.choice([0, 2, 3, 4, 8, 4_000_000_000]))]


def cut(dice: random.Random, number: int, content: bytes) -> list[bytes]:
    whole = data(number, content)
    return [whole[: dice.randint(1, len(whole) - 1)]]


def lying_length(dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [uint32(dice.choice([0, 1, 4, 2**24, 2**32 - 1])) + data(number, content)[4:]]


def wrong_kind(dice: random.Random, number: int, content: bytes) -> list[bytes]:
    return [packet(dice.choice([Kind.HANDLE, Kind.ATTRS, Kind.NAME, 0, 255]), number, content[:100])]


def noise(dice: random.Random, _number: int, _content: bytes) -> list[bytes]:
    return [dice.randbytes(dice.randint(1, 5000))]


def silent(_dice: random.Random, _number: int, _content: bytes) -> list[bytes]:
    return []


WICKED: tuple[Mischief, ...] = (
    empty, twice, oversized, of_nobody, refused, cut, lying_length, wrong_kind, noise, silent,
)  # fmt: skip


class Server:
    """Serves CONTENT over one end of a pair of sockets; dice decide when an answer goes wrong, and the order."""

    def __init__(self, sock: socket.socket, dice: random.Random, mischief: Mischief, *, rate: float) -> None:
        self._sock = sock
        self._stream = sock.makefile("rb")
        self._dice = dice
        self._mischief = mischief
        self._rate = rate
        self._held: list[bytes] = []

    def run(self) -> None:
        with contextlib.suppress(OSError), self._stream, self._sock:
            while head := self._stream.read(4):
                body = self._stream.read(int.from_bytes(head, "big"))
                if body[0] == Kind.INIT:
                    self._sock.sendall(string(bytes([Kind.VERSION]) + uint32(3) + string(LIMITS) + string(b"1")))
                else:
                    self._answer(body[0], Fields(body[1:]))
                self._release()

    def _answer(self, kind: int, fields: Fields) -> None:
        number = fields.uint32()
        if kind == Kind.READ:
            fields.string()
            at, length = fields.uint64(), fields.uint32()
            chosen = self._mischief if self._dice.random() < self._rate else honest
            self._held += chosen(self._dice, number, CONTENT[at : at + length])
        elif kind == Kind.OPEN:
            self._sock.sendall(packet(Kind.HANDLE, number, string(b"h")))
        elif kind == Kind.EXTENDED:
            self._sock.sendall(packet(Kind.EXTENDED_REPLY, number, uint64(0) + uint64(60_000) + uint64(0) + uint64(0)))
        elif kind == Kind.STAT:
            attributes = uint32(0x1) + uint64(len(CONTENT))
            self._sock.sendall(packet(Kind.ATTRS, number, attributes))
        else:
            self._sock.sendall(status(number, Status.OK))

    def _release(self) -> None:
        """Send what is held, in any order, once the client has nothing more to ask before it gets an answer."""
        if select.select([self._sock], [], [], 0.0)[0]:
            return
        self._dice.shuffle(self._held)
        for answer in self._held:
            self._sock.sendall(answer)
            if self._mischief is cut and len(answer) < 4 + int.from_bytes(answer[:4], "big"):
                # Whatever came next would be taken for the rest.
                raise OSError
        self._held.clear()


@contextlib.contextmanager
def served(dice: random.Random, mischief: Mischief, *, rate: float) -> Iterator[SftpClient]:
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=Server(theirs, dice, mischief, rate=rate).run)
    thread.start()
    try:
        with ours:
            yield SftpClient(ours, SECONDS)
    finally:
        thread.join(10)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mischief", [honest, short], ids=lambda mischief: mischief.__name__)
def test_short_and_disordered_answers_give_the_right_bytes(mischief: Mischief, seed: int) -> None:
    with served(random.Random(seed), mischief, rate=0.5) as client:
        assert b"".join(client.read("/leads.csv")) == CONTENT
        assert client.stat("/leads.csv") == Attributes(len(CONTENT), None, None)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("mischief", WICKED, ids=lambda mischief: mischief.__name__)
def test_a_wicked_answer_gives_an_error_in_time_and_never_other_bytes(mischief: Mischief, seed: int) -> None:
    rate = [0.02, 0.2, 1.0][seed % 3]
    received, ended = bytearray(), False
    begun = time.monotonic()

    with served(random.Random(seed), mischief, rate=rate) as client, contextlib.suppress(*ERRORS):
        for chunk in client.read("/leads.csv"):
            received += chunk
        ended = True

    assert received == CONTENT if ended else CONTENT.startswith(received)
    assert not (ended and rate == 1.0)
    assert time.monotonic() - begun < 10


def test_a_server_that_is_no_server_of_this_protocol_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(struct.pack(">IB", 20_000, 7) + b"HTTP/1.1 400 Bad Request")
        with pytest.raises(ProtocolError):
            SftpClient(ours, SECONDS)


def test_an_answer_without_an_entry_ends_a_listing() -> None:
    ours, theirs = socket.socketpair()
    replies = [
        string(bytes([Kind.VERSION]) + uint32(3)),
        packet(Kind.HANDLE, 1, string(b"h")),
        packet(Kind.NAME, 2, uint32(0)),
    ]
    with ours, theirs:
        theirs.sendall(b"".join(replies))
        with pytest.raises(ProtocolError):
            next(SftpClient(ours, SECONDS).list("/exports"))


@contextlib.contextmanager
def endless_folder(pause: float) -> Iterator[SftpClient]:
    """A server that names files for ever, a hundred at a time."""
    ours, theirs = socket.socketpair()
    entry = string(b"caf\xe9.csv") + string(b"") + uint32(0)

    def serve() -> None:
        with contextlib.suppress(OSError), theirs.makefile("rb") as stream, theirs:
            while head := stream.read(4):
                body = stream.read(int.from_bytes(head, "big"))
                number = int.from_bytes(body[1:5], "big")
                replies = {
                    Kind.INIT: string(bytes([Kind.VERSION]) + uint32(3)),
                    Kind.OPENDIR: packet(Kind.HANDLE, number, string(b"h")),
                    Kind.READDIR: packet(Kind.NAME, number, uint32(100) + entry * 100),
                }
                time.sleep(pause if body[0] == Kind.READDIR else 0)
                theirs.sendall(replies.get(Kind(body[0]), status(number, Status.OK)))

    thread = threading.Thread(target=serve)
    thread.start()
    with ours:
        yield SftpClient(ours, SECONDS)
    thread.join(10)


def test_an_endless_folder_is_read_only_as_far_as_it_is_asked_for() -> None:
    with endless_folder(0) as client:
        entries = client.list("/exports")
        seen = [next(entries) for _ in range(10_000)]
        entries.close()  # type: ignore[attr-defined]

    assert set(seen) == {(b"caf\xe9.csv", Attributes(None, None, None))}


def test_a_folder_that_is_named_slowly_has_an_end() -> None:
    with endless_folder(0.05) as client:
        session = Session(client, Greeted("", ""), "", listing_seconds=0.2)
        with pytest.raises(LookFailed, match="file: timed_out"):
            session.entries("/exports", 1_000_000)
