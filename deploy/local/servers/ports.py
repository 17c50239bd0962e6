"""Free ports on the loopback interface."""

import random
import socket
import threading
from pathlib import Path

LOOPBACK = "127.0.0.1"

# Below the kernel's range for outgoing connections, so that no client takes the port between the
# moment it is chosen and the moment its server listens.
_RANGE = range(20_000, 32_000)

_given: set[int] = set()
_lock = threading.Lock()


def is_free(port: int) -> bool:
    """Return whether nothing listens on the loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a free loopback port; one process is never given the same port twice."""
    with _lock:
        candidates = [port for port in _RANGE if port not in _given]
        random.shuffle(candidates)
        port = next(port for port in candidates if is_free(port))
        _given.add(port)
    return port


class ServerPort:
    """A server's port: the one asked for, or else a free one that is kept in a file."""

    def __init__(self, path: Path, asked: int | None = None) -> None:
        self._path = path
        self._settled = asked is not None
        self.number = asked or self._kept() or self._chosen()

    def settle(self) -> None:
        """Before the first start: take another port if a stranger has taken the kept one."""
        if not self._settled and not is_free(self.number):
            self.number = self._chosen()
        self._settled = True

    def _kept(self) -> int | None:
        return int(self._path.read_text()) if self._path.exists() else None

    def _chosen(self) -> int:
        port = free_port()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(f"{port}\n")
        return port
