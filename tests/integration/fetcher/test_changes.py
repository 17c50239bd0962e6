"""Whether a file changed, on a real server: what proves that it did not, and what is read to know."""

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paramiko.sftp import CMD_STAT

from deploy.local.servers.sshd import Sshd
from shared.contracts import (
    FetchReported,
    ImportRequested,
)
from tests.conftest import PASSWORD
from tests.integration.fetcher.looks import CONTENT, OLD, PATH, Fetcher, known
from tests.integration.fetcher.ssh_server import SshServer, attributes, served


def test_a_file_with_the_known_size_and_time_is_not_read(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.code, answer.downloaded) == ("unchanged", None, False)
    assert (answer.size, answer.mtime) == (len(CONTENT), OLD)
    assert fetcher.fetched() == 0
    assert fetcher.blobs() == []


def test_a_file_touched_without_a_change_is_read_and_let_go(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD + 60)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.downloaded, answer.mtime) == ("unchanged", True, OLD + 60)
    assert (answer.detail, answer.reason) == ("same content", "size or time differ")
    assert fetcher.fetched() == len(CONTENT)
    assert fetcher.blobs() == []


def test_a_file_with_another_content_is_brought(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT + b"Beta;Lyon\n", mtime=OLD + 60)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, ImportRequested)
    assert answer.checksum == hashlib.sha256(CONTENT + b"Beta;Lyon\n").hexdigest()
    assert answer.reason == "size or time differ"


def test_a_change_that_keeps_size_and_time_is_found_by_a_full_check(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    changed = CONTENT.replace(b"Paris", b"Tours")
    sshd.put(PATH, changed, mtime=OLD)

    # When
    without = fetcher.fetch(known=known(CONTENT))
    with_it = fetcher.fetch(known=known(CONTENT), full_check=True)

    # Then
    assert isinstance(without, FetchReported)
    assert without.verdict == "unchanged"
    assert isinstance(with_it, ImportRequested)
    assert with_it.checksum == hashlib.sha256(changed).hexdigest()


def test_a_full_check_of_the_same_bytes_finds_no_change(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT), full_check=True)

    assert (answer.verdict, answer.downloaded) == ("unchanged", True)
    assert fetcher.blobs() == []


def test_a_change_in_the_second_of_the_previous_look_is_found(fetcher: Fetcher, sshd: Sshd) -> None:
    changed = CONTENT.replace(b"Paris", b"Tours")
    sshd.put(PATH, changed, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT, looked=timedelta(seconds=1)))

    assert isinstance(answer, ImportRequested)


OTHER = CONTENT.replace(b"Paris", b"Tours")


def test_a_change_to_an_older_time_is_found_at_once(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, OTHER, mtime=OLD - 86_400)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, ImportRequested)
    assert answer.mtime == OLD - 86_400


def rename(file: Path) -> None:
    fresh = file.with_name("fresh.csv")
    fresh.write_bytes(OTHER)
    fresh.rename(file)


def truncate(file: Path) -> None:
    file.write_bytes(OTHER)


def switch_link(file: Path) -> None:
    target = file.with_name("version2.csv")
    target.write_bytes(OTHER)
    file.unlink()
    file.symlink_to(target.name)


@pytest.mark.parametrize("replace", [rename, truncate, switch_link])
def test_a_file_of_the_same_size_is_found_however_it_was_replaced(
    fetcher: Fetcher, sshd: Sshd, replace: Callable[[Path], None]
) -> None:
    # Given
    file = sshd.put(PATH, CONTENT, mtime=OLD)
    assert fetcher.fetch(known=known(CONTENT)).verdict == "unchanged"

    # When
    replace(file)
    answer = fetcher.fetch(known=known(CONTENT))

    # Then
    assert isinstance(answer, ImportRequested)
    assert (answer.checksum, answer.path) == (hashlib.sha256(OTHER).hexdigest(), PATH)


@pytest.mark.parametrize("mtime", [0, int(time.time()) + 86_400, 4_294_967_295], ids=["1970", "tomorrow", "2106"])
def test_a_time_that_means_nothing_costs_no_transfer_while_it_stays(fetcher: Fetcher, sshd: Sshd, mtime: int) -> None:
    # Given
    looked = datetime.now(UTC) - timedelta(minutes=15) - datetime.fromtimestamp(mtime, UTC)
    before = known(CONTENT, mtime=mtime, looked=looked)
    sshd.put(PATH, CONTENT, mtime=mtime)
    unchanged = fetcher.fetch(known=before)
    assert (unchanged.verdict, unchanged.mtime, fetcher.fetched()) == ("unchanged", mtime, 0)

    # When its content changes and nothing else
    sshd.put(PATH, OTHER, mtime=mtime)

    # Then the full check finds it
    assert isinstance(fetcher.fetch(known=before, full_check=True), ImportRequested)


def test_the_same_size_and_time_at_another_place_are_read(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, OTHER, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT, path="/exports/leads_1.csv"))

    assert isinstance(answer, ImportRequested)
    assert fetcher.fetch(known=known(OTHER, path=PATH)).downloaded is False


@pytest.mark.parametrize("told", [{"size": len(CONTENT)}, {"mtime": OLD}, {}])
def test_a_server_that_tells_no_size_or_no_time_is_read_each_time(fetcher: Fetcher, told: dict[str, int]) -> None:
    with SshServer(PASSWORD, served(CONTENT), attributes=attributes(**told)) as server:
        fetcher.port = server.port
        same = fetcher.fetch(known=known(CONTENT).model_copy(update={"size": None, "mtime": None} | told))
        other = fetcher.fetch(known=known(OTHER))

    assert (same.verdict, same.downloaded) == ("unchanged", True)
    assert (same.size, same.mtime) == (told.get("size"), told.get("mtime"))
    assert isinstance(other, ImportRequested)
    assert (other.size, other.remote_size, other.mtime) == (len(CONTENT), None, told.get("mtime"))


def test_an_unchanged_file_costs_one_connection_one_login_and_one_question(fetcher: Fetcher) -> None:
    with SshServer(PASSWORD, served(CONTENT), size=len(CONTENT)) as server:
        fetcher.port = server.port
        answer = fetcher.fetch(known=known(CONTENT), done_marker=".done")

    assert answer.verdict == "unchanged"
    assert (server.connections, server.requests) == (1, [CMD_STAT])
    assert len([secret for _method, secret in server.attempts if secret]) == 1
