"""Key exchange with a server, and the look at its host key that comes before any login."""

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from services.fetcher.sftp.failure import LookFailed, translated
from services.fetcher.sftp.transport import Transport

# AES-GCM and AES-CTR with SHA-2 only; paramiko still offers 3des-cbc and hmac-md5 by default.
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr")
_DIGESTS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512")
_RSA_SIGNATURES = ("rsa-sha2-512", "rsa-sha2-256")
_NEVER_SECONDS = 86_400.0  # paramiko's own limits: ours come first, and say which step was late


class Greeted(NamedTuple):
    """What a server showed of itself."""

    host_key: str  # as "ssh-ed25519 SHA256:..."
    algorithms: str  # agreed: key exchange, host key, cipher and, where it needs one, digest


@contextlib.contextmanager
def opened(sock: socket.socket, seconds: float) -> Iterator[Transport]:
    """A transport whose thread and socket are gone at the end; its thread is waited for so long at most."""
    with translated("connect"):
        transport = Transport(sock)
    transport.handshake_timeout = transport.channel_timeout = _NEVER_SECONDS
    try:
        yield transport
    finally:
        transport.close()
        if transport.ident is not None:
            transport.join(seconds)
        # paramiko's timer of a handshake that failed would live on as a thread.
        transport.packetizer.complete_handshake()


@contextlib.contextmanager
def deadline(transport: Transport, seconds: float, step: str, code: str) -> Iterator[None]:
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


def shake_hands(transport: Transport, accepted: Sequence[str]) -> Greeted:
    """Agree on keys and compare the host key with those accepted; with none of them, any is.

    LookFailed when the server shows another key, offers only outdated encryption, or is none.
    """
    _offer(transport, accepted)
    with translated("connect"):
        _start(transport)
        key = transport.get_remote_server_key()
    seen = f"{key.get_name()} {key.fingerprint}"
    if accepted and seen not in accepted:
        raise LookFailed("host_key", "host_key_changed", f"the server shows {seen}", host_key=seen)
    return Greeted(seen, transport.algorithms())


def _offer(transport: Transport, accepted: Sequence[str]) -> None:
    options = transport.get_security_options()
    options.ciphers = _CIPHERS
    options.digests = _DIGESTS
    options.key_types = _key_types(accepted, options.key_types)


def _start(transport: Transport) -> None:
    try:
        transport.start_client()
    except (EOFError, ConnectionError):
        # Closed before our own greeting was out, which is how a busy server gets rid of a connection.
        if not transport.remote_version:
            raise LookFailed("connect", "too_many_sessions") from None
        raise


def _key_types(accepted: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The key types to ask for: those that were accepted, then any other, so that a changed key is seen as such."""
    kinds = [host_key.partition(" ")[0] for host_key in accepted]
    first = [name for kind in kinds for name in (_RSA_SIGNATURES if kind == "ssh-rsa" else (kind,))]
    return tuple(dict.fromkeys(name for name in (*first, *known) if name in known))
