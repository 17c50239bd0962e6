"""Fixtures of the fetcher's tests: SFTP servers of four makers."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.local.servers.asyncssh import Asyncssh
from deploy.local.servers.dropbear import Dropbear
from deploy.local.servers.proftpd import Proftpd
from deploy.local.servers.sftp_server import SftpServer
from shared.contracts import Endpoint
from tests.conftest import PASSWORD, started
from tests.integration.fetcher.looks import fetcher, logged  # noqa: F401 - fixtures

# What each server writes into its log once for each password that it refuses.
REFUSALS = {
    "openssh": "Failed password for",
    "proftpd": "(Login failed)",
    "dropbear": "Bad password attempt",
    "asyncssh": "password refused",
}
MAKERS: dict[str, type[SftpServer]] = {"proftpd": Proftpd, "dropbear": Dropbear, "asyncssh": Asyncssh}


@dataclass(frozen=True)
class Remote:
    """A customer's server, of whatever make."""

    make: str
    server: SftpServer

    def put(self, name: str, content: bytes, *, mtime: float | None = None) -> Path:
        """Place a file among the exports; return its real place."""
        return self.server.put(f"/exports/{name}", content, mtime=mtime)

    def path(self, name: str = "") -> str:
        """Where clients find a file of the exports, or their folder."""
        return str(self.server.root / "exports" / name)

    def endpoint(self, name: str = "leads.csv") -> Endpoint:
        """Where `crm` reads a file of the exports, with the server's key accepted."""
        key = f"ssh-ed25519 {self.server.fingerprint}"
        return Endpoint(
            host=self.server.host, port=self.server.port, username="crm", path=self.path(name), host_keys=(key,)
        )

    def refused_logins(self) -> int:
        """How many passwords it has refused so far."""
        return self.server.log_path.read_text(errors="replace").count(REFUSALS[self.make])


@pytest.fixture(scope="session", params=list(REFUSALS))
def session_remote(request: pytest.FixtureRequest, session_home: Path) -> Iterator[Remote]:
    """A server of each make with the account `crm`; skipped where it is not installed, but not in CI."""
    if request.param == "openssh":
        yield Remote("openssh", request.getfixturevalue("session_sshd"))
        return
    with started(MAKERS[request.param](session_home / request.param, {"crm": PASSWORD})) as server:
        yield Remote(request.param, server)


@pytest.fixture
def remote(session_remote: Remote) -> Remote:
    """A server of each make, without files."""
    exports = session_remote.server.files / "exports"
    shutil.rmtree(exports, ignore_errors=True)
    exports.mkdir(mode=0o755)
    return session_remote
