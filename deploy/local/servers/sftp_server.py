"""What the private SFTP servers have in common: a host key, users with passwords, and a folder of files."""

import os
import secrets
import shutil
import socket
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from deploy.local.servers.namespace import confined
from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ServerFailed
from deploy.local.servers.server import Server
from deploy.local.servers.sshd_keys import KeyKind, create_key, fingerprint


class ServerMissing(ServerFailed):
    """A server's program is not installed: run `make setup`."""


class SftpServer(Server):
    """A server for SFTP clients that log in with a password, with its keys and log below ``home``.

    It listens on the loopback interface only. Its users exist for it alone, and read what everyone
    may read, which is what ``put`` leaves behind. With ``die_with_parent`` it stops when the
    interpreter that started it ends.
    """

    host = LOOPBACK
    root = PurePosixPath("/")  # where clients see ``files``
    name: str
    _key_kinds: tuple[KeyKind, ...] = ("ed25519",)

    def __init__(
        self, home: Path, users: Mapping[str, str], *, port: int | None = None, die_with_parent: bool = True
    ) -> None:
        home = home.absolute()
        super().__init__(self.name, home, port=port, mark=str(home))
        self.files = home / "files"
        self._users = dict(users)
        self._die_with_parent = die_with_parent

    @property
    def fingerprint(self) -> str:
        """The first host key's fingerprint, as ``SHA256:...``; needs a server started once."""
        return fingerprint(self._key(self._key_kinds[0]))

    def stop(self) -> None:
        """Stop the server and end its sessions, at once: there is nothing it would have to save."""
        self.kill()

    def put(self, path: str, content: bytes, *, mtime: float | None = None) -> Path:
        """Place a file at the path below ``root``, at once as a whole, readable by every user.

        ``mtime`` is its modification time in seconds since 1970. Returns the file's real place.
        """
        target = self.files / PurePosixPath(path).relative_to("/")
        for folder in reversed(target.relative_to(self.files).parents[:-1]):
            (self.files / folder).mkdir(exist_ok=True)
            (self.files / folder).chmod(0o755)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        part.write_bytes(content)
        part.chmod(0o644)
        if mtime is not None:
            os.utime(part, (mtime, mtime))
        return part.replace(target)

    @property
    def _accounts(self) -> Path:
        return self.home / "accounts"

    def _key(self, kind: KeyKind = "ed25519") -> Path:
        return self.home / f"host_key_{kind}"

    def _launch(self) -> None:
        self.files.mkdir(parents=True, exist_ok=True)
        self.files.chmod(0o755)
        for kind in self._key_kinds:
            if not self._key(kind).exists():
                create_key(self._key(kind), kind)
        self._process.start(self._command(), owner_pipe=self._die_with_parent)

    def _confined(self, command: Sequence[str]) -> list[str]:
        """Return the command such that it runs in a namespace, where the files are shown as /run/sftp."""
        owned = self._die_with_parent
        return confined(command, accounts=self._accounts, users=self._users, files=self.files, owned=owned)

    @abstractmethod
    def _command(self) -> list[str]:
        """Write what the server reads and return its command, which stays in the foreground."""

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def installed(name: str) -> str:
    """Return the path of a server's program; ServerMissing where there is none."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerMissing(f"{name} is not installed: run `make setup`.")
    return found
