"""One connection through the proxy of the tests, and the settings that say what befalls it."""

import asyncio
import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Any, Literal

NEVER = 2**62
_READ = 64 * 1024
_PIECES = 1024  # on their way in one direction
_TICK = 0.005  # how soon a changed setting is noticed
_BURSTS = 20  # a second, of a limited bandwidth
_LINGER = 1.0
_RESET = struct.pack("ii", 1, 0)

End = Literal["closed", "cut", "reset"]
# When a piece is due, and the piece: b"" is the sender's end, None its reset.
Road = asyncio.Queue[tuple[float, bytes | None]]


@dataclass(slots=True)
class Way:
    """What befalls the bytes that go one way. A setting may be changed at any time, and counts for what is to come.

    Limits are in bytes of one connection, counted from its beginning.
    """

    delay: float = 0.0  # seconds that each byte is on its way
    bandwidth: float = float("inf")  # bytes a second, for each connection
    slice: int = _READ  # bytes at most in a piece; a bandwidth beside it keeps pieces apart in time
    hold_after: int = NEVER  # what comes after them waits until `release`
    cut_after: int = NEVER  # the connection ends in both directions, as by a close
    reset_after: int = NEVER  # it is reset in both directions, and what was under way is lost
    blackhole: bool = False  # nothing passes, not even an end; it does once this is taken back
    passed: int = 0  # bytes of all connections


@dataclass
class Rules:
    """What befalls all connections of a proxy."""

    to_server: Way = field(default_factory=Way)
    to_client: Way = field(default_factory=Way)
    holding: threading.Event = field(default_factory=threading.Event)  # something waits behind `hold_after`
    released: threading.Event = field(default_factory=threading.Event)  # and no longer


class Connection:
    """A client's connection, and the one that is made for it to the server."""

    def __init__(self, client: socket.socket, upstream: tuple[str, int], rules: Rules, cut: int) -> None:
        self._client, self._server = client, socket.socket()
        self._upstream = upstream
        self._rules = rules
        self._cut = cut
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[End] = self._loop.create_future()

    async def carry(self) -> None:
        """Pass on bytes until both sides ended, or a setting ends the connection."""
        with self._client, self._server:
            for sock in (self._client, self._server):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                await self._loop.sock_connect(self._server, self._upstream)
            except OSError:
                _reset(self._client)
            else:
                await self._take_leave(await self._carried())

    def end(self, how: End) -> None:
        """End it now, if nothing did so before."""
        if not self._ended.done():
            self._ended.set_result(how)
            if how == "cut":
                _shut(self._client)
                _shut(self._server)

    async def _carried(self) -> End:
        up: Road = asyncio.Queue(_PIECES)
        down: Road = asyncio.Queue(_PIECES)
        passing = asyncio.gather(
            self._take(self._client, up, self._rules.to_server),
            self._give(up, self._server, self._rules.to_server, NEVER),
            self._take(self._server, down, self._rules.to_client),
            self._give(down, self._client, self._rules.to_client, self._cut),
        )
        either: list[asyncio.Future[Any]] = [passing, self._ended]
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
                self.end("closed")
            return self._ended.result()
        finally:
            passing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await passing

    async def _take_leave(self, how: End) -> None:
        """Reset; or else wait a little for what the others still send, because to close at once would reset, too."""
        sides = (self._client, self._server)
        if how == "reset":
            for sock in sides:
                _reset(sock)
        elif how == "cut":
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER):
                    await asyncio.gather(*map(self._drain, sides))

    async def _drain(self, sock: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            while await self._loop.sock_recv(sock, _READ):
                pass

    async def _take(self, source: socket.socket, road: Road, way: Way) -> None:
        data: bytes | None = b" "
        while data:
            try:
                data = await self._loop.sock_recv(source, _READ)
            except ConnectionError:
                data = None
            await road.put((self._loop.time() + way.delay, data))

    async def _give(self, road: Road, sink: socket.socket, way: Way, cut: int) -> None:
        passed = 0
        while not self._over(way, passed, cut):
            due, data = await road.get()
            await asyncio.sleep(due - self._loop.time())
            if data:
                passed = await self._send(memoryview(data), sink, way, passed, cut)
                continue
            await self._let_through(way, passed)
            if data is None:
                self.end("reset")
            else:
                _shut(sink)
            return

    async def _send(self, data: memoryview, sink: socket.socket, way: Way, passed: int, cut: int) -> int:
        """Send a piece, or as much of it as may pass; how many bytes passed by now."""
        while data and not self._over(way, passed, cut):
            await self._let_through(way, passed)
            begun = self._loop.time()
            now = data[: _size(way, passed, cut)]
            try:
                await self._loop.sock_sendall(sink, now)
            except ConnectionError:
                self.end("reset")
            data, passed, way.passed = data[len(now) :], passed + len(now), way.passed + len(now)
            await asyncio.sleep(begun + len(now) / way.bandwidth - self._loop.time())
        return passed

    async def _let_through(self, way: Way, passed: int) -> None:
        while way.blackhole or (passed >= way.hold_after and not self._rules.released.is_set()):
            if not way.blackhole:
                self._rules.holding.set()
            await asyncio.sleep(_TICK)

    def _over(self, way: Way, passed: int, cut: int) -> bool:
        if passed >= way.reset_after:
            self.end("reset")
        elif passed >= min(way.cut_after, cut):
            self.end("cut")
        return self._ended.done()


def _size(way: Way, passed: int, cut: int) -> int:
    """How many bytes may pass at once; settings may have changed since they were looked at, hence one at least."""
    limits = [way.cut_after, way.reset_after, way.hold_after, cut]
    room = min(limit - passed for limit in limits if limit > passed)
    return max(1, min(way.slice, room, int(min(way.bandwidth / _BURSTS, NEVER))))


def _shut(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    sock.close()
