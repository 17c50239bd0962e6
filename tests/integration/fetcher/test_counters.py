"""What a fetcher tells of the servers that it is at."""

from pathlib import Path

from deploy.local.servers.sshd import Sshd
from tests.integration.fetcher.looks import PATH, Fetcher


def open_sessions(fetcher: Fetcher) -> float | None:
    return fetcher.metrics.registry.get_sample_value("sftp_connector_open_sessions")


def put(sshd: Sshd, content: bytes) -> None:
    Path(sshd.files, PATH.removeprefix("/")).write_bytes(content)


def test_a_look_is_told_while_it_is_at_the_server(fetcher: Fetcher, sshd: Sshd) -> None:
    put(sshd, b"Company\nAcme\n")
    during: list[float | None] = []
    fetcher.on_chunk = lambda: during.append(open_sessions(fetcher))

    fetcher.fetch()

    assert during[0] == 1
    assert open_sessions(fetcher) == 0


def test_a_test_is_told_while_it_is_at_the_server(fetcher: Fetcher, sshd: Sshd) -> None:
    put(sshd, b"Company\nAcme\n")
    during: list[float | None] = []
    fetcher.on_chunk = lambda: during.append(open_sessions(fetcher))

    assert fetcher.test().ok

    assert during[0] == 1
    assert open_sessions(fetcher) == 0


def test_one_that_failed_is_over(fetcher: Fetcher) -> None:
    assert fetcher.fetch().code == "file_not_found"
    assert open_sessions(fetcher) == 0
