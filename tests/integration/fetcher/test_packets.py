"""Packets are read alike with every cipher that is spoken, across new keys, and never beyond their bounds."""

import contextlib
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest

from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.channel import start_sftp
from services.fetcher.sftp.messages import ProtocolError
from services.fetcher.sftp.packets import Packets
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import LOOPBACK, SshServer

MIB = 1024 * 1024
GCM = "aes128-gcm@openssh.com"
CONTENT = random.Random(9).randbytes(12 * MIB + 7)


class FrequentKeys(Packets):
    """Asks for new keys after each 2 MiB."""

    REKEY_BYTES = 2 * MIB


@contextlib.contextmanager
def connected(port: int, cipher: str, packets: type[Packets] = Packets) -> Iterator[paramiko.Transport]:
    sock = socket.create_connection((LOOPBACK, port), timeout=10)
    transport = paramiko.Transport(sock, packetizer_class=packets)
    try:
        transport.get_security_options().ciphers = (cipher,)
        transport.start_client(timeout=10)
        transport.auth_password("crm", PASSWORD)
        yield transport
    finally:
        transport.close()
        transport.join(10)


@pytest.mark.parametrize("packets", [Packets, FrequentKeys], ids=["one key", "new keys from us"])
@pytest.mark.parametrize("cipher", [GCM, "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr"])
def test_a_file_arrives_with_every_cipher(sshd: Sshd, cipher: str, packets: type[Packets]) -> None:
    sshd.put("/exports/leads.csv", CONTENT)

    with connected(sshd.port, cipher, packets) as transport:
        client = start_sftp(transport, 5.0)
        assert client.stat("/exports/leads.csv").size == len(CONTENT)
        assert b"".join(client.read("/exports/leads.csv")) == CONTENT


@pytest.mark.parametrize("cipher", [GCM, "aes128-ctr"])
def test_a_server_may_change_keys_with_every_megabyte(tmp_path: Path, cipher: str) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["RekeyLimit 1M"]) as server:
        server.put("/exports/leads.csv", CONTENT)
        with connected(server.port, cipher) as transport:
            assert b"".join(start_sftp(transport, 5.0).read("/exports/leads.csv")) == CONTENT


def send_huge_packet(server: Any, _number: int) -> None:
    message = paramiko.Message()
    message.add_byte(b"\x02")  # IGNORE
    message.add_string(bytes(20 * MIB))
    server.sock.transport._send_message(message)


def ignore_the_window(server: Any, _number: int) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        for _ in range(2000):
            message = paramiko.Message()
            message.add_byte(b"\x5e")  # CHANNEL_DATA
            message.add_int(server.sock.remote_chanid)
            message.add_string(bytes(32_000))
            server.sock.transport._send_message(message)


@pytest.mark.parametrize("cipher", [GCM, "aes128-ctr"])
@pytest.mark.parametrize("answer", [send_huge_packet, ignore_the_window], ids=lambda answer: answer.__name__)
def test_a_server_that_sends_more_than_it_may_is_cut_off(answer: Any, cipher: str) -> None:
    with SshServer(PASSWORD, lambda _at, _length: answer) as server, connected(server.port, cipher) as transport:
        with pytest.raises((EOFError, OSError, ProtocolError)):
            next(start_sftp(transport, 5.0).read("/leads.csv"))

        transport.join(10)
        assert not transport.is_alive()
