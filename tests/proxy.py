"""A TCP proxy before an SFTP server, which can hold the server's bytes back or cut connections."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Self

_READ = 64 * 1024
ALL = 2**62


class Proxy:
    """Passes on bytes. After `hold_after` bytes from the server it holds a connection until `release`.

    `cuts` says for each connection in turn after how many bytes from the server it ends; those after them are left
    whole.
    """

    def __init__(self, upstream: tuple[str, int], *, hold_after: int = ALL, cuts: Sequence[int] = ()) -> None:
        self.upstream = upstream  # of connections to come
        self.connections = 0
        self.holding = threading.Event()
        self._hold_after = hold_after
        self._cuts = [*cuts]
        self._released = threading.Event()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def release(self) -> None:
        """Let everything through from now on."""
        self._released.set()

    def cut(self) -> None:
        """End every connection there is."""
        for sock in self._sockets:
            _end(sock)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(self.upstream)
                self._sockets += [client, server]
                cut = self._cuts.pop(0) if self._cuts else ALL
                self._start(self._pass_on, client, server, ALL, ALL)
                self._start(self._pass_on, server, client, self._hold_after, cut)

    def _pass_on(self, source: socket.socket, sink: socket.socket, hold_after: int, cut: int) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while passed < cut and (data := source.recv(min(_READ, cut - passed))):
                passed += len(data)
                if passed > hold_after and not self._released.is_set():
                    self.holding.set()
                    self._released.wait()
                sink.sendall(data)
        for sock in (source, sink):
            _end(sock)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
