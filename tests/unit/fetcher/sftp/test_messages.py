"""SFTP messages are taken apart as the protocol says, and one that is cut or invented is refused."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.sftp.messages import (
    Attributes,
    Fields,
    ProtocolError,
    extensions,
    largest_read,
    names,
    string,
    uint32,
    uint64,
)

SIZE = uint64(2**40)
OWNER = uint32(1000) + uint32(1000)
MODE = uint32(0o100644)
TIMES = uint32(1) + uint32(1_700_000_000)
EXTENDED = uint32(1) + string(b"acl@example.com") + string(b"x")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (uint32(0), Attributes(None, None, None)),
        (uint32(0x1) + SIZE, Attributes(2**40, None, None)),
        (uint32(0x8) + TIMES, Attributes(None, 1_700_000_000, None)),
        (uint32(0xF) + SIZE + OWNER + MODE + TIMES, Attributes(2**40, 1_700_000_000, 0o100644)),
        (uint32(0x8000_0004) + MODE + EXTENDED, Attributes(None, None, 0o100644)),
    ],
)
def test_attributes_are_read_whichever_of_them_are_there(body: bytes, expected: Attributes) -> None:
    fields = Fields(body)

    assert fields.attributes() == expected
    assert not fields


def test_the_entries_of_a_folder_keep_names_that_are_no_text() -> None:
    entry = string(b"caf\xe9.csv") + string(b"-rw-r--r-- ...") + uint32(0x1) + SIZE

    assert names(uint32(2) + entry * 2) == [(b"caf\xe9.csv", Attributes(2**40, None, None))] * 2


def test_a_server_tells_its_extensions_and_its_largest_read() -> None:
    assert extensions(uint32(3) + string(b"limits@openssh.com") + string(b"1")) == {b"limits@openssh.com"}
    assert extensions(uint32(3)) == frozenset()
    assert largest_read(uint64(262_144) + uint64(261_120) + uint64(1) + uint64(0)) == 261_120


def test_an_older_version_is_not_spoken() -> None:
    with pytest.raises(ProtocolError):
        extensions(uint32(2))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for take in (extensions, names, largest_read, lambda data: Fields(data).attributes()):
        with contextlib.suppress(ProtocolError):
            take(body)


@given(st.integers(0, 60))
def test_a_message_that_is_cut_anywhere_is_refused(at: int) -> None:
    whole = uint32(1) + string(b"leads.csv") + string(b"") + uint32(0xF) + SIZE + OWNER + MODE + TIMES
    if at >= len(whole):
        return

    with pytest.raises(ProtocolError):
        names(whole[:at])


def test_more_entries_than_a_message_can_hold_cost_nothing() -> None:
    with pytest.raises(ProtocolError):
        names(struct.pack(">I", 2**32 - 1))
