"""What we compare ourselves with: the `sftp` command, on a private OpenSSH server."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from deploy.local.servers.sshd import Sshd

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


def server(home: Path, mebibytes: int) -> Sshd:
    """A server, not started, with one file of random bytes."""
    made = Sshd(home / "sshd", {"crm": PASSWORD})
    made.files.mkdir(parents=True, exist_ok=True)
    made.put(PATH, b"")
    with (made.files / PATH[1:]).open("wb") as file:
        for _ in range(mebibytes):
            file.write(os.urandom(1024 * 1024))
    return made
