"""One of our services as a process of its own, as it runs in production."""

import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ended_with_owner
from deploy.local.servers.server import Server

ROOT = Path(__file__).parents[2]


class Service(Server):
    """`python -m services.<name>`; it has started when `/readyz` says so."""

    _ready_seconds = 30.0

    def __init__(self, name: str, home: Path, environment: Mapping[str, str], *, die_with_parent: bool = True) -> None:
        super().__init__(name, home, port=None, mark=f"services.{name}")
        self._module = f"services.{name}"
        self._environment = dict(environment)
        self._die_with_parent = die_with_parent

    @property
    def url(self) -> str:
        """Where `/metrics`, `/healthz` and `/readyz` are served."""
        return f"http://{LOOPBACK}:{self.port}"

    def status(self, path: str) -> tuple[int, str]:
        """The HTTP status and body of one of those."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:  # noqa: S310 - loopback
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    @property
    def ready(self) -> bool:
        """Whether the service says that it can work."""
        try:
            return self.status("/readyz")[0] == 200
        except OSError:
            return False

    def metric(self, series: str) -> float:
        """The value of one series, written as in the exposition format; 0 when there is none yet."""
        for line in self.status("/metrics")[1].splitlines():
            if line.startswith(f"{series} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    @property
    def exit_code(self) -> int | None:
        """With what the last run of the service ended, if this interpreter saw it end."""
        return self._process.exit_code

    def set_environment(self, **variables: str) -> None:
        """Add variables that are no settings of ours, before the start."""
        self._environment |= variables

    @property
    def pid(self) -> int | None:
        """The process id, while the service runs."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send the service a signal, without waiting for what it does."""
        self._process.signal(number)

    def terminate(self) -> None:
        """Ask the service to stop, without waiting for it."""
        self._process.signal(signal.SIGTERM)

    def freeze(self) -> None:
        """Stop the service's clock, as an overloaded machine might."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen service go on."""
        self._process.signal(signal.SIGCONT)

    def _launch(self) -> None:
        # Not from the folder that the caller happens to be in
        command = [sys.executable, "-P", "-m", self._module]
        if self._die_with_parent:
            command = ended_with_owner(command, signal.SIGKILL)
        own = {
            "SFTP_CONNECTOR_HTTP_HOST": LOOPBACK,
            "SFTP_CONNECTOR_HTTP_PORT": str(self.port),
            "PYTHONPATH": str(ROOT),
            "PATH": os.environ["PATH"],
        }
        self._process.start(command, env={**own, **self._environment})

    def _answers(self) -> bool:
        return self.ready
