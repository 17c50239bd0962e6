"""A TCP proxy that stands between a fetcher and an SFTP server, and can hold the server's bytes back."""

import contextlib
import socket
import threading

_READ = 64 * 1024


class Proxy:
    """Passes on bytes; after `hold_after` bytes from the server it holds until `release`."""

    def __init__(self, upstream: tuple[str, int], *, hold_after: int | None = None) -> None:
        self._upstream = upstream
        self._hold_after = hold_after
        self._released = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.holding = threading.Event()
        self.connections = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        for sock in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def release(self) -> None:
        """Let everything through from now on."""
        self._released.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(self._upstream)
                self._sockets += [client, server]
                threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, self._hold_after), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, hold_after: int | None) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(_READ):
                passed += len(data)
                if hold_after is not None and passed > hold_after and not self._released.is_set():
                    self.holding.set()
                    self._released.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
