"""A session on real servers: the right bytes, the right code for each fault of a file, the right names of a folder."""

import hashlib
import os
import random
import stat
import time
from pathlib import Path

import pytest

from deploy.local.servers.sshd import Sshd
from services.fetcher.core.changes import Look
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Entry, open_session
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import RIGHT, SshServer, attributes, endpoint, fails, limits

KIB = 1024
MIB = 1024 * KIB
PATH = "/exports/leads.csv"


@pytest.mark.parametrize("size", [0, 1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 5 * MIB + 7])
def test_a_file_arrives_byte_by_byte(sshd: Sshd, size: int) -> None:
    # Given
    content = random.Random(size).randbytes(size)
    sshd.put("/exports/leads.csv", content, mtime=1_700_000_000)
    where = endpoint(sshd.port, path="/exports/leads.csv")

    # When
    with open_session(where, RIGHT, limits()) as session:
        look = session.look(where.path)
        session.check_readable(where.path)
        received = b"".join(session.read(where.path))

    # Then
    assert (look.size, look.mtime) == (size, 1_700_000_000)
    assert hashlib.sha256(received).digest() == hashlib.sha256(content).digest()


def test_a_file_can_be_read_twice_in_one_session(sshd: Sshd) -> None:
    content = random.Random(2).randbytes(3 * MIB)
    sshd.put("/exports/leads.csv", content)

    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        assert next(session.read("/exports/leads.csv")) == content[: 32 * KIB]  # given up half way
        assert b"".join(session.read("/exports/leads.csv")) == content
        assert session.look("/exports/leads.csv").size == len(content)


def test_a_missing_file_is_named_as_such(sshd: Sshd) -> None:
    failure = fails(endpoint(sshd.port, path="/exports/nothing.csv"), RIGHT)
    assert (failure.step, failure.code) == ("file", "file_not_found")


def test_a_file_that_may_not_be_read_is_named_as_such(sshd: Sshd) -> None:
    sshd.put("/exports/leads.csv", b"secret").chmod(0)

    failure = fails(endpoint(sshd.port, path="/exports/leads.csv"), RIGHT)

    assert (failure.step, failure.code) == ("file", "permission_denied")
    with (
        open_session(endpoint(sshd.port), RIGHT, limits()) as session,
        pytest.raises(LookFailed, match="permission_denied"),
    ):
        session.check_readable("/exports/leads.csv")


def test_a_folder_and_a_pipe_are_no_files(sshd: Sshd) -> None:
    os.mkfifo(sshd.files / "exports" / "pipe")

    for path, code in (("/exports", "is_a_directory"), ("/exports/pipe", "not_a_file")):
        failure = fails(endpoint(sshd.port, path=path), RIGHT)
        assert (failure.step, failure.code) == ("file", code)


def test_a_path_with_any_letters_is_read(sshd: Sshd) -> None:
    sshd.put("/exports/été %s\u2009客户 'x'.csv", b"a")

    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        assert b"".join(session.read("/exports/été %s\u2009客户 'x'.csv")) == b"a"


def test_a_server_that_ends_half_way_breaks_the_transfer(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}) as server:
        server.put("/exports/leads.csv", bytes(20 * MIB))
        with open_session(endpoint(server.port), RIGHT, limits()) as session:
            chunks = session.read("/exports/leads.csv")
            next(chunks)
            server.kill()
            with pytest.raises(LookFailed) as caught:
                b"".join(chunks)

    assert caught.value.step == "file"
    assert caught.value.code in {"transfer_broken", "connection_lost"}


def test_a_session_tells_where_it_is_and_what_was_agreed_on(sshd: Sshd) -> None:
    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        assert session.address == "127.0.0.1"
        assert session.host_key == f"ssh-ed25519 {sshd.fingerprint}"
        exchange, *rest = session.algorithms.split(" ")
    assert exchange.endswith(("-sha256", "-sha256@libssh.org"))
    assert rest == ["ssh-ed25519", "aes128-gcm@openssh.com"]


@pytest.mark.parametrize(
    ("offset", "limit"),
    [(0, 0), (0, 1), (1, None), (100 * KIB + 3, 70 * KIB), (MIB - 1, 5), (MIB, None), (2 * MIB, 10)],
)
def test_a_part_of_a_file_is_read(sshd: Sshd, offset: int, limit: int | None) -> None:
    content = random.Random(3).randbytes(MIB)
    sshd.put(PATH, content)

    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        received = b"".join(session.read(PATH, offset=offset, limit=limit))

    assert received == content[offset : None if limit is None else offset + limit]


def test_the_files_of_a_folder_are_listed_and_nothing_else(sshd: Sshd) -> None:
    # Given files, a folder, a pipe, and a link to a file
    sshd.put("/exports/été.csv", b"abc", mtime=1_700_000_000)
    sshd.put("/exports/.hidden", b"")
    (sshd.files / "exports" / "old").mkdir()
    os.mkfifo(sshd.files / "exports" / "pipe")
    (sshd.files / "exports").joinpath(os.fsdecode(b"\xe9.csv")).write_bytes(b"")

    # When
    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        entries = session.entries("/exports", 10)

    # Then
    assert {entry.name for entry in entries} == {"été.csv", ".hidden"}
    assert Entry("été.csv", Look(3, 1_700_000_000)) in entries


def test_a_folder_with_more_entries_than_allowed_is_not_looked_through(sshd: Sshd) -> None:
    for number in range(5):
        sshd.put(f"/exports/{number}.csv", b"")

    with open_session(endpoint(sshd.port), RIGHT, limits()) as session:
        assert len(session.entries("/exports", 5)) == 5
        with pytest.raises(LookFailed) as caught:
            session.entries("/exports", 4)
        assert (caught.value.step, caught.value.code) == ("file", "too_many_files")
        assert session.look("/exports/1.csv").size == 0  # the session goes on


def test_a_missing_folder_is_named_as_such(sshd: Sshd) -> None:
    with (
        open_session(endpoint(sshd.port), RIGHT, limits()) as session,
        pytest.raises(LookFailed, match="file_not_found"),
    ):
        session.entries("/nowhere", 5)


@pytest.mark.parametrize(
    ("mode", "code"),
    [
        (None, None),
        (0o644, None),  # permissions alone, as some servers give them
        (stat.S_IFREG | 0o600, None),
        (stat.S_IFDIR | 0o755, "is_a_directory"),
        (stat.S_IFCHR | 0o666, "not_a_file"),
        (stat.S_IFSOCK | 0o666, "not_a_file"),
        (0xFFFFFFFF, "not_a_file"),
    ],
)
def test_the_mode_of_a_file_tells_what_it_is(mode: int | None, code: str | None) -> None:
    with (
        SshServer(PASSWORD, attributes=attributes(mode=mode)) as server,
        open_session(endpoint(server.port), RIGHT, limits()) as session,
    ):
        if code is None:
            assert session.look(PATH) == Look(None, None)
        else:
            with pytest.raises(LookFailed, match=code):
                session.look(PATH)


def test_a_session_ends_when_its_time_is_up() -> None:
    # Given a server that sends and sends
    begun = time.monotonic()

    with (
        SshServer(PASSWORD, lambda _at, length: bytes(length)) as server,
        pytest.raises(LookFailed) as caught,
        open_session(endpoint(server.port), RIGHT, limits(session=1.0)) as session,
    ):
        for _ in session.read(PATH):
            pass

    assert (caught.value.step, caught.value.code) == ("file", "timed_out")
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (2, "file_not_found"),
        (3, "permission_denied"),
        (4, "transfer_broken"),
        (7, "connection_lost"),
        (8, "transfer_broken"),
        (10, "file_not_found"),
        (24, "is_a_directory"),
        (4_000_000_000, "transfer_broken"),
    ],
)
def test_a_status_is_told_by_its_meaning(status: int, code: str) -> None:
    with SshServer(PASSWORD, lambda _at, _length: status, size=1) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("file", code)
    assert code != "transfer_broken" or str(status) in failure.detail
