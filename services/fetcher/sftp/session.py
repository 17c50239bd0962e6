"""One connection to a customer's server: connect, verify the key, log in, look, read, close."""

import contextlib
import re
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import paramiko

from services.fetcher.core.changes import Look
from services.fetcher.sftp.channel import start_sftp
from services.fetcher.sftp.client import SftpClient
from services.fetcher.sftp.connect import connect
from services.fetcher.sftp.failure import LookFailed, translated
from services.fetcher.sftp.handshake import Greeted, deadline, opened, shake_hands
from services.fetcher.sftp.login import Credentials, Secret, log_in, read_secret
from services.fetcher.sftp.messages import Attributes
from services.fetcher.sftp.transport import Transport
from shared.addresses import Network
from shared.contracts import Endpoint

_NAME_BYTES = 1024
# Never in the name of an entry: what leads to another folder, on Windows too, and what breaks a line.
_NO_NAME = re.compile(r"[\x00-\x1f/\\\x7f-\x9f\u2028\u2029]|\A\.{0,2}\Z")
_UNKNOWN_CHANNEL_TYPE = 3
# OpenSSH takes an expired password, starts no SFTP for it, and says nothing.
_NO_SFTP = "The login works, but SFTP does not start; a password that has expired may be the reason."


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take, in seconds, and where connections may go."""

    connect_seconds: float
    login_seconds: float
    read_seconds: float  # for one answer of the server
    allowed_networks: Sequence[Network] = ()
    refused_ports: Collection[int] = ()
    session_seconds: float = 14_400  # for everything after connecting
    listing_seconds: float = 60.0  # for a folder


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a folder, or a link that may lead to one; then the look is one at the link."""

    name: str
    look: Look
    is_link: bool = False


class Session:
    """A logged-in SFTP session. Its methods raise LookFailed at the step `file`."""

    def __init__(self, client: SftpClient, greeted: Greeted, address: str, listing_seconds: float) -> None:
        self._client = client
        self._listing_seconds = listing_seconds
        self.host_key = greeted.host_key
        self.algorithms = greeted.algorithms
        self.address = address

    def look(self, path: str) -> Look:
        """Size and mtime of a regular file, in one round trip."""
        with translated("file"):
            found = self._client.stat(path)
        if found.mode is not None and stat.S_ISDIR(found.mode):
            raise LookFailed("file", "is_a_directory")
        if not _may_be_file(found):
            raise LookFailed("file", "not_a_file")
        return Look(size=found.size, mtime=found.mtime)

    def check_readable(self, path: str) -> None:
        """Read a first byte."""
        for _ in self.read(path, limit=1):
            pass

    def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> Iterator[bytes]:
        """The file's bytes from `offset` on, or the first `limit` of them, in order and bounded memory."""
        with translated("file"):
            yield from self._client.read(path, offset=offset, limit=limit)

    def entries(self, folder: str, most: int) -> list[Entry]:
        """The files of a folder whose names can be files' paths, and its links, whatever they lead to.

        LookFailed with `too_many_files` beyond so many entries, with `timed_out` when it takes too long.
        """
        found = []
        latest = time.monotonic() + self._listing_seconds
        with translated("file"):
            for number, (raw, attributes) in enumerate(self._client.list(folder)):
                if number == most + 2:  # "." and ".." come on top
                    raise LookFailed("file", "too_many_files")
                if time.monotonic() > latest:
                    raise LookFailed("file", "timed_out", "the server lists the folder too slowly")
                name = _name(raw)
                is_link = attributes.mode is not None and stat.S_ISLNK(attributes.mode)
                if name is not None and (is_link or _may_be_file(attributes)):
                    found.append(Entry(name, Look(attributes.size, attributes.mtime), is_link))
        if len(found) > most:
            raise LookFailed("file", "too_many_files")
        return found


def _note_nothing(**_found: str) -> None:
    pass


@contextlib.contextmanager
def open_session(
    endpoint: Endpoint, credentials: Credentials, limits: Limits, note: Callable[..., None] = _note_nothing
) -> Iterator[Session]:
    """A session that is closed whatever happens; LookFailed when it cannot be had.

    The secret is sent only after the server has shown an accepted host key, and at most once. `note` is told `address`,
    `host_key` and `algorithms` as soon as each is known, also when no session comes of it.
    """
    secret = read_secret(credentials)
    sock, address = connect(
        endpoint.host,
        endpoint.port,
        seconds=limits.connect_seconds,
        allowed_networks=limits.allowed_networks,
        refused_ports=limits.refused_ports,
    )
    note(address=address)
    with (
        contextlib.closing(sock),
        opened(sock, limits.connect_seconds) as transport,
        deadline(transport, limits.session_seconds, "file", "timed_out"),
    ):
        with deadline(transport, limits.connect_seconds, "connect", "connect_timeout"):
            greeted = shake_hands(transport, endpoint.host_keys)
        note(host_key=greeted.host_key, algorithms=greeted.algorithms)
        client = _log_in(transport, endpoint.username, secret, limits)
        yield Session(client, greeted, address, limits.listing_seconds)


def _log_in(transport: Transport, username: str, secret: Secret, limits: Limits) -> SftpClient:
    with deadline(transport, limits.login_seconds, "login", "timed_out"):
        log_in(transport, username, secret)
        return _start_sftp(transport, limits.read_seconds)


def _start_sftp(transport: Transport, seconds: float) -> SftpClient:
    try:
        return start_sftp(transport, seconds)
    except paramiko.ChannelException as error:
        known = error.code != _UNKNOWN_CHANNEL_TYPE
        raise LookFailed("login", "too_many_sessions" if known else "sftp_unavailable") from None
    except Exception:  # noqa: BLE001 - see translated
        raise LookFailed("login", "sftp_unavailable", _NO_SFTP) from None


def _may_be_file(found: Attributes) -> bool:
    """Whether it is a regular file; some servers say nothing of the type, or give only the permissions."""
    return found.mode is None or stat.S_IFMT(found.mode) in (0, stat.S_IFREG)


def _name(raw: bytes) -> str | None:
    """The name of an entry, unless it cannot be one of a file in this folder."""
    try:
        name = raw.decode() if len(raw) <= _NAME_BYTES else ""
    except UnicodeDecodeError:
        return None
    return None if _NO_NAME.search(name) else name
