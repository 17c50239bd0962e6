"""paramiko's transport that keeps what the server said, so that a failure can be told in its words."""

import contextlib
import socket
from typing import Any

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from services.fetcher.sftp.failure import LookFailed, printable
from services.fetcher.sftp.packets import Packets

_GREETING_BYTES = 32 * 1024  # other text that may stand before the line that names SSH
_BUSY = ("MaxStartups", "Not allowed at this time")  # what OpenSSH says instead of its greeting
# What both sides must have in common: in our words, and where paramiko keeps the server's list and ours.
_COMMON = (
    ("key exchange", "kex_algo_list", "preferred_kex"),
    ("host key", "server_key_algo_list", "preferred_keys"),
    ("cipher", "client_encrypt_algo_list", "preferred_ciphers"),
    ("cipher", "server_encrypt_algo_list", "preferred_ciphers"),
    ("digest", "client_mac_algo_list", "preferred_macs"),
    ("digest", "server_mac_algo_list", "preferred_macs"),
)


class Transport(paramiko.Transport):
    """One SSH connection as a client; it overrides private methods, which is why paramiko is pinned."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock, packetizer_class=Packets)
        self.farewell = ""  # why the server ended the connection, in its words
        self._offered: dict[str, list[str]] = {}

    def algorithms(self) -> str:
        """What was agreed on: key exchange, host key, cipher and, beside a cipher that needs one, digest."""
        agreed = [(word, self._shared(theirs, ours)[0]) for word, theirs, ours in _COMMON]
        needs_digest = any(word == "cipher" and "-gcm@" not in name for word, name in agreed)
        return " ".join(dict.fromkeys(name for word, name in agreed if word != "digest" or needs_digest))

    def close(self) -> None:
        """As paramiko does; its thread, which waits for the peer, is woken, or it would notice 0.1 s later."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        super().close()

    def _shared(self, theirs: str, ours: str) -> list[str]:
        return [name for name in getattr(self, ours) if name in self._offered[theirs]]

    def _check_banner(self) -> None:
        """Read up to the line that names the version of SSH, byte by byte: what follows is not ours."""
        said = bytearray()
        while len(said) < _GREETING_BYTES:
            byte = self._byte()
            if not byte:
                raise _unwelcome(said.decode("utf-8", "replace"))
            said += byte
            line = said[said.rfind(b"\n", 0, -1) + 1 :] if byte == b"\n" else b""
            if line.startswith(b"SSH-"):
                self._greeted(line.rstrip(b"\r\n").decode("utf-8", "replace"))
                return
        raise _not_ssh(said.decode("utf-8", "replace"))

    def _greeted(self, line: str) -> None:
        if not line.startswith(("SSH-2.0-", "SSH-1.99-")):
            raise LookFailed("connect", "weak_algorithms", f"the server speaks {printable(line)}")
        self.remote_version = line

    def _byte(self) -> bytes:
        """The next byte; none at the end, and when the connection broke or was closed by us."""
        with contextlib.suppress(ConnectionError):
            while self.is_active():
                with contextlib.suppress(TimeoutError):
                    return self.sock.recv(1)
        return b""

    def _really_parse_kex_init(self, m: paramiko.Message, ignore_first_byte: bool = False) -> dict[str, Any]:
        parsed: dict[str, Any] = super()._really_parse_kex_init(m, ignore_first_byte)  # type: ignore[misc]
        # Between the names of key exchanges stand announcements of what a side can do besides.
        self._offered = {
            theirs: [name for name in parsed[theirs] if not name.startswith(("ext-info-", "kex-strict-"))]
            for _, theirs, _ in _COMMON
        }
        return parsed

    def _parse_kex_init(self, m: paramiko.Message) -> None:
        try:
            super()._parse_kex_init(m)  # type: ignore[misc]
        except IncompatiblePeer:
            raise LookFailed("connect", "weak_algorithms", printable(self._only_theirs())) from None

    def _only_theirs(self) -> str:
        """What the server offers where it has nothing in common with us."""
        apart = [(word, theirs) for word, theirs, ours in _COMMON if not self._shared(theirs, ours)]
        offers = dict.fromkeys(f"{word}: {', '.join(self._offered[theirs]) or 'none'}" for word, theirs in apart)
        return "the server offers only " + "; ".join(offers) if offers else ""

    def _parse_disconnect(self, m: paramiko.Message) -> None:
        m.get_int()
        self.farewell = m.get_binary()[:1000].decode("utf-8", "replace")


def _unwelcome(said: str) -> LookFailed:
    """The peer left before it named SSH: OpenSSH does so without a word, or with one of these, when it is busy."""
    busy = not said or any(words in said for words in _BUSY)
    return LookFailed("connect", "too_many_sessions", printable(said.strip())) if busy else _not_ssh(said)


def _not_ssh(said: str) -> LookFailed:
    return LookFailed("connect", "not_ssh", f"the server said: {printable(said.strip())}")
