"""From a host name to an accepted host key: where connections go, and what servers may not do meanwhile."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.local.servers.ports import free_port
from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.connect import checked_peer, first_that_answers
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.login import Credentials, PrivateKey
from services.fetcher.sftp.session import open_session
from tests.conftest import PASSWORD
from tests.integration.fetcher.keys import private_key
from tests.integration.fetcher.ssh_server import (
    HOST_KEY,
    LOOPBACK,
    OTHER_KEY,
    PINNED,
    RIGHT,
    Door,
    Peer,
    SshServer,
    endpoint,
    eventually,
    fails,
    limits,
    offered_algorithms,
    silent,
)

KIB = 1024
MIB = 1024 * KIB


@pytest.fixture
def key_of(sshd: Sshd) -> str:
    """The host key of the OpenSSH server, as it is pinned."""
    return f"ssh-ed25519 {sshd.fingerprint}"


def test_the_key_that_was_accepted_is_accepted_again(sshd: Sshd, key_of: str) -> None:
    with open_session(endpoint(sshd.port, host_keys=(OTHER_KEY, key_of)), RIGHT, limits()) as session:
        assert session.host_key == key_of


def test_the_first_key_seen_is_told(sshd: Sshd, key_of: str) -> None:
    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        assert session.host_key == key_of


def test_the_accepted_rsa_key_is_asked_for_on_a_server_with_several(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, key_kinds=("ed25519", "ecdsa", "rsa")) as server:
        for kind, name in (("rsa", "ssh-rsa"), ("ecdsa", "ecdsa-sha2-nistp256"), ("ed25519", "ssh-ed25519")):
            accepted = f"{name} {server.fingerprints[kind]}"  # type: ignore[index]
            with open_session(endpoint(server.port, host_keys=(accepted,)), RIGHT, limits()) as session:
                assert session.host_key == accepted


@pytest.mark.parametrize(
    "accepted",
    [OTHER_KEY, "ssh-ed25519 SHA256:" + "B" * 43, "ssh-rsa SHA256:" + "C" * 43, "ssh-dss SHA256:" + "D" * 43],
)
@pytest.mark.parametrize("credentials", [RIGHT, PrivateKey(private_key("ed25519"))], ids=["password", "key"])
@pytest.mark.parametrize("methods", ["password,publickey", "keyboard-interactive"])
def test_a_server_with_another_key_never_sees_a_secret(accepted: str, credentials: Credentials, methods: str) -> None:
    with SshServer(PASSWORD, door=Door(methods=methods)) as recorder:
        failure = fails(endpoint(recorder.port, host_keys=(accepted,)), credentials)

    assert (failure.step, failure.code) == ("host_key", "host_key_changed")
    assert failure.host_key == PINNED
    assert HOST_KEY.fingerprint in failure.detail
    assert recorder.connections == 1
    assert recorder.attempts == []


def test_only_strong_algorithms_are_offered() -> None:
    seen: list[list[list[str]]] = []

    with Peer(lambda sock: seen.append(offered_algorithms(sock))) as peer:
        fails(endpoint(peer.port), RIGHT, limits(connect=0.5))

    _, host_keys, *ciphers_and_macs = seen[0][:6]
    ciphers, macs = ciphers_and_macs[:2], ciphers_and_macs[2:]
    assert all("gcm" in name or name.endswith("-ctr") for names in ciphers for name in names)
    assert all(name.startswith("hmac-sha2-") for names in macs for name in names)
    assert not {"ssh-rsa", "ssh-dss"} & set(host_keys)


def offer(sock: socket.socket, exchange: str, host_key: str) -> None:
    """Greet, and send a key exchange message with these algorithms (RFC 4253, section 7.1)."""
    sock.sendall(b"SSH-2.0-old\r\n")
    lists = [exchange, host_key, "aes128-ctr", "aes128-ctr", "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""]
    names = b"".join(struct.pack(">I", len(text)) + text.encode() for text in lists)
    payload = bytes([20]) + bytes(16) + names + bytes(5)
    padding = 4 + -(len(payload) + 9) % 8
    sock.sendall(struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding))
    sock.recv(10_000)


@pytest.mark.parametrize(
    ("ciphers", "macs", "said"),
    [
        (("aes256-cbc", "3des-cbc"), (), "cipher: aes256-cbc, 3des-cbc"),
        (("aes128-ctr",), ("hmac-sha1", "hmac-md5"), "digest: hmac-sha1, hmac-md5"),
        (("3des-cbc",), ("hmac-md5",), "cipher: 3des-cbc; digest: hmac-md5"),
    ],
)
def test_a_server_with_outdated_encryption_only_is_refused_by_name(
    ciphers: tuple[str, ...], macs: tuple[str, ...], said: str
) -> None:
    with SshServer(PASSWORD, ciphers=ciphers, macs=macs) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "weak_algorithms")
    assert failure.detail == f"the server offers only {said}"
    assert server.attempts == []


@pytest.mark.parametrize(
    ("exchange", "host_key", "said"),
    [
        (
            "diffie-hellman-group1-sha1,kex-strict-s-v00@openssh.com",
            "ssh-dss",
            "key exchange: diffie-hellman-group1-sha1; ",
        ),
        ("diffie-hellman-group14-sha256", "ssh-dss,ssh-rsa", "host key: ssh-dss, ssh-rsa"),
        ("x" * 5000, "ssh-ed25519", "key exchange: xxx"),
        ("\x1b[2J\n", "ssh-ed25519", "key exchange: ?[2J?"),
        ("", "ssh-ed25519", "key exchange: none"),
    ],
)
def test_what_a_server_offers_is_told_in_bounds(exchange: str, host_key: str, said: str) -> None:
    with Peer(lambda sock: offer(sock, exchange, host_key)) as peer:
        failure = fails(endpoint(peer.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "weak_algorithms")
    assert failure.detail.startswith(f"the server offers only {said}")
    assert failure.detail.isprintable()
    assert len(failure.detail) <= 200


def test_a_server_of_the_first_version_of_ssh_is_outdated() -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall(b"SSH-1.5-old\r\n")
        sock.recv(100)

    with Peer(talk) as peer:
        failure = fails(endpoint(peer.port), RIGHT)

    assert (failure.code, failure.detail) == ("weak_algorithms", "the server speaks SSH-1.5-old")


def test_the_strong_algorithm_of_a_mixed_server_is_used() -> None:
    with SshServer(PASSWORD, ciphers=("3des-cbc", "aes256-ctr"), macs=("hmac-md5", "hmac-sha2-512")) as server:
        with open_session(endpoint(server.port), RIGHT, limits()):
            pass
        assert eventually(lambda: server.used == [("aes256-ctr", "hmac-sha2-512")])


def test_a_port_where_nobody_listens_refuses_the_connection() -> None:
    failure = fails(endpoint(free_port()), RIGHT)
    assert (failure.step, failure.code) == ("connect", "connection_refused")


@pytest.mark.parametrize("host", ["sftp.nowhere.invalid", "a" * 64 + ".invalid", "..", "x\u2009y"])
def test_a_host_that_does_not_exist_is_named_as_such(host: str) -> None:
    failure = fails(endpoint(22, host=host), RIGHT)
    assert (failure.step, failure.code) == ("address", "dns_failed")


@pytest.mark.parametrize("host", [LOOPBACK, "localhost", "127.1", "2130706433", "::ffff:127.0.0.1", "0.0.0.0"])
def test_no_connection_is_made_to_an_address_that_is_not_allowed(host: str) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        failure = fails(endpoint(listener.getsockname()[1], host=host), RIGHT, limits(anywhere=False))

        assert (failure.step, failure.code) == ("address", "address_blocked")
        # The kernel completes connections by itself and would keep one for us.
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_peer_is_checked_whatever_led_to_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener, socket.create_connection(listener.getsockname()) as sock:
        assert checked_peer(sock, [IPv4Network("127.0.0.0/8")]) == LOOPBACK
        with pytest.raises(LookFailed, match="address: address_blocked"):
            checked_peer(sock, [])


def test_the_next_address_is_tried_when_one_does_not_answer(sshd: Sshd) -> None:
    # Given a name with two addresses, of which nobody listens on the first
    sock = first_that_answers(["127.0.0.77", "127.0.0.1"], sshd.port, 5)

    with sock:
        assert sock.getpeername() == ("127.0.0.1", sshd.port)


def test_when_no_address_answers_the_last_fault_is_told(sshd: Sshd) -> None:
    with pytest.raises(LookFailed) as failed:
        first_that_answers(["127.0.0.77", "127.0.0.78"], sshd.port, 5)

    assert failed.value.code == "connection_refused"


@pytest.mark.parametrize("port", [25, 5432])
def test_a_refused_port_is_not_connected_to(port: int) -> None:
    failure = fails(endpoint(port), RIGHT, limits(refused_ports=(25, 5432)))
    assert (failure.step, failure.code) == ("address", "port_blocked")


def test_a_port_is_refused_by_its_number_alone(sshd: Sshd) -> None:
    failure = fails(endpoint(sshd.port), RIGHT, limits(refused_ports=(sshd.port,)))
    assert (failure.step, failure.code) == ("address", "port_blocked")


@pytest.mark.parametrize("host", ["postgres", "metadata.google.internal", "db.prod.svc.cluster.local", "printer.LAN."])
def test_a_name_of_a_private_network_is_not_even_asked_for(host: str) -> None:
    failure = fails(endpoint(22, host=host), RIGHT, limits(anywhere=False))
    assert (failure.step, failure.code) == ("address", "address_blocked")


def test_a_name_service_that_hangs_costs_no_more_than_the_time_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(30) and [])
    threads, begun = threading.active_count(), time.monotonic()

    # When more are asked for than may wait at once
    try:
        failures = [fails(endpoint(22, host="slow.example.com"), RIGHT, limits(connect=0.05)) for _ in range(40)]
        waiting = threading.active_count() - threads
    finally:
        released.set()

    # Then
    assert {(failure.step, failure.code) for failure in failures} == {("address", "dns_failed")}
    assert time.monotonic() - begun < 6
    assert 0 < waiting <= 16
    assert eventually(lambda: threading.active_count() <= threads)


def test_a_name_with_a_private_address_among_others_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    def found(*_: object, **__: object) -> list[object]:
        return [(2, 1, 6, "", ("8.8.8.8", 0)), (2, 1, 6, "", ("10.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)

    failure = fails(endpoint(22, host="sftp.example.com"), RIGHT, limits(anywhere=False))

    assert (failure.step, failure.code) == ("address", "address_blocked")


def test_a_name_is_resolved_once_and_its_second_answer_never_used(monkeypatch: pytest.MonkeyPatch, sshd: Sshd) -> None:
    # Given a name whose second answer is another address
    answers = iter([LOOPBACK, "127.0.0.99"])
    real, asked = socket.getaddrinfo, []

    def found(host: str, *args: Any, **options: Any) -> Any:
        if host != "sftp.example.com":
            return real(host, *args, **options)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)

    # When
    with open_session(endpoint(sshd.port, host="sftp.example.com"), RIGHT, limits()) as session:
        assert session.address == LOOPBACK

    # Then
    assert asked == ["sftp.example.com"]


def test_a_peer_that_never_speaks_costs_no_more_than_the_time_to_connect() -> None:
    begun = time.monotonic()

    with Peer(silent) as peer:
        failure = fails(endpoint(peer.port), RIGHT, limits(connect=0.5))

    assert (failure.step, failure.code) == ("connect", "connect_timeout")
    assert time.monotonic() - begun < 2


def says(greeting: bytes) -> Callable[[socket.socket], None]:
    """Say this, take what comes, and go."""

    def talk(sock: socket.socket) -> None:
        sock.sendall(greeting)
        sock.shutdown(socket.SHUT_WR)
        sock.recv(100)

    return talk


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n" + b"<p>no</p>\r\n" * 3,
        b"220 ftp.example.com ready\r\n" * 200,
        b"\x00\xff\xfe\x80\n" * 5,
        b"no line",
    ],
)
def test_a_peer_that_answers_something_else_is_no_sftp_server(greeting: bytes) -> None:
    with Peer(says(greeting)) as peer:
        failure = fails(endpoint(peer.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "not_ssh")
    assert failure.detail.isprintable()


@pytest.mark.parametrize("greeting", [b"", b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"])
def test_a_busy_server_closes_before_it_greets(greeting: bytes) -> None:
    with Peer(says(greeting)) as peer:
        failure = fails(endpoint(peer.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "too_many_sessions")


def test_a_connection_that_is_reset_at_once_is_that_of_a_busy_server() -> None:
    def talk(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    with Peer(talk) as peer:
        failure = fails(endpoint(peer.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "too_many_sessions")


def greeted(port: int) -> socket.socket:
    """A connection that is not dropped; the probe at the server's start may have held the only place."""
    while True:
        sock = socket.create_connection((LOOPBACK, port))
        if sock.recv(4) == b"SSH-":
            return sock
        sock.close()


def test_openssh_with_too_many_connections_is_busy(tmp_path: Path) -> None:
    with (
        Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["MaxStartups 1:100:1"]) as server,
        greeted(server.port),
    ):
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("connect", "too_many_sessions")


def test_words_before_the_greeting_are_passed_over() -> None:
    def talk(sock: socket.socket) -> None:
        sock.sendall("Bienvenue chez Acmé\r\n\r\n".encode("latin-1"))
        server._talk_ssh(sock)

    with (
        SshServer(PASSWORD) as server,
        Peer(talk) as peer,
        open_session(endpoint(peer.port), RIGHT, limits()) as session,
    ):
        assert session.host_key == PINNED


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
        failure = fails(endpoint(peer.port), RIGHT, limits(connect=1.0))
        took, grown = time.monotonic() - begun, process.memory_info().rss - before

    assert failure.step == "connect"
    assert failure.code in {"connect_timeout", "not_ssh", "connection_lost"}
    assert took < 3
    assert grown < 40 * MIB
