"""A file that does not hold still, or whose writer is not done with it, is never imported."""

import gzip
import os
import random
import threading

import pytest

from deploy.local.servers.sshd import Sshd
from shared.contracts import (
    FetchReported,
    ImportRequested,
)
from tests.conftest import PASSWORD
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, PATH, Fetcher, append, known
from tests.integration.fetcher.ssh_server import SshServer, served


def test_a_file_that_grows_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: append(file, b"one more row\n")

    # When
    answer = fetcher.fetch()

    # Then
    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert file.stat().st_size > 3 * MIB
    assert fetcher.blobs() == []


def test_a_file_rewritten_in_place_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given the same size before and after
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: append(file, b"x", mode="r+b")

    # When
    answer = fetcher.fetch()

    # Then
    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_replaced_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: sshd.put(PATH, bytes(2 * MIB), mtime=OLD)

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_another_process_keeps_writing_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    file = sshd.put(PATH, bytes(8 * MIB), mtime=OLD)
    done = threading.Event()

    def write() -> None:
        with file.open("ab", buffering=0) as stream:
            while not done.wait(0.002):
                stream.write(b"row\n")

    writer = threading.Thread(target=write)
    writer.start()

    # When
    try:
        answer = fetcher.fetch()
    finally:
        done.set()
        writer.join()

    # Then
    assert answer.verdict == "not_settled"
    assert fetcher.blobs() == []


def test_a_file_shorter_than_announced_is_not_kept(fetcher: Fetcher) -> None:
    with SshServer(PASSWORD, served(CONTENT), size=len(CONTENT) + 1) as server:
        fetcher.port = server.port
        answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_vanishes_while_it_is_read_leaves_nothing(fetcher: Fetcher, sshd: Sshd) -> None:
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = file.unlink

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("failed", "file_not_found")
    assert fetcher.blobs() == []


def test_a_file_replaced_by_another_of_the_same_size_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fresh = file.with_name("fresh.csv")
    fresh.write_bytes(b"x" * (3 * MIB))
    fetcher.on_chunk = lambda: fresh.rename(file)

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_shrinks_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    file = sshd.put(PATH, bytes(20 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: os.truncate(file, MIB)

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_is_deleted_between_two_looks_is_told_as_missing(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD).unlink()

    answer = fetcher.fetch(known=known(CONTENT))

    assert (answer.verdict, answer.code) == ("failed", "file_not_found")
    assert (answer.host_key, answer.address) == (f"ssh-ed25519 {sshd.fingerprint}", "127.0.0.1")


def test_an_archive_that_is_being_written_is_not_called_damaged(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    packed = gzip.compress(random.Random(4).randbytes(3 * MIB))
    file = sshd.put(PATH, packed[: 2 * MIB], mtime=OLD)
    fetcher.on_chunk = lambda: append(file, packed[2 * MIB : 2 * MIB + 100])

    # When
    answer = fetcher.fetch()

    # Then
    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


@pytest.mark.parametrize("marker", [".done", "/exports/leads.csv.done"])
def test_a_file_is_brought_when_its_done_marker_is_there(fetcher: Fetcher, sshd: Sshd, marker: str) -> None:
    # Given
    sshd.put(PATH, CONTENT, mtime=OLD)
    missing = fetcher.fetch(done_marker=marker)
    sshd.put("/exports/leads.csv.done", b"", mtime=OLD - 1)
    stale = fetcher.fetch(done_marker=marker)
    sshd.put("/exports/leads.csv.done", b"", mtime=OLD)

    # When
    answer = fetcher.fetch(done_marker=marker)

    # Then
    assert isinstance(answer, ImportRequested)
    assert [(early.verdict, early.code, early.detail) for early in (missing, stale)] == [
        ("not_settled", "not_settled", "the done-marker /exports/leads.csv.done is not there"),
        ("not_settled", "not_settled", "the done-marker /exports/leads.csv.done is older than the file"),
    ]


def test_an_unchanged_file_needs_no_done_marker(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    assert fetcher.fetch(known=known(CONTENT), done_marker=".done").verdict == "unchanged"


def test_a_marker_that_may_not_be_seen_is_told_as_such(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)
    sshd.put("/exports/closed/done", b"", mtime=OLD).parent.chmod(0o700)

    answer = fetcher.fetch(done_marker="/exports/closed/done")

    assert (answer.verdict, answer.code) == ("failed", "permission_denied")
