"""One connection to a customer's server: resolve, check, connect, verify the key, log in, look, read, close."""

import contextlib
import socket
import stat
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import paramiko
import structlog

from services.fetcher.core.addresses import Network, may_connect
from services.fetcher.core.changes import Look
from services.fetcher.sftp.bounds import BoundedClient, BoundedPacketizer
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

    def read(self, path: str, limit: int | None = None) -> Iterator[bytes]:
        """The file's bytes, or the first `limit`, in order and bounded memory; LookFailed when something breaks."""
        with _translated("file"), self._sftp.open(path, "rb") as file:
            yield from read_pipelined(self._sftp, file, limit)


@contextlib.contextmanager
def open_session(endpoint: Endpoint, password: str, limits: Limits) -> Iterator[Session]:
    """A session that is closed whatever happens; LookFailed when it cannot be had.

    The password is sent only after the server has shown an accepted host key.
    """
    sock = _connect(endpoint.host, endpoint.port, limits)
    with contextlib.closing(sock), _transport(sock, limits) as transport:
        with _deadline(transport, limits.connect_seconds, "connect", "connect_timeout"):
            host_key = _shake_hands(transport, endpoint)
        with _deadline(transport, limits.login_seconds, "login", "timed_out"):
            _log_in(transport, endpoint.username, password)
            sftp = _start_sftp(transport, limits)
        yield Session(sftp, host_key)


def _connect(host: str, port: int, limits: Limits) -> socket.socket:
    """Connect to an address that was checked: the name is resolved once, so its answer cannot change in between."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise LookFailed("address", "dns_failed") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not all(may_connect(address, limits.allowed_networks) for address in addresses):
        raise LookFailed("address", "address_blocked")
    sock = first_that_answers(dict.fromkeys(addresses), port, limits.connect_seconds)
    if not may_connect(str(sock.getpeername()[0]), limits.allowed_networks):
        sock.close()
        raise LookFailed("address", "address_blocked")
    # Without it each login waits 40 ms for a delayed acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def first_that_answers(addresses: Iterable[str], port: int, seconds: float) -> socket.socket:
    """Connect to the addresses in the resolver's order, all within the time; the last one's fault is told."""
    deadline = time.monotonic() + seconds
    failed = LookFailed("connect", "connect_timeout")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=max(0.1, deadline - time.monotonic()))
        except TimeoutError:
            failed = LookFailed("connect", "connect_timeout")
        except ConnectionRefusedError:
            failed = LookFailed("connect", "connection_refused")
        except OSError as error:
            failed = LookFailed("connect", "connect_timeout", f"network error {error.errno}")
    raise failed


@contextlib.contextmanager
def _transport(sock: socket.socket, limits: Limits) -> Iterator[paramiko.Transport]:
    """A transport that is closed at the end."""
    with _translated("connect"):
        transport = paramiko.Transport(sock, packetizer_class=BoundedPacketizer)
    # Never before our own deadlines: paramiko calls a login that took too long a refused one.
    transport.banner_timeout = transport.handshake_timeout = 2 * limits.connect_seconds
    transport.auth_timeout = transport.channel_timeout = 2 * limits.login_seconds
    try:
        yield transport
    finally:
        transport.close()
        transport.join(limits.connect_seconds)


def _shake_hands(transport: paramiko.Transport, endpoint: Endpoint) -> str:
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    options.digests = _DIGESTS
    options.key_types = _key_types(endpoint.host_keys, options.key_types)
    with _translated("connect"):
        transport.start_client()
        key = transport.get_remote_server_key()
    seen = f"{key.get_name()} {key.fingerprint}"
    if endpoint.host_keys and seen not in endpoint.host_keys:
        raise LookFailed("host_key", "host_key_changed", f"the server shows {seen}", host_key=seen)
    return seen


def _key_types(host_keys: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The key types to ask for: those that were accepted, then any other, so that a changed key is seen as such."""
    kinds = [host_key.partition(" ")[0] for host_key in host_keys]
    accepted = [name for kind in kinds for name in (_RSA_SIGNATURES if kind == "ssh-rsa" else (kind,))]
    return tuple(dict.fromkeys(name for name in (*accepted, *known) if name in known))


def _log_in(transport: paramiko.Transport, username: str, password: str) -> None:
    with _translated("login"):
        left = transport.auth_password(username, password)
    if left:
        raise LookFailed("login", "login_refused", "the server asks for a second factor: " + ", ".join(left))


def _start_sftp(transport: paramiko.Transport, limits: Limits) -> paramiko.SFTPClient:
    try:
        channel = transport.open_session()
        channel.invoke_subsystem("sftp")
        return BoundedClient(channel, limits.read_seconds)
    except Exception:  # noqa: BLE001 - see _translated
        raise LookFailed("login", "sftp_unavailable") from None


@contextlib.contextmanager
def _deadline(transport: paramiko.Transport, seconds: float, step: str, code: str) -> Iterator[None]:
    """Close the transport when a step takes longer: a peer that drips bytes resets every other time-out."""
    late = threading.Event()

    def end() -> None:
        late.set()
        transport.close()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except LookFailed:
        if late.is_set():
            raise LookFailed(step, code) from None
        raise
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
        no_ssh = "protocol banner" in str(error) or "protocol version" in str(error)
        raise LookFailed(step, "not_ssh" if no_ssh else "connection_lost") from None
    except LookFailed:
        raise
    except Exception:  # noqa: BLE001 - a hostile server's messages make paramiko raise all kinds: SFTPError, struct.error
        raise LookFailed(step, "transfer_broken" if step == "file" else "connection_lost") from None
