"""A TCP proxy before an SFTP server that cuts connections after so many bytes, or turns them away."""

import contextlib
import socket
import threading
from collections.abc import Sequence
from typing import Self

from tests.integration.fetcher.ssh_server import LOOPBACK

_READ = 64 * 1024
ALL = 2**62


class Cutter:
    """`cuts` says for each connection in turn after how many bytes from the server it ends; the rest are left whole."""

    def __init__(self, upstream: tuple[str, int], cuts: Sequence[int]) -> None:
        self.upstream = upstream  # of connections to come
        self._cuts = [*cuts]
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        _end(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(10)

    def cut(self) -> None:
        """End every connection there is."""
        for sock in self._sockets:
            _end(sock)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
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
                self._start(self._pass_on, client, server, ALL)
                self._start(self._pass_on, server, client, cut)

    def _pass_on(self, source: socket.socket, sink: socket.socket, cut: int) -> None:
        left = cut
        with contextlib.suppress(OSError):
            while left > 0 and (data := source.recv(min(_READ, left))):
                left -= len(data)
                sink.sendall(data)
        for sock in (source, sink):
            _end(sock)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
