"""Five hundred failing polls of every kind leave no thread, no socket and no file behind."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psutil
import pytest
from paramiko.common import AUTH_PARTIALLY_SUCCESSFUL, OPEN_FAILED_RESOURCE_SHORTAGE
from paramiko.server import InteractiveQuery

from deploy.local.servers.ports import free_port
from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.login import Credentials, Password, PrivateKey
from services.fetcher.sftp.session import Limits
from shared.contracts import Endpoint
from tests.integration.fetcher.keys import private_key
from tests.integration.fetcher.ssh_server import (
    OTHER_KEY,
    RIGHT,
    Door,
    Peer,
    SshServer,
    ask_for_a_new_password,
    disconnect,
    endpoint,
    eventually,
    fails,
    limits,
    silent,
)

POLLS = 500
WRONG = Password("wrong horse")
TWO_PROMPTS = InteractiveQuery("", "", "Password: ", "Code: ")


@dataclass(frozen=True)
class Kind:
    """A way to fail, and how many of the polls end so; those without a key exchange are cheap."""

    code: str
    times: int
    where: Endpoint
    credentials: Credentials = RIGHT
    within: Limits | None = None


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def no_ssh(sock: socket.socket) -> None:
    sock.sendall(b"no ssh\r\n")


def closing(talk: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Talk, and close."""

    def talk_and_close(sock: socket.socket) -> None:
        talk(sock)
        sock.close()

    return talk_and_close


@contextlib.contextmanager
def kinds(sshd: Sshd) -> Iterator[list[Kind]]:
    """Every way to fail, with the servers that it takes."""
    with contextlib.ExitStack() as stack:
        peers = {
            name: stack.enter_context(Peer(talk)).port
            for name, talk in {
                "busy": closing(lambda _sock: None),
                "reset": reset,
                "not_ssh": closing(no_ssh),
                "mute": silent,
                "half": closing(lambda sock: sock.sendall(b"SSH-2.0-half\r\n\x00\x00")),
            }.items()
        }

        def served(**options: object) -> Endpoint:
            server = SshServer("another", **options)  # type: ignore[arg-type]
            return endpoint(stack.enter_context(server).port)

        open_door = served(door=Door(channel=OPEN_FAILED_RESOURCE_SHORTAGE, before_refusal=lambda _transport: None))
        yield [
            Kind("port_blocked", 50, endpoint(22), within=limits(refused_ports=(22,))),
            Kind("address_blocked", 50, endpoint(sshd.port), within=limits(anywhere=False)),
            Kind("dns_failed", 10, endpoint(22, host="..")),
            Kind("connection_refused", 50, endpoint(free_port())),
            Kind("key_unreadable", 50, endpoint(sshd.port), PrivateKey("no key")),
            Kind("too_many_sessions", 50, endpoint(peers["busy"])),
            Kind("too_many_sessions", 50, endpoint(peers["reset"])),
            Kind("not_ssh", 40, endpoint(peers["not_ssh"])),
            Kind("connection_lost", 20, endpoint(peers["half"])),
            Kind("connect_timeout", 20, endpoint(peers["mute"]), within=limits(connect=0.05)),
            Kind("weak_algorithms", 15, served(ciphers=("aes256-cbc",))),
            Kind("host_key_changed", 15, endpoint(sshd.port, host_keys=(OTHER_KEY,))),
            Kind("login_refused", 10, endpoint(sshd.port), WRONG),
            Kind("login_unsupported", 10, endpoint(sshd.port), PrivateKey(private_key("ed25519"))),
            Kind("login_refused", 5, served(), PrivateKey(private_key("rsa-2048"))),
            Kind("login_unsupported", 5, served(door=Door(methods="keyboard-interactive", questions=(TWO_PROMPTS,)))),
            Kind("login_unsupported", 5, served(door=Door(then=AUTH_PARTIALLY_SUCCESSFUL)), Password("another")),
            Kind("password_expired", 5, served(door=Door(before_refusal=ask_for_a_new_password))),
            Kind("connection_lost", 5, served(door=Door(before_refusal=disconnect("Bye")))),
            Kind("timed_out", 5, served(answers_login=False), within=limits(login=0.2)),
            Kind("timed_out", 5, served(starts_sftp=False), Password("another"), limits(login=0.2)),
            Kind("too_many_sessions", 5, open_door, Password("another")),
            Kind("transfer_broken", 5, served(script=lambda _at, _length: None), Password("another"), limits(read=0.2)),
            Kind("timed_out", 5, served(script=lambda _at, _length: None), Password("another"), limits(session=0.3)),
            Kind("file_not_found", 5, endpoint(sshd.port, path="/none")),
            Kind("is_a_directory", 5, endpoint(sshd.port, path="/exports")),
        ]


@pytest.mark.slow
def test_failing_polls_leave_nothing_behind(sshd: Sshd) -> None:
    # Given
    process = psutil.Process()
    fails(endpoint(free_port()), RIGHT)  # whatever the first one loads stays
    threads, files = threading.active_count(), process.num_fds()

    # When
    with kinds(sshd) as ways:
        assert sum(way.times for way in ways) == POLLS
        for way in ways:
            for _ in range(way.times):
                failure = fails(way.where, way.credentials, way.within)
                assert failure.code == way.code

    # Then: the servers of this test are closed, too
    assert eventually(lambda: threading.active_count() <= threads)
    assert eventually(lambda: process.num_fds() <= files)
