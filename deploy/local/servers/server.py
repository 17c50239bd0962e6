"""What the private servers have in common."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.local.servers.ports import ServerPort
from deploy.local.servers.process import Process


class Server(ABC):
    """A server of our own on a loopback port, with everything it keeps below ``home``.

    The port and the data stay over restarts, whether by this object or by a later one for the same
    ``home``; a server that an earlier process left running is found again and can be stopped.
    """

    _stop_signal = signal.SIGTERM
    _stop_seconds = 30.0
    _ready_seconds = 60.0

    def __init__(self, name: str, home: Path, *, port: int | None, mark: str) -> None:
        self.home = home
        self._port = ServerPort(home / "port", port)
        self._process = Process(name, home=home, mark=mark)

    @property
    def port(self) -> int:
        """The loopback port; settled once the server has been started."""
        return self._port.number

    @property
    def running(self) -> bool:
        """Whether the server is alive."""
        return self._process.running

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self._process.log_path

    def start(self) -> None:
        """Start the server, creating its data first if there is none; return when it answers.

        Does nothing when it runs already. Raises ServerFailed when it cannot be started.
        """
        if not self.running:
            self.launch()
            self._process.wait_ready(self._answers, seconds=self._ready_seconds)

    def launch(self) -> None:
        """Start the server, which does not run, without waiting until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        self._port.settle()
        self._launch()

    def stop(self) -> None:
        """Stop the server and end its sessions; it is killed when it takes too long."""
        self._process.stop(self._stop_signal, seconds=self._stop_seconds)

    def kill(self) -> None:
        """Kill the server and its sessions at once, as a crash would."""
        self._process.kill()

    def restart(self) -> None:
        """Stop and start the server; its port and data stay, its sessions end."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def _launch(self) -> None:
        """Create what is missing and start the process."""

    @abstractmethod
    def _answers(self) -> bool:
        """Return whether a client is served."""
