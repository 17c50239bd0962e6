"""A TCP proxy between any two parts of the system: it delays, throttles, slices, holds, cuts or loses what passes."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import fields
from typing import Any, Self

from tests.proxy_connection import NEVER, Connection, End, Rules, Way

__all__ = ["NEVER", "Proxy", "Way"]


class Proxy:
    """Passes on what comes in at `port` to `upstream`, and back; `to_server` and `to_client` say what befalls it.

    `cuts` says for each connection in turn after how many bytes from the server it ends; those after them are left
    whole. `hold_after` is that of `to_client`. When the server cannot be reached, a client's connection is reset.
    """

    def __init__(self, upstream: tuple[str, int], *, hold_after: int = NEVER, cuts: Sequence[int] = ()) -> None:
        self.upstream = upstream  # of connections to come
        self._rules = Rules(to_client=Way(hold_after=hold_after))
        self.to_server, self.to_client = self._rules.to_server, self._rules.to_client
        self.holding = self._rules.holding
        self.connections = 0
        self._cuts = [*cuts]
        self._open: dict[Connection, asyncio.Task[None]] = {}
        self._listener: socket.socket | None = None
        self._holder = _bound(0)  # keeps the port while nobody listens
        self.port: int = self._holder.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.refuse = False
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse = True
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._holder.close()

    def both(self, **settings: Any) -> None:
        """Change settings of both ways."""
        for way in (self.to_server, self.to_client):
            for name, value in settings.items():
                setattr(way, name, value)

    def heal(self) -> None:
        """Let everything pass as if there were no proxy, from now on."""
        self.both(**{field.name: field.default for field in fields(Way) if field.name != "passed"})
        self.refuse = False

    def release(self) -> None:
        """Hold nothing back any more, whatever `hold_after` says."""
        self._rules.released.set()

    def cut(self) -> None:
        """End every connection there is, as by a close."""
        self._call(self._end_all, "cut")

    def reset(self) -> None:
        """Reset every connection there is."""
        self._call(self._end_all, "reset")

    @property
    def refuse(self) -> bool:
        """Whether new connections are refused, as where no process listens."""
        return self._listener is None

    @refuse.setter
    def refuse(self, refuse: bool) -> None:
        if refuse != self.refuse:
            self._call(self._unlisten if refuse else self._listen)

    def _call(self, work: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        asyncio.run_coroutine_threadsafe(work(*args), self._loop).result(10)

    async def _listen(self) -> None:
        self._listener = _bound(self.port)
        self._listener.listen(128)
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener, self._accept)

    async def _unlisten(self) -> None:
        assert self._listener is not None
        self._loop.remove_reader(self._listener)
        self._listener.close()
        self._listener = None

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _address = self._listener.accept()
        except OSError:  # the client has gone already
            return
        self.connections += 1
        cut = self._cuts.pop(0) if self._cuts else NEVER
        connection = Connection(client, self.upstream, self._rules, cut)
        self._open[connection] = task = self._loop.create_task(connection.carry())
        task.add_done_callback(lambda _: self._open.pop(connection))

    async def _end_all(self, how: End) -> None:
        for connection in self._open:
            connection.end(how)

    async def _close(self) -> None:
        tasks = [*self._open.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
