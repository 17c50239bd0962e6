"""One connection to a customer's server: resolve, check, connect, verify the key, log in, look, read, close."""

import contextlib
import socket
import stat
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import paramiko
import structlog

from services.fetcher.core.addresses import Network, may_connect
from services.fetcher.core.changes import Look
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.reader import read_pipelined
from shared.contracts import Endpoint

log = structlog.get_logger()

# AES-GCM and AES-CTR with SHA-2 only; paramiko still offers 3des-cbc and hmac-md5 by default.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each step may take, in seconds, and where connections may go."""

    connect_seconds: float
    login_seconds: float
    read_seconds: float
    allowed_networks: Sequence[Network] = ()


class Session:
    """A logged-in SFTP session."""

    def __init__(self, sftp: paramiko.SFTPClient, host_key: str) -> None:
        self._sftp = sftp
        self.host_key = host_key

    def look(self, path: str) -> Look:
        """Size and mtime of a regular file; LookFailed otherwise."""
        with _translated("file"):
            found = self._sftp.stat(path)
        if found.st_mode is not None and not stat.S_ISREG(found.st_mode):
            raise LookFailed("file", "not_a_file")
        return Look(size=found.st_size, mtime=None if found.st_mtime is None else int(found.st_mtime))

    def check_readable(self, path: str) -> None:
        """Read a first byte; LookFailed when that is not allowed."""
        with _translated("file"), self._sftp.open(path, "rb") as file:
            file.read(1)

    def read(self, path: str) -> Iterator[bytes]:
        """The file's bytes, in order and in bounded memory; LookFailed as soon as something breaks."""
        with _translated("file"), self._sftp.open(path, "rb") as file:
            yield from read_pipelined(self._sftp, file)


@contextlib.contextmanager
def open_session(endpoint: Endpoint, password: str, limits: Limits) -> Iterator[Session]:
    """A session that is closed whatever happens; LookFailed when it cannot be had.

    The password is sent only after the server has shown an accepted host key.
    """
    sock = _connect(endpoint.host, endpoint.port, limits)
    with contextlib.closing(sock), _transport(sock, limits) as transport:
        host_key = _shake_hands(transport, endpoint, limits)
        _log_in(transport, endpoint.username, password)
        yield Session(_start_sftp(transport, limits), host_key)


def _connect(host: str, port: int, limits: Limits) -> socket.socket:
    """Connect to an address that was checked: the name is resolved once, so its answer cannot change in between."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise LookFailed("address", "dns_failed") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not all(may_connect(address, limits.allowed_networks) for address in addresses):
        raise LookFailed("address", "address_blocked")
    try:
        sock = socket.create_connection((addresses[0], port), timeout=limits.connect_seconds)
    except TimeoutError:
        raise LookFailed("connect", "connect_timeout") from None
    except ConnectionRefusedError:
        raise LookFailed("connect", "connection_refused") from None
    except OSError as error:
        raise LookFailed("connect", "connect_timeout", f"network error {error.errno}") from None
    if not may_connect(str(sock.getpeername()[0]), limits.allowed_networks):
        sock.close()
        raise LookFailed("address", "address_blocked")
    # Without it each login waits 40 ms for a delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@contextlib.contextmanager
def _transport(sock: socket.socket, limits: Limits) -> Iterator[paramiko.Transport]:
    """A transport that is closed at the end, and after the login's time if the login hangs."""
    with _translated("connect"):
        transport = paramiko.Transport(sock)
    transport.banner_timeout = limits.connect_seconds
    transport.handshake_timeout = limits.connect_seconds
    transport.auth_timeout = limits.login_seconds
    transport.channel_timeout = limits.login_seconds
    try:
        yield transport
    finally:
        transport.close()
        transport.join(limits.connect_seconds)


def _shake_hands(transport: paramiko.Transport, endpoint: Endpoint, limits: Limits) -> str:
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    options.digests = _DIGESTS
    if wanted := _key_types(endpoint.host_keys):
        options.key_types = wanted
    with _translated("connect"), _deadline(transport, limits.connect_seconds):
        transport.start_client(timeout=limits.connect_seconds)
        key = transport.get_remote_server_key()
    seen = f"{key.get_name()} {key.fingerprint}"
    if endpoint.host_keys and seen not in endpoint.host_keys:
        raise LookFailed("host_key", "host_key_changed", f"the server shows {seen}", host_key=seen)
    return seen


def _key_types(host_keys: Sequence[str]) -> tuple[str, ...]:
    """The key types to ask for: those that were accepted, or any."""
    types = dict.fromkeys(host_key.partition(" ")[0] for host_key in host_keys)
    return tuple(name for kind in types for name in (_RSA_SIGNATURES if kind == "ssh-rsa" else (kind,)))


def _log_in(transport: paramiko.Transport, username: str, password: str) -> None:
    with _translated("login"):
        left = transport.auth_password(username, password)
    if left:
        raise LookFailed("login", "login_refused", "the server asks for a second factor: " + ", ".join(left))


def _start_sftp(transport: paramiko.Transport, limits: Limits) -> paramiko.SFTPClient:
    try:
        sftp = paramiko.SFTPClient.from_transport(transport)
    except (paramiko.SSHException, EOFError, OSError):
        raise LookFailed("login", "sftp_unavailable") from None
    if sftp is None:
        raise LookFailed("login", "sftp_unavailable")
    channel = sftp.get_channel()
    if channel is not None:
        channel.settimeout(limits.read_seconds)
    return sftp


@contextlib.contextmanager
def _deadline(transport: paramiko.Transport, seconds: float) -> Iterator[None]:
    """Close the transport when a step takes longer: a peer that drips bytes resets every other time-out."""
    timer = threading.Timer(seconds, transport.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextlib.contextmanager
def _translated(step: str) -> Iterator[None]:
    """Every exception of paramiko and the network as LookFailed; the most telling class comes first."""
    try:
        yield
    except paramiko.AuthenticationException:
        raise LookFailed(step, "login_refused") from None
    except paramiko.ssh_exception.IncompatiblePeer:
        raise LookFailed(step, "weak_algorithms") from None
    except FileNotFoundError:
        raise LookFailed(step, "file_not_found") from None
    except PermissionError:
        raise LookFailed(step, "permission_denied") from None
    except TimeoutError:
        raise LookFailed(step, "connect_timeout" if step == "connect" else "transfer_broken") from None
    except paramiko.SSHException as error:
        code = "not_ssh" if "banner" in str(error) else "connection_lost"
        raise LookFailed(step, code) from None
    except (EOFError, OSError):
        raise LookFailed(step, "transfer_broken" if step == "file" else "connection_lost") from None
