"""A private OpenSSH server."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.servers.sftp_server import SftpServer, installed
from deploy.local.servers.sshd_accounts import write_accounts
from deploy.local.servers.sshd_keys import KeyKind, create_key, fingerprint

_CONFIGURATION = """\
ListenAddress {host}:{port}
PidFile none
LogLevel VERBOSE
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


class Sshd(SftpServer):
    """An OpenSSH server with one or more host keys; users see the folder ``files`` as ``/``."""

    name = "sshd"

    def __init__(
        self,
        home: Path,
        users: Mapping[str, str],
        *,
        port: int | None = None,
        key_kinds: Sequence[KeyKind] = ("ed25519",),
        extra_config: Sequence[str] = (),
        die_with_parent: bool = True,
    ) -> None:
        super().__init__(home, users, port=port, die_with_parent=die_with_parent)
        self._key_kinds = tuple(key_kinds)
        self._extra_config = tuple(extra_config)

    @property
    def fingerprints(self) -> dict[KeyKind, str]:
        """The fingerprint of each host key, by kind."""
        return {kind: fingerprint(self._key(kind)) for kind in self._key_kinds}

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password (or add the user), at once, also while the server runs."""
        self._users[name] = password
        write_accounts(self._accounts, self._users)

    def rotate_host_key(self) -> None:
        """Replace the host keys by new ones; restarts a running server, so its sessions end."""
        was_running = self.running
        self.stop()
        for kind in self._key_kinds:
            create_key(self._key(kind), kind)
        if was_running:
            self.start()

    def _command(self) -> list[str]:
        config = self.home / "sshd_config"
        keys = [f'HostKey "{self._key(kind)}"' for kind in self._key_kinds]
        # sshd obeys the first of two equal options, so the caller's come first; of this one it obeys the last.
        lines = ["MaxStartups 200", *self._extra_config, *keys, _CONFIGURATION.format(host=self.host, port=self.port)]
        config.write_text("\n".join(lines))
        sshd = installed("sshd")
        return self._confined([sshd, "-D", "-e", "-f", str(config), *_lenient(sshd)])


def _lenient(sshd: str) -> list[str]:
    """Newer releases lock out an address after wrong passwords; older ones do not know the option."""
    option = ["-o", "PerSourcePenalties=no"]
    done = subprocess.run([sshd, "-G", "-f", "/dev/null", *option], capture_output=True, check=False)
    return option if done.returncode == 0 else []
