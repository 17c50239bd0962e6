"""An inbox gives exactly as many bytes as are asked for, in order, and has an end to what it holds."""

import threading
import time
import tracemalloc

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.buffered_pipe import PipeTimeout

from services.fetcher.sftp.inbox import Inbox


@given(parts=st.lists(st.binary(max_size=50)), sizes=st.lists(st.integers(0, 80)))
def test_bytes_come_out_as_they_came_in_however_they_are_cut(parts: list[bytes], sizes: list[int]) -> None:
    inbox = Inbox(10_000)
    for part in parts:
        inbox.feed(part)
    inbox.close()
    whole = b"".join(parts)

    for size in sizes:
        assert inbox.read(size, 1.0) == whole[:size]
        whole = whole[size:]
    assert len(inbox) == len(whole)


def test_a_read_waits_until_all_that_it_asked_for_is_there() -> None:
    inbox = Inbox(100)
    inbox.feed(b"ab")
    later = threading.Timer(0.05, inbox.feed, [b"cd"])
    later.start()

    assert inbox.read(4, 5.0) == b"abcd"
    later.join()


def test_a_read_that_waits_too_long_ends_and_loses_nothing() -> None:
    inbox = Inbox(100)
    inbox.feed(b"ab")
    begun = time.monotonic()

    with pytest.raises(PipeTimeout):
        inbox.read(3, 0.05)

    assert time.monotonic() - begun < 2
    assert inbox.read(2, 0.05) == b"ab"


def test_a_closed_inbox_gives_what_it_has_and_then_nothing() -> None:
    inbox = Inbox(100)
    inbox.feed(b"ab")
    inbox.close()

    assert (inbox.read(5, None), inbox.read(5, None)) == (b"ab", b"")


def test_a_flood_of_tiny_or_empty_parts_costs_no_more_than_its_bytes() -> None:
    inbox = Inbox(10_000_000)
    tracemalloc.start()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()

    for _ in range(200_000):
        inbox.feed(b"")
        inbox.feed(b"x")

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - before < 2_000_000
    assert inbox.read(200_000, 1.0) == b"x" * 200_000


def test_more_than_the_window_is_refused() -> None:
    inbox = Inbox(4)
    inbox.feed(b"abcd")
    inbox.read(1, 1.0)
    inbox.feed(b"e")

    with pytest.raises(paramiko.SSHException):
        inbox.feed(b"f")
