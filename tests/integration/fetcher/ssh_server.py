"""An SSH server of a few lines that records what clients send and answers by a script, and peers that are no server."""

import contextlib
import socket
import stat
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Self

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_SUCCESSFUL, OPEN_SUCCEEDED, cMSG_DISCONNECT, cMSG_USERAUTH_INFO_REQUEST
from paramiko.server import InteractiveQuery
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_DATA,
    CMD_HANDLE,
    CMD_NAME,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STAT,
    SFTP_EOF,
)

from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.login import Credentials, Password
from services.fetcher.sftp.session import Limits, open_session
from shared.contracts import Endpoint
from tests.conftest import PASSWORD

LOOPBACK = "127.0.0.1"
RIGHT = Password(PASSWORD)
HOST_KEY = paramiko.ECDSAKey.generate()
PINNED = f"{HOST_KEY.get_name()} {HOST_KEY.fingerprint}"
OTHER_KEY = "ecdsa-sha2-nistp256 SHA256:" + "A" * 43

# The answer to one read request: bytes (also none at all), the code of a status, silence, or whatever a function does
# with the server's end and the request's number.
Answer = bytes | int | Callable[[Any, int], None] | None
Script = Callable[[int, int], Answer]


def limits(
    *,
    connect: float = 5.0,
    login: float = 5.0,
    read: float = 5.0,
    session: float = 60.0,
    anywhere: bool = True,
    refused_ports: tuple[int, ...] = (),
) -> Limits:
    """Short times, and the loopback interface allowed."""
    return Limits(
        connect_seconds=connect,
        login_seconds=login,
        read_seconds=read,
        session_seconds=session,
        allowed_networks=[IPv4Network("127.0.0.0/8")] if anywhere else [],
        refused_ports=refused_ports,
    )


def endpoint(port: int, *, host: str = LOOPBACK, path: str = "/leads.csv", host_keys: tuple[str, ...] = ()) -> Endpoint:
    """Where `crm` reads a file."""
    return Endpoint(host=host, port=port, username="crm", path=path, sealed_password="", host_keys=host_keys)


def look_and_read(where: Endpoint, credentials: Credentials, within: Limits) -> None:
    """All that a fetch does with a session."""
    with open_session(where, credentials, within) as session:
        session.look(where.path)
        for _ in session.read(where.path):
            pass


def fails(where: Endpoint, credentials: Credentials, within: Limits | None = None) -> LookFailed:
    """Open a session, look and read; return the failure that this must end in, which shows no secret."""
    with pytest.raises(LookFailed) as caught:
        look_and_read(where, credentials, within or limits())
    secrets = (credentials.text,) if isinstance(credentials, Password) else (credentials.text, credentials.passphrase)
    for secret in filter(None, secrets):
        assert secret not in f"{caught.value} {caught.value!r} {caught.value.detail}"
    return caught.value


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it holds within the time."""
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


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


# The names and attributes that one READDIR is answered with, by its number from 0; none ends the folder.
Folder = Callable[[int], Sequence[tuple[bytes, bytes]]]


@dataclass(frozen=True, kw_only=True)
class Door:
    """How a server lets clients in."""

    methods: str = "password,publickey,keyboard-interactive"
    key: str = ""  # fingerprint of the one public key that is accepted
    then: int = AUTH_SUCCESSFUL  # the answer to a right password or key
    questions: tuple[InteractiveQuery, ...] = ()  # rounds of keyboard-interactive; then the first answer is judged
    before_refusal: Callable[[paramiko.Transport], None] = lambda _transport: None
    channel: int = OPEN_SUCCEEDED


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
        door: Door | None = None,
        attributes: bytes | None = None,
        folder: Folder | None = None,
    ) -> None:
        super().__init__(self._talk_ssh)
        self.password = password
        self.script = script or served(b"")
        self.size = size
        self.ciphers = ciphers
        self.macs = macs
        self.answers_login = answers_login
        self.starts_sftp = starts_sftp
        self.door = door or Door()
        self.attributes = attributes  # the answer to a STAT, as it is sent
        self.folder = folder
        self.attempts: list[tuple[str, str]] = []  # method, secret; a request without a secret is none
        self.asked_for_logins = 0
        self.used: list[tuple[str, str]] = []  # cipher, MAC
        self.requests: list[int] = []  # kinds of SFTP requests
        self.released = threading.Event()
        self._transports: list[paramiko.Transport] = []

    def __exit__(self, *_: object) -> None:
        self.released.set()
        for transport in self._transports:
            transport.close()
        super().__exit__()
        for transport in self._transports:
            transport.join(10)
            transport.packetizer.complete_handshake()  # ends its timer

    def _talk_ssh(self, sock: socket.socket) -> None:
        transport = paramiko.Transport(sock)
        self._transports.append(transport)
        transport.add_server_key(HOST_KEY)
        options = transport.get_security_options()
        options.ciphers = self.ciphers or options.ciphers
        options.digests = self.macs or options.digests
        transport.set_subsystem_handler("sftp", _Sftp, _Files, self)
        transport.start_server(server=_Login(self, transport))
        self.used.append((str(transport.local_cipher), str(transport.local_mac)))


class _Login(paramiko.ServerInterface):
    def __init__(self, server: SshServer, transport: paramiko.Transport) -> None:
        self._server = server
        self._transport = transport
        self._answers: list[list[str]] = []  # to each round of questions

    def get_banner(self) -> tuple[str | None, str | None]:
        self._server.asked_for_logins += 1  # paramiko calls it when a client asks for the service
        return None, None

    def get_allowed_auths(self, _username: str) -> str:
        return self._server.door.methods

    def check_auth_none(self, _username: str) -> int:
        return AUTH_FAILED

    def check_auth_publickey(self, _username: str, key: paramiko.PKey) -> int:
        self._server.attempts.append(("publickey", key.fingerprint))
        return self._server.door.then if key.fingerprint == self._server.door.key else AUTH_FAILED

    def check_auth_password(self, _username: str, password: str) -> int:
        self._server.attempts.append(("password", password))
        if not self._server.answers_login:
            self._server.released.wait(30)
        return self._judge(password)

    def check_auth_interactive(self, _username: str, _submethods: str) -> int | InteractiveQuery:
        return self._server.door.questions[0] if self._server.door.questions else AUTH_FAILED

    def check_auth_interactive_response(self, responses: list[str]) -> int | InteractiveQuery:
        self._server.attempts += [("keyboard-interactive", answer) for answer in responses]
        self._answers.append(responses)
        if len(self._answers) < len(self._server.door.questions):
            return self._server.door.questions[len(self._answers)]
        return self._judge("".join(answer for answers in self._answers for answer in answers))

    def check_channel_request(self, _kind: str, _chanid: int) -> int:
        return self._server.door.channel

    def _judge(self, password: str) -> int:
        if password == self._server.password:
            return self._server.door.then
        self._server.door.before_refusal(self._transport)
        return AUTH_FAILED


def ask_for_a_new_password(transport: paramiko.Transport) -> None:
    """Send SSH_MSG_USERAUTH_PASSWD_CHANGEREQ, which has the number of another message."""
    message = paramiko.Message()
    message.add_byte(cMSG_USERAUTH_INFO_REQUEST)
    message.add_string("Your password has expired.")
    message.add_string("en")
    transport._send_message(message)  # type: ignore[attr-defined]


def disconnect(text: str) -> Callable[[paramiko.Transport], None]:
    """End the connection for a reason."""

    def end(transport: paramiko.Transport) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_DISCONNECT)
        message.add_int(2)
        message.add_string(text)
        message.add_string("en")
        transport._send_message(message)  # type: ignore[attr-defined]
        transport.close()

    return end


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
        self._listed = 0

    def start_subsystem(self, name: str, transport: Any, channel: Any) -> None:
        if not self._ssh.starts_sftp:
            self._ssh.released.wait(30)
            return
        super().start_subsystem(name, transport, channel)

    def _process(self, kind: int, number: int, message: Any) -> None:
        self._ssh.requests.append(kind)
        if kind == CMD_READ:
            self._read(number, message)
        elif kind == CMD_STAT and self._ssh.attributes is not None:
            self._send(CMD_ATTRS, number, self._ssh.attributes)
        elif kind == CMD_OPENDIR and self._ssh.folder is not None:
            self._send(CMD_HANDLE, number, _string(b"folder"))
        elif kind == CMD_READDIR and self._ssh.folder is not None:
            self._list(number, self._ssh.folder)
        else:
            super()._process(kind, number, message)  # type: ignore[misc]

    def _read(self, number: int, message: Any) -> None:
        message.get_binary()
        answer = self._ssh.script(message.get_int64(), message.get_int())
        if isinstance(answer, bytes):
            self._response(number, CMD_DATA, answer)  # type: ignore[attr-defined]
        elif callable(answer):
            answer(self, number)
        elif answer is not None:
            self._send_status(number, answer)  # type: ignore[attr-defined]

    def _list(self, number: int, folder: Folder) -> None:
        names = folder(self._listed)
        self._listed += 1
        if not names:
            self._send_status(number, SFTP_EOF)  # type: ignore[attr-defined]
            return
        entries = b"".join(_string(name) + _string(b"") + attributes for name, attributes in names)
        self._send(CMD_NAME, number, struct.pack(">I", len(names)) + entries)

    def _send(self, kind: int, number: int, body: bytes) -> None:
        self._send_packet(kind, paramiko.Message(struct.pack(">I", number) + body))  # type: ignore[attr-defined]


def attributes(*, size: int | None = None, mode: int | None = None, mtime: int | None = None) -> bytes:
    """The attributes of a file as SFTP writes them; what is None is left out."""
    flags = (size is not None) * 0x1 | (mode is not None) * 0x4 | (mtime is not None) * 0x8
    parts = [struct.pack(">I", flags)]
    parts += [] if size is None else [struct.pack(">Q", size)]
    parts += [] if mode is None else [struct.pack(">I", mode)]
    parts += [] if mtime is None else [struct.pack(">II", mtime, mtime)]
    return b"".join(parts)


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


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
