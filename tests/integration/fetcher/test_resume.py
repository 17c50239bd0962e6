"""A download that breaks off far into the file goes on where it was; one that broke early begins anew another time."""

import gzip
import hashlib
import random
import time
from pathlib import Path
from typing import Any

import pytest

from deploy.local.servers.sshd import Sshd
from shared.blobs import Blobs
from shared.contracts import ImportRequested
from tests.conftest import PASSWORD
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, PATH, Fetcher
from tests.integration.fetcher.ssh_server import LOOPBACK, PINNED, Door, SshServer, disconnect, served
from tests.proxy import Proxy

BIG = random.Random(5).randbytes(40 * MIB)


def fetched_over(fetcher: Fetcher, sshd: Sshd, cuts: list[int], **settings: Any) -> tuple[Any, int]:
    """Fetch over connections that end after so many bytes each; the answer, and how many connections it took."""
    with Proxy((sshd.host, sshd.port), cuts=cuts) as proxy:
        fetcher.port = proxy.port
        answer = fetcher.fetch(settings=settings)
        return answer, proxy.connections


def kept(fetcher: Fetcher, answer: ImportRequested) -> bytes:
    assert fetcher.blobs() == [answer.blob]
    return b"".join(Blobs(f"file://{fetcher.folder}").read(answer.blob, answer.checksum))


@pytest.mark.parametrize("cuts", [[20 * MIB], [16 * MIB, 17 * MIB], [38 * MIB]])
def test_a_download_that_breaks_off_goes_on_where_it_was(fetcher: Fetcher, sshd: Sshd, cuts: list[int]) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    answer, connections = fetched_over(fetcher, sshd, cuts)

    assert isinstance(answer, ImportRequested)
    assert (answer.checksum, answer.size) == (hashlib.sha256(BIG).hexdigest(), len(BIG))
    assert kept(fetcher, answer) == BIG
    assert connections == len(cuts) + 1
    assert fetcher.fetched() == len(BIG), "no byte came twice"


def test_an_archive_goes_on_in_the_middle_of_what_it_holds(fetcher: Fetcher, sshd: Sshd) -> None:
    packed = gzip.compress(BIG, compresslevel=1)
    sshd.put(PATH, packed, mtime=OLD)

    answer, connections = fetched_over(fetcher, sshd, [15 * MIB])

    assert isinstance(answer, ImportRequested)
    assert (answer.checksum, answer.remote_checksum) == (
        hashlib.sha256(BIG).hexdigest(),
        hashlib.sha256(packed).hexdigest(),
    )
    assert kept(fetcher, answer) == BIG
    assert connections == 2


def test_a_server_that_is_not_ready_for_a_new_login_is_asked_again(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    answer, connections = fetched_over(fetcher, sshd, [20 * MIB, 0, 0])

    assert isinstance(answer, ImportRequested)
    assert connections == 4


def test_a_connection_that_breaks_after_the_last_byte_costs_no_second_download(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    with Proxy((sshd.host, sshd.port)) as proxy:
        fetcher.port = proxy.port
        fetcher.on_end = proxy.cut
        answer = fetcher.fetch()

    assert isinstance(answer, ImportRequested)
    assert (proxy.connections, fetcher.fetched()) == (2, len(BIG))


@pytest.mark.parametrize("cut", [4 * MIB, 7 * MIB])
def test_a_download_that_breaks_off_early_fails(fetcher: Fetcher, sshd: Sshd, cut: int) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    answer, connections = fetched_over(fetcher, sshd, [cut])

    assert (answer.verdict, answer.code, connections) == ("failed", "transfer_broken", 1)
    assert fetcher.blobs() == []


def test_a_second_break_soon_after_the_first_fails(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    answer, connections = fetched_over(fetcher, sshd, [20 * MIB, 4 * MIB])

    assert (answer.verdict, answer.code, connections) == ("failed", "transfer_broken", 2)
    assert fetcher.blobs() == []


@pytest.mark.parametrize(("most", "connections"), [(0, 1), (2, 3)])
def test_a_download_goes_on_only_so_often(fetcher: Fetcher, sshd: Sshd, most: int, connections: int) -> None:
    sshd.put(PATH, BIG, mtime=OLD)

    answer, seen = fetched_over(fetcher, sshd, [20 * MIB, 0, 0, 0, 0], max_resumes=most)

    assert (answer.verdict, seen) == ("failed", connections)
    assert fetcher.blobs() == []


def replaced(sshd: Sshd, _file: Path) -> None:
    sshd.put(PATH, BIG[::-1], mtime=OLD + 1)


def grown(sshd: Sshd, _file: Path) -> None:
    sshd.put(PATH, BIG + CONTENT, mtime=OLD)


@pytest.mark.parametrize("change", [replaced, grown])
def test_a_download_does_not_go_on_in_another_version(fetcher: Fetcher, sshd: Sshd, change: Any) -> None:
    # Given a file that changes while its first connection lasts
    file = sshd.put(PATH, BIG, mtime=OLD)
    fetcher.on_chunk = lambda: change(sshd, file)

    # When
    answer, connections = fetched_over(fetcher, sshd, [20 * MIB])

    # Then
    assert (answer.verdict, answer.code, connections) == ("not_settled", "not_settled", 2)
    assert fetcher.fetched() <= 20 * MIB, "nothing was read of the other version"
    assert fetcher.blobs() == []


def test_a_login_that_is_refused_meanwhile_is_not_tried_twice(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, BIG, mtime=OLD)
    fetcher.on_chunk = lambda: sshd.set_password("crm", "another one")
    refused = sshd.log_path.read_text().count("Failed password")

    # When
    answer, connections = fetched_over(fetcher, sshd, [20 * MIB])

    # Then
    assert (answer.verdict, answer.code, connections) == ("failed", "login_refused", 2)
    assert sshd.log_path.read_text().count("Failed password") == refused + 1
    assert fetcher.blobs() == []


def test_a_login_that_ends_without_an_answer_is_not_tried_twice(fetcher: Fetcher) -> None:
    # Given a server that may have refused the second login by ending the connection
    turned_away = Door(before_refusal=disconnect("Bye"))
    with (
        SshServer(PASSWORD, served(BIG), size=len(BIG)) as server,
        SshServer("another", door=turned_away) as later,
        Proxy((LOOPBACK, server.port), cuts=[20 * MIB]) as proxy,
    ):
        fetcher.port = proxy.port
        fetcher.on_chunk = lambda: setattr(proxy, "upstream", (LOOPBACK, later.port))

        # When
        answer = fetcher.fetch()

    # Then
    assert (answer.verdict, answer.code) == ("failed", "connection_lost")
    assert (len(later.attempts), proxy.connections) == (1, 2)


def test_time_spent_on_new_logins_is_not_taken_for_a_slow_server(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given a clock on which a pause takes two and a half minutes
    sshd.put(PATH, BIG, mtime=OLD)
    fetcher.clock = lambda: time.monotonic() * 100

    # When
    answer, connections = fetched_over(fetcher, sshd, [20 * MIB], resume_pause_seconds=1.5, min_bytes_per_minute=30_000)

    # Then
    assert isinstance(answer, ImportRequested)
    assert connections == 2


def test_a_server_with_another_host_key_gets_no_second_login(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given that any key was accepted at first, and another server behind the same address after that
    sshd.put(PATH, BIG, mtime=OLD)
    with SshServer(PASSWORD) as other, Proxy((sshd.host, sshd.port), cuts=[20 * MIB]) as proxy:
        fetcher.port = proxy.port
        fetcher.on_chunk = lambda: setattr(proxy, "upstream", (LOOPBACK, other.port))

        # When
        answer = fetcher.fetch()

    # Then
    assert (answer.verdict, answer.code, answer.host_key) == ("failed", "host_key_changed", PINNED)
    assert other.attempts == []
    assert fetcher.blobs() == []
