"""A session against real servers: the right bytes, the right code for each fault, and nothing left behind."""

import hashlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local.servers.ports import free_port
from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Limits, first_that_answers, open_session
from shared.contracts import Endpoint
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import (
    HOST_KEY,
    LOOPBACK,
    OTHER_KEY,
    PINNED,
    Peer,
    SshServer,
    endpoint,
    limits,
    offered_algorithms,
    silent,
)

KIB = 1024
MIB = 1024 * KIB


def look_and_read(where: Endpoint, password: str, within: Limits) -> None:
    with open_session(where, password, within) as session:
        session.look(where.path)
        for _ in session.read(where.path):
            pass


def fails(where: Endpoint, *, password: str = PASSWORD, within: Limits | None = None) -> LookFailed:
    """Open a session, look and read; return the failure that this must end in."""
    with pytest.raises(LookFailed) as caught:
        look_and_read(where, password, within or limits())
    assert password not in f"{caught.value} {caught.value.detail}"
    return caught.value


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.02)
    return holds()


@pytest.fixture
def key_of(sshd: Sshd) -> str:
    """The host key of the OpenSSH server, as it is pinned."""
    return f"ssh-ed25519 {sshd.fingerprint}"


@pytest.fixture
def recorder() -> Iterator[SshServer]:
    """A server that keeps every attempt to log in."""
    with SshServer(PASSWORD) as server:
        yield server


@pytest.mark.parametrize("size", [0, 1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 5 * MIB + 7])
def test_a_file_arrives_byte_by_byte(sshd: Sshd, size: int) -> None:
    # Given
    content = random.Random(size).randbytes(size)
    sshd.put("/exports/leads.csv", content, mtime=1_700_000_000)
    where = endpoint(sshd.port, path="/exports/leads.csv")

    # When
    with open_session(where, PASSWORD, limits()) as session:
        look = session.look(where.path)
        session.check_readable(where.path)
        received = b"".join(session.read(where.path))

    # Then
    assert (look.size, look.mtime) == (size, 1_700_000_000)
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()


def test_a_file_can_be_read_twice_in_one_session(sshd: Sshd) -> None:
    content = random.Random(2).randbytes(3 * MIB)
    sshd.put("/exports/leads.csv", content)

    with open_session(endpoint(sshd.port), PASSWORD, limits()) as session:
        assert next(session.read("/exports/leads.csv")) == content[: 32 * KIB]  # given up half way
        assert b"".join(session.read("/exports/leads.csv")) == content
        assert session.look("/exports/leads.csv").size == len(content)


def test_the_key_that_was_accepted_is_accepted_again(sshd: Sshd, key_of: str) -> None:
    with open_session(endpoint(sshd.port, host_keys=(OTHER_KEY, key_of)), PASSWORD, limits()) as session:
        assert session.host_key == key_of


def test_the_first_key_seen_is_told(sshd: Sshd, key_of: str) -> None:
    with open_session(endpoint(sshd.port), PASSWORD, limits()) as session:
        assert session.host_key == key_of


def test_the_accepted_rsa_key_is_asked_for_on_a_server_with_several(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, key_kinds=("ed25519", "ecdsa", "rsa")) as server:
        for kind, name in (("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256"), ("ed25519", "ssh-ed25519")):
            accepted = f"{name} {server.fingerprints[kind]}"  # type: ignore[index]
            with open_session(endpoint(server.port, host_keys=(accepted,)), PASSWORD, limits()) as session:
                assert session.host_key == accepted


@pytest.mark.parametrize(
    "accepted",
    [OTHER_KEY, "ssh-ed25519 SHA256:" + "B" * 43, "ssh-rsa SHA256:" + "C" * 43, "ssh-dss SHA256:" + "D" * 43],
)
def test_a_server_with_another_key_never_sees_the_password(recorder: SshServer, accepted: str) -> None:
    failure = fails(endpoint(recorder.port, host_keys=(accepted,)))

    assert (failure.step, failure.code) == ("host_key", "host_key_changed")
    assert failure.host_key == PINNED
    assert HOST_KEY.fingerprint in failure.detail
    assert recorder.connections == 1
    assert recorder.attempts == []


def test_a_wrong_password_is_tried_once(recorder: SshServer) -> None:
    failure = fails(endpoint(recorder.port, host_keys=(PINNED,)), password="wrong horse")

    assert (failure.step, failure.code) == ("login", "login_refused")
    assert recorder.attempts == [("password", "wrong horse")]
    assert recorder.connections == 1


def test_openssh_refuses_a_wrong_password(sshd: Sshd) -> None:
    before = sshd.log_path.read_text(errors="replace").count("Failed password")

    failure = fails(endpoint(sshd.port), password="wrong horse")

    assert (failure.step, failure.code) == ("login", "login_refused")
    assert eventually(lambda: sshd.log_path.read_text(errors="replace").count("Failed password") == before + 1)


def test_no_key_of_this_machine_is_offered(
    recorder: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a home with a key, and an agent
    (tmp_path / ".ssh").mkdir()
    HOST_KEY.write_private_key_file(str(tmp_path / ".ssh" / "id_ecdsa"))
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(str(tmp_path / "agent"))
    agent.listen()
    agent.setblocking(False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

    # When
    with open_session(endpoint(recorder.port), PASSWORD, limits()):
        pass
    fails(endpoint(recorder.port), password="wrong")

    # Then
    assert recorder.attempts == [("password", PASSWORD), ("password", "wrong")]
    with agent, pytest.raises(BlockingIOError):
        agent.accept()


def test_only_strong_algorithms_are_offered() -> None:
    seen: list[list[list[str]]] = []

    with Peer(lambda sock: seen.append(offered_algorithms(sock))) as peer:
        fails(endpoint(peer.port), within=limits(connect=0.5))

    _, host_keys, *ciphers_and_macs = seen[0][:6]
    ciphers, macs = ciphers_and_macs[:2], ciphers_and_macs[2:]
    assert all("gcm" in name or name.endswith("-ctr") for names in ciphers for name in names)
    assert all(name.startswith("hmac-sha2-") for names in macs for name in names)
    assert not {"ssh-rsa", "ssh-dss"} & set(host_keys)


@pytest.mark.parametrize(
    ("ciphers", "macs"),
    [(("aes256-cbc", "3des-cbc"), ()), (("aes128-ctr",), ("hmac-sha1", "hmac-md5"))],
)
def test_a_server_with_outdated_encryption_only_is_refused(ciphers: tuple[str, ...], macs: tuple[str, ...]) -> None:
    with SshServer(PASSWORD, ciphers=ciphers, macs=macs) as server:
        failure = fails(endpoint(server.port))

    assert (failure.step, failure.code) == ("connect", "weak_algorithms")
    assert server.attempts == []


def test_the_strong_algorithm_of_a_mixed_server_is_used() -> None:
    with SshServer(PASSWORD, ciphers=("3des-cbc", "aes256-ctr"), macs=("hmac-md5", "hmac-sha2-512")) as server:
        with open_session(endpoint(server.port), PASSWORD, limits()):
            pass
        assert eventually(lambda: server.used == [("aes256-ctr", "hmac-sha2-512")])


def test_a_missing_file_is_named_as_such(sshd: Sshd) -> None:
    failure = fails(endpoint(sshd.port, path="/exports/nothing.csv"))
    assert (failure.step, failure.code) == ("file", "file_not_found")


def test_a_file_that_may_not_be_read_is_named_as_such(sshd: Sshd) -> None:
    sshd.put("/exports/leads.csv", b"secret").chmod(0)

    failure = fails(endpoint(sshd.port, path="/exports/leads.csv"))

    assert (failure.step, failure.code) == ("file", "permission_denied")
    with (
        open_session(endpoint(sshd.port), PASSWORD, limits()) as session,
        pytest.raises(LookFailed, match="permission_denied"),
    ):
        session.check_readable("/exports/leads.csv")


def test_a_folder_and_a_pipe_are_no_files(sshd: Sshd) -> None:
    os.mkfifo(sshd.files / "exports" / "pipe")

    for path in ("/exports", "/exports/pipe"):
        failure = fails(endpoint(sshd.port, path=path))
        assert (failure.step, failure.code) == ("file", "not_a_file")


def test_a_path_with_any_letters_is_read(sshd: Sshd) -> None:
    sshd.put("/exports/été %s\u2009客户 'x'.csv", b"a")

    with open_session(endpoint(sshd.port), PASSWORD, limits()) as session:
        assert b"".join(session.read("/exports/été %s\u2009客户 'x'.csv")) == b"a"


def test_a_port_where_nobody_listens_refuses_the_connection() -> None:
    failure = fails(endpoint(free_port()))
    assert (failure.step, failure.code) == ("connect", "connection_refused")


@pytest.mark.parametrize("host", ["sftp.nowhere.invalid", "a" * 64 + ".invalid", "..", "x\u2009y"])
def test_a_host_that_does_not_exist_is_named_as_such(host: str) -> None:
    failure = fails(endpoint(22, host=host))
    assert (failure.step, failure.code) == ("address", "dns_failed")


@pytest.mark.parametrize("host", [LOOPBACK, "localhost", "127.1", "2130706433", "::ffff:127.0.0.1", "0.0.0.0"])
def test_no_connection_is_made_to_an_address_that_is_not_allowed(host: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        failure = fails(endpoint(listener.getsockname()[1], host=host), within=limits(anywhere=False))

        assert (failure.step, failure.code) == ("address", "address_blocked")
        # The kernel completes connections by itself and would keep one for us.
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_peer_that_never_speaks_costs_no_more_than_the_time_to_connect() -> None:
    begun = time.monotonic()

    with Peer(silent) as peer:
        failure = fails(endpoint(peer.port), within=limits(connect=0.5))

    assert (failure.step, failure.code) == ("connect", "connect_timeout")
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n" + b"<p>no</p>\r\n" * 3,
        b"220 ftp.example.com ready\r\n" * 200,
        b"\x00\xff\xfe\x80\n" * 5,
        b"",
    ],
)
def test_a_peer_that_answers_something_else_is_no_sftp_server(greeting: bytes) -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(greeting)
        sock.shutdown(socket.SHUT_WR)

    with Peer(talk) as peer:
        failure = fails(endpoint(peer.port))

    assert (failure.step, failure.code) == ("connect", "not_ssh")


def endless(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x" * 64 * KIB)


def endless_lines(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x\n" * KIB)


def drip(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x")
        time.sleep(0.05)


def drip_lines(sock: socket.socket) -> None:
    while True:
        sock.sendall(b"x\n")
        time.sleep(0.05)


def huge_packet(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-huge\r\n" + (2**31 + 4).to_bytes(4, "big"))
    endless(sock)


def drip_after_banner(sock: socket.socket) -> None:
    sock.sendall(b"SSH-2.0-slow\r\n\x00\x00\x0f\xfc")
    drip(sock)


@pytest.mark.parametrize("talk", [endless, endless_lines, drip, drip_lines, huge_packet, drip_after_banner])
def test_a_hostile_greeting_costs_bounded_time_and_memory(talk: Callable[[socket.socket], None]) -> None:
    process = psutil.Process()
    before, begun = process.memory_info().rss, time.monotonic()

    with Peer(talk) as peer:
        failure = fails(endpoint(peer.port), within=limits(connect=1.0))
        took, grown = time.monotonic() - begun, process.memory_info().rss - before

    assert failure.step == "connect"
    assert failure.code in {"connect_timeout", "not_ssh", "connection_lost"}
    assert took < 3
    assert grown < 40 * MIB


def test_a_server_that_never_answers_the_login_costs_no_more_than_the_time_to_log_in() -> None:
    begun = time.monotonic()

    with SshServer(PASSWORD, answers_login=False) as server:
        failure = fails(endpoint(server.port), within=limits(login=0.5))
        took = time.monotonic() - begun

    assert (failure.step, failure.code) == ("login", "timed_out")
    assert took < 3


def test_a_server_that_never_starts_sftp_costs_no_more_than_the_time_to_log_in() -> None:
    begun = time.monotonic()

    with SshServer(PASSWORD, starts_sftp=False) as server:
        failure = fails(endpoint(server.port), within=limits(login=0.5))
        took = time.monotonic() - begun

    assert (failure.step, failure.code) == ("login", "timed_out")
    assert took < 3


def test_a_login_without_sftp_is_named_as_such(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["ForceCommand /bin/true"]) as server:
        failure = fails(endpoint(server.port))

    assert (failure.step, failure.code) == ("login", "sftp_unavailable")


def test_a_server_that_ends_half_way_breaks_the_transfer(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}) as server:
        server.put("/exports/leads.csv", bytes(20 * MIB))
        with open_session(endpoint(server.port), PASSWORD, limits()) as session:
            chunks = session.read("/exports/leads.csv")
            next(chunks)
            server.kill()
            with pytest.raises(LookFailed) as caught:
                b"".join(chunks)

    assert caught.value.step == "file"
    assert caught.value.code in {"transfer_broken", "connection_lost"}


def test_failing_sessions_leave_no_thread_and_no_open_file(sshd: Sshd, key_of: str) -> None:
    # Given every kind of failure
    def garbage(sock: socket.socket) -> None:
        sock.sendall(b"no ssh\r\n" * 120)
        sock.close()

    process = psutil.Process()
    with SshServer(PASSWORD) as strange, Peer(garbage) as not_ssh, Peer(silent) as mute:
        kinds: list[tuple[str, Callable[[], LookFailed]]] = [
            ("file_not_found", lambda: fails(endpoint(sshd.port, path="/none", host_keys=(key_of,)))),
            ("login_refused", lambda: fails(endpoint(sshd.port), password="wrong")),
            ("not_a_file", lambda: fails(endpoint(sshd.port, path="/exports"))),
            ("host_key_changed", lambda: fails(endpoint(sshd.port, host_keys=(OTHER_KEY,)))),
            ("host_key_changed", lambda: fails(endpoint(strange.port, host_keys=(OTHER_KEY,)))),
            ("not_ssh", lambda: fails(endpoint(not_ssh.port))),
            ("connect_timeout", lambda: fails(endpoint(mute.port), within=limits(connect=0.1))),
            ("connection_refused", lambda: fails(endpoint(free_port()))),
            ("dns_failed", lambda: fails(endpoint(22, host="none.invalid"))),
            ("address_blocked", lambda: fails(endpoint(sshd.port), within=limits(anywhere=False))),
        ]
        threads, files = threading.active_count(), process.num_fds()

        # When
        for _ in range(5):
            for code, attempt in kinds:
                assert attempt().code == code

    # Then: the peers above are closed, too
    assert eventually(lambda: threading.active_count() <= threads - 3)
    assert eventually(lambda: process.num_fds() <= files - 3)


def test_the_next_address_is_tried_when_one_does_not_answer(sshd: Sshd) -> None:
    # Given a name with two addresses, of which nobody listens on the first
    sock = first_that_answers(["127.0.0.77", "127.0.0.1"], sshd.port, 5)

    with sock:
        assert sock.getpeername() == ("127.0.0.1", sshd.port)


def test_when_no_address_answers_the_last_fault_is_told(sshd: Sshd) -> None:
    with pytest.raises(LookFailed) as failed:
        first_that_answers(["127.0.0.77", "127.0.0.78"], sshd.port, 5)

    assert failed.value.code == "connection_refused"
