"""The program that Asyncssh runs. Arguments: host, port, host key, users as a JSON object, the folder of the files."""

import asyncio
import json
import logging
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncssh


class _Login(asyncssh.SSHServer):
    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        accepted = self._users.get(username) == password
        logging.info("password %s", "accepted" if accepted else "refused")
        return accepted


class _Files(asyncssh.SFTPServer):
    """A folder that clients see as /, where they open what everyone may read."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if not os.stat(self.map_path(path)).st_mode & stat.S_IROTH:
            raise asyncssh.SFTPPermissionDenied("not for everyone")
        return super().open(path, pflags, attrs)


async def serve(host: str, port: int, key: str, users: Mapping[str, str], files: str) -> None:
    """Serve the files to the users, given as name and password, until the process is ended."""
    server = await asyncssh.listen(
        host,
        port,
        server_host_keys=[key],
        server_factory=lambda: _Login(users),
        sftp_factory=lambda channel: _Files(channel, chroot=files.encode()),
    )
    await server.wait_closed()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    host, port, key, users, files = sys.argv[1:]
    asyncio.run(serve(host, int(port), key, json.loads(Path(users).read_text()), files))
