"""A private OpenSSH server for SFTP clients that log in with a password."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ServerFailed, is_root
from deploy.local.servers.server import Server
from deploy.local.servers.sshd_accounts import write_accounts
from deploy.local.servers.sshd_keys import KeyKind, create_key, fingerprint

_NAMESPACE_SCRIPT = Path(__file__).with_name("sshd_namespace.sh")
_UNSHARE = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork")
_USER_NAMESPACE = (*_UNSHARE, "--user", "--map-root-user", "--map-auto")

_CONFIGURATION = """\
ListenAddress {host}:{port}
PidFile none
LogLevel VERBOSE
MaxStartups 200
UseDNS no
UsePAM no
PermitRootLogin no
PubkeyAuthentication no
PasswordAuthentication yes
KbdInteractiveAuthentication no
Subsystem sftp internal-sftp
ForceCommand internal-sftp
ChrootDirectory /run/sftp
AllowTcpForwarding no
X11Forwarding no
"""


class Sshd(Server):
    """An OpenSSH server of our own with its keys and log below ``home``.

    It listens on the loopback interface only. Its users exist for it alone and see the folder
    ``files`` as ``/``. They are another system user than the caller: they read what everyone may
    read, which is what ``put`` leaves behind. It runs in a namespace of its own, which takes root,
    sudo without a question, or user namespaces with a range of ids; through sudo, only top-level
    folders of ``files`` that exist at the start are seen. With ``die_with_parent`` it stops when
    the interpreter that started it ends.
    """

    host = LOOPBACK

    def __init__(
        self,
        home: Path,
        users: Mapping[str, str],
        *,
        files: Path | None = None,
        port: int | None = None,
        key_kinds: Sequence[KeyKind] = ("ed25519",),
        extra_config: Sequence[str] = (),
        die_with_parent: bool = True,
    ) -> None:
        home = home.absolute()
        self._config = home / "sshd_config"
        super().__init__("sshd", home, port=port, mark=str(self._config))
        self.files = self.home / "files" if files is None else files.absolute()
        self._users = dict(users)
        self._key_kinds = tuple(key_kinds)
        self._extra_config = tuple(extra_config)
        self._die_with_parent = die_with_parent

    @property
    def fingerprint(self) -> str:
        """The first host key's fingerprint, as ``SHA256:...``; needs a server started once."""
        return self.fingerprints[self._key_kinds[0]]

    @property
    def fingerprints(self) -> dict[KeyKind, str]:
        """The fingerprint of each host key, by kind."""
        return {kind: fingerprint(self._key(kind)) for kind in self._key_kinds}

    def stop(self) -> None:
        """Stop the server and end its sessions, at once: there is nothing it would have to save."""
        self.kill()

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password (or add the user), at once, also while the server runs."""
        self._users[name] = password
        write_accounts(self.home / "accounts", self._users)

    def rotate_host_key(self) -> None:
        """Replace the host keys by new ones; restarts a running server, so its sessions end."""
        was_running = self.running
        self.stop()
        for kind in self._key_kinds:
            create_key(self._key(kind), kind)
        if was_running:
            self.start()

    def put(self, path: str, content: bytes, *, mtime: float | None = None) -> Path:
        """Place a file at the path clients will see, at once as a whole, readable by every user.

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

    def _key(self, kind: KeyKind) -> Path:
        return self.home / f"host_key_{kind}"

    def _launch(self) -> None:
        self.files.mkdir(parents=True, exist_ok=True)
        self.files.chmod(0o755)
        write_accounts(self.home / "accounts", self._users)
        for kind in self._key_kinds:
            if not self._key(kind).exists():
                create_key(self._key(kind), kind)
        self._write_config()
        self._process.start(self._command(), owner_pipe=self._die_with_parent)

    def _write_config(self) -> None:
        keys = [f'HostKey "{self._key(kind)}"' for kind in self._key_kinds]
        # sshd obeys the first of two equal options, so the caller's come first.
        lines = [*self._extra_config, *keys, _CONFIGURATION.format(host=self.host, port=self.port)]
        self._config.write_text("\n".join(lines))

    def _command(self) -> list[str]:
        sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if sshd is None:
            raise ServerFailed("The OpenSSH server is not installed: run `make setup`.")
        script = [str(_NAMESPACE_SCRIPT), sshd, str(self._config), str(self.home / "accounts"), str(self.files)]
        return [*_namespace(), "sh", *script, *(["owned"] if self._die_with_parent else [])]

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            return False


def _namespace() -> list[str]:
    """Return the command prefix that gives this user a namespace to set up as root."""
    choices = [_UNSHARE] if is_root() else [("sudo", "-n", *_UNSHARE), _USER_NAMESPACE]
    refusals = []
    for choice in [choice for choice in choices if shutil.which(choice[0])]:
        probe = [*choice, "mount", "-t", "tmpfs", "tmpfs", "/run"]
        done = subprocess.run(probe, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return list(choice)
        refusals.append(done.stderr.strip())
    raise ServerFailed(
        "The SFTP server needs a namespace of its own: run this as root or with sudo "
        f"({'; '.join(refusals) or 'no unshare command'})."
    )
