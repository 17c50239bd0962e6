"""A session gives the file's bytes or an error, whatever a server answers, and never hangs."""

import contextlib
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from paramiko.sftp import CMD_DATA, SFTP_EOF, SFTP_FAILURE, SFTP_PERMISSION_DENIED

from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.login import Password
from services.fetcher.sftp.session import open_session
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import Answer, Script, SshServer, endpoint, limits, served

KIB = 1024
MIB = 1024 * KIB
CONTENT = random.Random(7).randbytes(300 * KIB + 5)


def read(script: Script, *, seconds: float = 5.0, offset: int = 0, limit: int | None = None) -> bytes:
    """Read the whole file, or a part of it, from a server that answers by the script."""
    with (
        SshServer(PASSWORD, script) as server,
        open_session(endpoint(server.port), Password(PASSWORD), limits(read=seconds)) as session,
    ):
        return b"".join(session.read("/leads.csv", offset=offset, limit=limit))


def at_most(most: Callable[[], int]) -> Script:
    """An honest server that gives fewer bytes than were asked for."""
    return lambda at, length: CONTENT[at : at + min(length, most())] or SFTP_EOF


def until(end: int, then: Answer) -> Script:
    """An honest server up to a byte; from there on it always gives the same answer."""
    return lambda at, length: CONTENT[at : min(at + length, end)] if at < end else then


def test_short_answers_are_completed() -> None:
    assert read(at_most(lambda: 1000)) == CONTENT


def test_answers_of_any_length_are_completed_in_order() -> None:
    dice = random.Random(1)
    assert read(at_most(lambda: dice.choice([1, 999, 32 * KIB - 1, 32 * KIB]))) == CONTENT


@pytest.mark.parametrize("size", [0, 1, 32 * KIB, 32 * KIB * 32, 32 * KIB * 32 + 1])
def test_a_file_that_ends_anywhere_is_read_to_its_end(size: int) -> None:
    content = random.Random(size).randbytes(size)
    assert read(served(content)) == content


@pytest.mark.parametrize("limit", [1, 1000, 32 * KIB, 32 * KIB + 1, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 1])
def test_no_more_than_the_beginning_is_asked_for(limit: int) -> None:
    asked: list[int] = []

    def answer(at: int, length: int) -> Answer:
        asked.append(at + length)
        return CONTENT[at : at + min(length, 10_000)] or SFTP_EOF

    assert read(answer, limit=limit) == CONTENT[:limit]
    assert max(asked) == limit


@pytest.mark.parametrize("offset", [1, 32 * KIB, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 10])
def test_a_file_is_read_on_from_an_offset(offset: int) -> None:
    assert read(served(CONTENT), offset=offset) == CONTENT[offset:]
    assert read(served(CONTENT), offset=offset, limit=5) == CONTENT[offset : offset + 5]


def test_a_session_goes_on_after_a_file_was_read_in_part() -> None:
    with (
        SshServer(PASSWORD, served(CONTENT)) as server,
        open_session(endpoint(server.port), Password(PASSWORD), limits()) as session,
    ):
        begun = session.read("/leads.csv")
        next(begun)
        begun.close()  # type: ignore[attr-defined]
        assert b"".join(session.read("/leads.csv", limit=5)) == CONTENT[:5]


def test_an_early_end_gives_what_came_before_it() -> None:
    assert read(until(100_000, SFTP_EOF)) == CONTENT[:100_000]


@pytest.mark.parametrize("at", [0, 5, 100_000])
def test_an_empty_answer_breaks_the_transfer(at: int) -> None:
    with pytest.raises(LookFailed, match="file: transfer_broken"):
        read(until(at, b""))


@pytest.mark.parametrize("at", [0, 5, 100_000])
@pytest.mark.parametrize(
    ("status", "code"),
    [(SFTP_FAILURE, "transfer_broken"), (SFTP_PERMISSION_DENIED, "permission_denied"), (99, "transfer_broken")],
)
def test_an_error_breaks_the_transfer(at: int, status: int, code: str) -> None:
    with pytest.raises(LookFailed, match=f"file: {code}"):
        read(until(at, status))


def test_more_bytes_than_asked_for_break_the_transfer() -> None:
    with pytest.raises(LookFailed, match="file: transfer_broken"):
        read(lambda at, length: CONTENT[at : at + length + 1] or SFTP_EOF)


def test_a_packet_larger_than_any_answer_breaks_the_transfer() -> None:
    with pytest.raises(LookFailed, match="file: transfer_broken"):
        read(lambda _at, _length: bytes(8 * MIB))


@pytest.mark.parametrize("at", [0, 100_000])
def test_a_server_that_falls_silent_breaks_the_transfer_in_time(at: int) -> None:
    begun = time.monotonic()

    with pytest.raises(LookFailed, match="file: transfer_broken"):
        read(until(at, None), seconds=0.5)

    assert time.monotonic() - begun < 5


def flood(server: Any, _number: int) -> None:
    """Answer requests that nobody made, until the client goes."""
    with contextlib.suppress(OSError, EOFError):
        while True:
            server._response(1_000_000, CMD_DATA, b"x")


def drip(server: Any, number: int) -> None:
    """Send one answer byte by byte, until the client goes."""
    packet = bytes([CMD_DATA]) + struct.pack(">II", number, 1000) + bytes(1000)
    with contextlib.suppress(OSError, EOFError):
        for byte in struct.pack(">I", len(packet)) + packet:
            server.sock.send(bytes([byte]))
            time.sleep(0.05)


@pytest.mark.parametrize("answer", [flood, drip])
def test_a_server_that_keeps_talking_breaks_the_transfer_in_time(answer: Answer) -> None:
    begun = time.monotonic()

    with pytest.raises(LookFailed, match="file: transfer_broken"):
        read(until(100_000, answer), seconds=0.5)

    assert time.monotonic() - begun < 5


def test_a_failed_read_leaves_the_session_usable() -> None:
    with (
        SshServer(PASSWORD, until(100_000, SFTP_FAILURE), size=3) as server,
        open_session(endpoint(server.port), Password(PASSWORD), limits()) as session,
    ):
        with pytest.raises(LookFailed):
            b"".join(session.read("/leads.csv"))
        assert session.look("/leads.csv").size == 3
        server.script = served(CONTENT)
        assert b"".join(session.read("/leads.csv")) == CONTENT


def test_a_server_that_tells_neither_size_nor_time_is_looked_at() -> None:
    with (
        SshServer(PASSWORD, size=None) as server,
        open_session(endpoint(server.port), Password(PASSWORD), limits()) as session,
    ):
        assert session.look("/leads.csv").size is None


def test_a_large_file_is_read_in_little_memory(sshd: Sshd) -> None:
    # Given
    size = 64 * MIB
    with (sshd.files / "exports" / "large.csv").open("wb") as file:
        file.truncate(size)
    Path(file.name).chmod(0o644)
    process = psutil.Process()
    received = 0

    # When
    with open_session(endpoint(sshd.port), Password(PASSWORD), limits()) as session:
        begun = process.memory_info().rss
        peak = begun
        for number, chunk in enumerate(session.read("/exports/large.csv")):
            received += len(chunk)
            if number % 50 == 0:
                peak = max(peak, process.memory_info().rss)

    # Then
    assert received == size
    assert peak - begun < 16 * MIB
