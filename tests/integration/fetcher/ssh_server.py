"""An SSH server of a few lines that records what clients send and answers by a script, and peers that are no server."""

import contextlib
import socket
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from typing import Any, Self

import paramiko
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED
from paramiko.sftp import CMD_DATA, CMD_READ, SFTP_EOF

from services.fetcher.sftp.session import Limits
from shared.contracts import Endpoint

LOOPBACK = "127.0.0.1"
HOST_KEY = paramiko.ECDSAKey.generate()
PINNED = f"{HOST_KEY.get_name()} {HOST_KEY.fingerprint}"
OTHER_KEY = "ecdsa-sha2-nistp256 SHA256:" + "A" * 43

# The answer to one read request: bytes (also none at all), the code of a status, silence, or whatever a function does
# with the server's end and the request's number.
Answer = bytes | int | Callable[[Any, int], None] | None
Script = Callable[[int, int], Answer]


def limits(*, connect: float = 5.0, login: float = 5.0, read: float = 5.0, anywhere: bool = True) -> Limits:
    """Short times, and the loopback interface allowed."""
    networks = [IPv4Network("127.0.0.0/8")] if anywhere else []
    return Limits(connect_seconds=connect, login_seconds=login, read_seconds=read, allowed_networks=networks)


def endpoint(port: int, *, host: str = LOOPBACK, path: str = "/leads.csv", host_keys: tuple[str, ...] = ()) -> Endpoint:
    """Where `crm` reads a file."""
    return Endpoint(host=host, port=port, username="crm", path=path, sealed_password="", host_keys=host_keys)


def served(content: bytes) -> Script:
    """The script of an honest server."""
    return lambda at, length: content[at : at + length] or SFTP_EOF


def silent(_sock: socket.socket) -> None:
    """Take a connection and say nothing."""


class Peer:
    """Listens on a loopback port and gives each connection to `talk`, in a thread of its own."""

    def __init__(self, talk: Callable[[socket.socket], None]) -> None:
        self._talk = talk
        self._listener = socket.create_server((LOOPBACK, 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                thread = threading.Thread(target=self._serve, args=(sock,))
                self._threads.append(thread)
                thread.start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._talk(sock)


class SshServer(Peer):
    """An SSH server with one password for everybody; it keeps what each client asked of it."""

    def __init__(
        self,
        password: str,
        script: Script | None = None,
        *,
        size: int | None = 0,
        ciphers: tuple[str, ...] = (),
        macs: tuple[str, ...] = (),
        answers_login: bool = True,
        starts_sftp: bool = True,
    ) -> None:
        super().__init__(self._talk_ssh)
        self.password = password
        self.script = script or served(b"")
        self.size = size
        self.ciphers = ciphers
        self.macs = macs
        self.answers_login = answers_login
        self.starts_sftp = starts_sftp
        self.attempts: list[tuple[str, str]] = []  # method, secret
        self.used: list[tuple[str, str]] = []  # cipher, MAC
        self.released = threading.Event()
        self._transports: list[paramiko.Transport] = []

    def __exit__(self, *_: object) -> None:
        self.released.set()
        for transport in self._transports:
            transport.close()
        super().__exit__()
        for transport in self._transports:
            transport.join(10)

    def _talk_ssh(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        self._transports.append(transport)
        transport.add_server_key(HOST_KEY)
        options = transport.get_security_options()
        options.ciphers = self.ciphers or options.ciphers
        options.digests = self.macs or options.digests
        transport.set_subsystem_handler("sftp", _Sftp, _Files, self)
        transport.start_server(server=_Login(self))
        self.used.append((str(transport.local_cipher), str(transport.local_mac)))


class _Login(paramiko.ServerInterface):
    def __init__(self, server: SshServer) -> None:
        self._server = server

    def get_allowed_auths(self, _username: str) -> str:
        return "password,publickey,keyboard-interactive"

    def check_auth_none(self, _username: str) -> int:
        self._server.attempts.append(("none", ""))
        return AUTH_FAILED

    def check_auth_publickey(self, _username: str, key: paramiko.PKey) -> int:
        self._server.attempts.append(("publickey", key.fingerprint))
        return AUTH_FAILED

    def check_auth_password(self, _username: str, password: str) -> int:
        self._server.attempts.append(("password", password))
        if not self._server.answers_login:
            self._server.released.wait(30)
        return AUTH_SUCCESSFUL if password == self._server.password else AUTH_FAILED

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return OPEN_SUCCEEDED


class _Files(paramiko.SFTPServerInterface):
    """Every path is one file of the size that the script's server announces."""

    def __init__(self, server: paramiko.ServerInterface, ssh: SshServer) -> None:
        super().__init__(server)
        self.ssh = ssh

    def stat(self, _path: str) -> paramiko.SFTPAttributes:
        found = paramiko.SFTPAttributes()
        found.st_mode = stat.S_IFREG | 0o644
        found.st_size = self.ssh.size
        found.st_atime = found.st_mtime = 1_700_000_000
        return found

    def open(self, _path: str, flags: int, _attr: paramiko.SFTPAttributes) -> paramiko.SFTPHandle:
        return paramiko.SFTPHandle(flags)


class _Sftp(paramiko.SFTPServer):
    """paramiko's server, but a read is answered by the script, and an answer may be empty or missing."""

    def __init__(self, channel: Any, name: str, server: Any, interface: Any, ssh: SshServer) -> None:
        super().__init__(channel, name, server, interface, ssh)
        self._ssh = ssh

    def start_subsystem(self, name: str, transport: Any, channel: Any) -> None:
        if not self._ssh.starts_sftp:
            self._ssh.released.wait(30)
            return
        super().start_subsystem(name, transport, channel)

    def _process(self, kind: int, number: int, message: Any) -> None:
        if kind != CMD_READ:
            super()._process(kind, number, message)  # type: ignore[misc]
            return
        message.get_binary()
        answer = self._ssh.script(message.get_int64(), message.get_int())
        if isinstance(answer, bytes):
            self._response(number, CMD_DATA, answer)  # type: ignore[attr-defined]
        elif callable(answer):
            answer(self, number)
        elif answer is not None:
            self._send_status(number, answer)  # type: ignore[attr-defined]


def offered_algorithms(sock: socket.socket) -> list[list[str]]:
    """Greet a client and return the lists of its key exchange message (RFC 4253, section 7.1)."""
    sock.sendall(b"SSH-2.0-recorder\r\n")
    stream = sock.makefile("rb")
    assert stream.readline().startswith(b"SSH-2.0-")
    length, padding = struct.unpack(">IB", stream.read(5))
    payload = stream.read(length - 1)[: -padding or None]
    return list(_name_lists(payload[17:]))


def _name_lists(rest: bytes) -> Iterator[list[str]]:
    for _ in range(10):
        (length,) = struct.unpack(">I", rest[:4])
        yield rest[4 : 4 + length].decode().split(",")
        rest = rest[4 + length :]
