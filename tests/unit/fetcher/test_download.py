"""A download counts and hashes what passes through it, and keeps none of it."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.download import Download

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(chunks=st.lists(st.binary(max_size=50)))
def test_every_byte_passes_is_counted_and_hashed(chunks: list[bytes]) -> None:
    download = Download(chunks)

    passed = b"".join(download)

    assert passed == b"".join(chunks)
    assert download.received == len(passed)
    assert download.checksum() == hashlib.sha256(passed).hexdigest()


def test_an_empty_file_has_a_checksum_too() -> None:
    download = Download([])

    assert (list(download), download.received, download.checksum()) == ([], 0, EMPTY)


def test_nothing_is_read_before_it_is_asked_for() -> None:
    taken: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            taken.append(number)
            yield b"x" * 10

    download = Download(chunks())
    first = next(iter(download))

    assert (first, taken, download.received) == (b"x" * 10, [0], 10)


def test_what_was_counted_stays_right_when_the_transfer_breaks_off() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise OSError("gone")

    download = Download(chunks())
    with pytest.raises(OSError, match="gone"):
        list(download)

    assert (download.received, download.checksum()) == (3, hashlib.sha256(b"abc").hexdigest())
