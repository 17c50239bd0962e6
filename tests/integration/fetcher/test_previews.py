"""A connection test is answered step by step, and the beginning of a good file is brought after it."""

import gzip
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from deploy.local.servers.ports import free_port
from deploy.local.servers.sshd import Sshd
from shared.contracts import (
    Job,
    PreviewRequested,
)
from shared.errors import BusUnavailable
from shared.sealing import pack_key
from tests.conftest import PASSWORD
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, PATH, Fetcher, zipped
from tests.integration.fetcher.ssh_server import OTHER_KEY, PINNED, Script, SshServer, served


def test_a_connection_test_passes_each_step(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)
    begun = time.monotonic()

    tested = fetcher.test()

    assert time.monotonic() - begun < 2
    assert tested.ok
    assert [(step.name, step.ok, step.code) for step in tested.steps] == [
        (name, True, None) for name in ("address", "connect", "host_key", "login", "file")
    ]
    assert tested.host_key == f"ssh-ed25519 {sshd.fingerprint}"
    assert (tested.address, tested.path) == ("127.0.0.1", PATH)
    assert "aes128-gcm@openssh.com" in tested.algorithms.split()
    assert (tested.size, tested.mtime) == (len(CONTENT), OLD)
    assert 0 < tested.took_ms < 2000
    assert fetcher.fetched() == 0


def test_the_beginning_of_a_tested_file_is_brought_after_the_answer(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    content = random.Random(2).randbytes(3 * MIB)
    sshd.put(PATH, content, mtime=OLD)

    # When
    tested = fetcher.test()

    # Then
    preview = fetcher.preview()
    assert (preview.test_id, preview.org_id) == (tested.test_id, fetcher.org_id)
    assert preview.blob == f"preview/{fetcher.org_id}/{tested.test_id}"
    assert (preview.size, preview.whole_file) == (256 * 1024, False)
    assert fetcher.content(preview) == content[: preview.size]


@pytest.mark.parametrize(
    ("content", "seen", "whole"),
    [(b"", 0, True), (b"x" * 999, 999, True), (b"x" * 1000, 1000, True), (b"x" * 1001, 1000, False)],
)
def test_a_preview_says_whether_it_is_the_whole_file(
    fetcher: Fetcher, sshd: Sshd, content: bytes, seen: int, *, whole: bool
) -> None:
    sshd.put(PATH, content, mtime=OLD)

    assert fetcher.test(settings={"preview_bytes": 1000}).ok

    preview = fetcher.preview()
    assert (preview.size, preview.whole_file) == (seen, whole)


def test_a_file_without_a_known_size_may_go_on_after_a_full_preview(fetcher: Fetcher) -> None:
    with SshServer(PASSWORD, served(b"x" * 1000), size=None) as server:
        fetcher.port = server.port
        assert fetcher.test(settings={"preview_bytes": 1000}).ok

    assert not fetcher.preview().whole_file


def test_a_test_is_answered_before_its_preview_is_read(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, CONTENT, mtime=OLD)
    answered: list[bool] = []
    fetcher.on_chunk = lambda: answered.append(bool(fetcher.sender.jobs))

    # When
    fetcher.test()

    # Then
    assert answered == [True]


def broken_after(at: int) -> Script:
    """A server that shows the first bytes and then cannot read on."""
    return lambda offset, length: bytes(length) if offset < at else 4


@pytest.mark.parametrize("script", [broken_after(64 * 1024), lambda at, _length: b"x" if at == 0 else None])
def test_a_preview_that_breaks_off_leaves_nothing_and_the_test_is_good(fetcher: Fetcher, script: Script) -> None:
    with SshServer(PASSWORD, script, size=MIB) as server:
        fetcher.port = server.port
        tested = fetcher.test(settings={"read_seconds": 0.5})

    assert tested.ok
    assert len(fetcher.sender.jobs) == 1
    assert fetcher.blobs() == []


def test_a_server_that_drips_bytes_holds_a_preview_up_only_for_the_time_of_one_answer(fetcher: Fetcher) -> None:
    # Given a server that sends one byte after the other
    def drip(_at: int, _length: int) -> bytes:
        time.sleep(0.05)
        return b"x"

    with SshServer(PASSWORD, drip, size=MIB) as server:
        fetcher.port = server.port
        begun = time.monotonic()

        # When
        tested = fetcher.test(settings={"read_seconds": 0.5})

    # Then
    assert tested.ok
    assert time.monotonic() - begun < 5
    assert (len(fetcher.sender.jobs), fetcher.blobs()) == (1, [])


def test_a_preview_that_cannot_be_sent_leaves_nothing_and_does_not_repeat_the_test(
    fetcher: Fetcher, sshd: Sshd
) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    def refuse(job: Job) -> None:
        if isinstance(job, PreviewRequested):
            raise BusUnavailable("down")

    fetcher.sender.on_job = refuse

    assert fetcher.test().ok
    assert fetcher.blobs() == []


def test_a_blob_store_that_is_away_does_not_spoil_a_test(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    def away() -> None:
        raise OSError("no space left")

    fetcher.on_chunk = away

    assert fetcher.test().ok
    assert len(fetcher.sender.jobs) == 1


@pytest.mark.parametrize(
    ("changes", "step", "code"),
    [
        ({"host": "sftp.nowhere.invalid"}, "address", "dns_failed"),
        ({"host": "10.0.0.1"}, "address", "address_blocked"),
        ({"port": free_port()}, "connect", "connection_refused"),
        ({"host_keys": (OTHER_KEY,)}, "host_key", "host_key_changed"),
        ({"path": "/exports/nothing.csv"}, "file", "file_not_found"),
        ({"path": "/exports"}, "file", "is_a_directory"),
        ({"path": "/exports/private.csv"}, "file", "permission_denied"),
    ],
)
def test_a_connection_test_tells_the_step_that_failed(
    fetcher: Fetcher, sshd: Sshd, changes: dict[str, Any], step: str, code: str
) -> None:
    sshd.put("/exports/private.csv", CONTENT).chmod(0)

    tested = fetcher.test(**changes)

    steps = ["address", "connect", "host_key", "login", "file"]
    assert not tested.ok
    assert [(found.name, found.ok) for found in tested.steps] == [
        (name, name != step) for name in steps[: steps.index(step) + 1]
    ]
    assert tested.steps[-1].code == code
    assert tested.steps[-1].message


def test_a_connection_test_with_a_wrong_password_fails_at_the_login(fetcher: Fetcher) -> None:
    with SshServer("another password") as server:
        fetcher.port = server.port
        tested = fetcher.test(host_keys=(PINNED,))

    assert [step.name for step in tested.steps if not step.ok] == ["login"]
    assert tested.steps[-1].code == "login_refused"
    assert len(server.attempts) == 1


def test_a_private_key_that_cannot_be_read_is_told_before_anything_is_tried(fetcher: Fetcher) -> None:
    tested = fetcher.test(sealed_password="", sealed_key=fetcher.sealed(pack_key("no key", None)))

    assert [(step.name, step.ok, step.code) for step in tested.steps] == [("login", False, "key_unreadable")]


def test_a_test_of_a_pattern_tells_the_file_that_it_leads_to(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put("/exports/leads_1.csv", b"old", mtime=OLD)
    sshd.put("/exports/leads_2.csv", CONTENT, mtime=OLD + 1)

    tested = fetcher.test(path="/exports/leads_*.csv")

    assert tested.ok
    assert (tested.path, tested.size) == ("/exports/leads_2.csv", len(CONTENT))
    assert fetcher.content(fetcher.preview()) == CONTENT


def test_a_done_marker_is_not_needed_for_a_test(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    assert fetcher.test(done_marker=".done").ok


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"leads.csv": data})])
@pytest.mark.parametrize(("size", "limit", "whole"), [(900, 1000, True), (1000, 1000, True), (1001, 1000, False)])
def test_a_preview_of_an_archive_is_its_content(
    fetcher: Fetcher, sshd: Sshd, pack: Callable[[bytes], bytes], size: int, limit: int, *, whole: bool
) -> None:
    sshd.put(PATH, pack(b"x" * size), mtime=OLD)

    assert fetcher.test(settings={"preview_bytes": limit}).ok

    preview = fetcher.preview()
    assert fetcher.content(preview) == b"x" * min(size, limit)
    assert preview.whole_file is whole


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: zipped({"leads.csv": data})])
def test_a_preview_of_a_long_archive_goes_as_far_as_it_was_read(
    fetcher: Fetcher, sshd: Sshd, pack: Callable[[bytes], bytes]
) -> None:
    content = random.Random(3).randbytes(300_000)
    sshd.put(PATH, pack(content), mtime=OLD)

    assert fetcher.test().ok

    preview = fetcher.preview()
    assert 200_000 < preview.size <= 256 * 1024
    assert fetcher.content(preview) == content[: preview.size]
    assert not preview.whole_file


def test_a_damaged_archive_has_no_preview_and_leaves_nothing(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, gzip.compress(b"a;b")[:-5], mtime=OLD)

    assert fetcher.test().ok
    assert (len(fetcher.sender.jobs), fetcher.blobs()) == (1, [])
