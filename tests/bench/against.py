"""What we compare ourselves with, the `sftp` command, and the private servers on which both are measured."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.local.servers.sftp_server import SftpServer
from deploy.local.servers.sshd import Sshd
from tests.proxy import Proxy

PASSWORD = "bench"
PATH = "/exports/leads.csv"
GCM = ("-c", "aes128-gcm@openssh.com")


class Sftp:
    """Runs the command with a password and without a question."""

    def __init__(self, home: Path) -> None:
        self._askpass = home / "askpass.sh"
        self._askpass.write_text(f"#!/bin/sh\necho {PASSWORD}\n")
        self._askpass.chmod(0o700)

    def seconds(self, port: int, command: str, options: Sequence[str] = ()) -> float:
        """How long a connection takes that carries out one command."""
        fixed = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "PreferredAuthentications=password")
        given = [part for option in fixed for part in ("-o", option)]
        begun = time.monotonic()
        subprocess.run(
            ["sftp", "-q", "-P", str(port), *given, *options, "crm@127.0.0.1"],
            input=f"{command}\n".encode(),
            env=os.environ | {"SSH_ASKPASS": str(self._askpass), "SSH_ASKPASS_REQUIRE": "force"},
            check=True,
            capture_output=True,
        )
        return time.monotonic() - begun


def server(home: Path, mebibytes: int, kind: type[SftpServer] = Sshd) -> SftpServer:
    """A server, not started, with one file of random bytes."""
    made = kind(home / kind.__name__.lower(), {"crm": PASSWORD})
    made.files.mkdir(parents=True, exist_ok=True)
    with made.put(PATH, b"").open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1024 * 1024))
    return made


@contextmanager
def far(port: int, milliseconds: int) -> Iterator[int]:
    """The port of a server behind so long a round trip."""
    with Proxy(("127.0.0.1", port)) as proxy:
        proxy.both(delay=milliseconds / 2000)
        yield proxy.port if milliseconds else port
