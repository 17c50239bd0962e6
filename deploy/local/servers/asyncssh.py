"""A private SFTP server of asyncssh, a library of its own line."""

import json
import signal
import sys
from pathlib import Path

from deploy.local.servers.process import ended_with_owner
from deploy.local.servers.sftp_server import SftpServer

_PROGRAM = Path(__file__).with_name("asyncssh_main.py")


class Asyncssh(SftpServer):
    """An asyncssh server in a process of the caller's user; its users see the folder ``files`` as ``/``."""

    name = "asyncssh"

    def _command(self) -> list[str]:
        users = self.home / "users.json"
        users.touch(mode=0o600)
        users.write_text(json.dumps(self._users))
        program = [sys.executable, "-I", str(_PROGRAM)]
        command = [*program, self.host, str(self.port), str(self._key()), str(users), str(self.files)]
        return ended_with_owner(command, signal.SIGKILL) if self._die_with_parent else command
