"""The SFTP messages of version 3 that looking and reading take: pure functions over bytes.

The format is that of draft-ietf-secsh-filexfer-02. What a server sends is never trusted to be whole or well-formed.
"""

import struct
from enum import IntEnum
from typing import NamedTuple

VERSION = 3
LIMITS = b"limits@openssh.com"


class Kind(IntEnum):
    """The first byte of a message."""

    INIT = 1
    VERSION = 2
    OPEN = 3
    CLOSE = 4
    READ = 5
    OPENDIR = 11
    READDIR = 12
    STAT = 17
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED = 200
    EXTENDED_REPLY = 201


class Status(IntEnum):
    """The codes of a status that mean something to us."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3


class ProtocolError(Exception):
    """The server broke the rules of the protocol."""


class StatusError(Exception):
    """The server answered with this status instead of what was asked for."""

    def __init__(self, code: int) -> None:
        super().__init__(f"status {code}")
        self.code = code


class Attributes(NamedTuple):
    """What a server says of a file; any of it may be missing."""

    size: int | None  # bytes
    mtime: int | None  # seconds since 1970
    mode: int | None  # type and permissions, as in stat(2)


def uint32(number: int) -> bytes:
    """A number of four bytes."""
    return struct.pack(">I", number)


def uint64(number: int) -> bytes:
    """A number of eight bytes."""
    return struct.pack(">Q", number)


def string(data: bytes) -> bytes:
    """A string with its length before it."""
    return struct.pack(">I", len(data)) + data


class Fields:
    """Takes field after field from a message's body; ProtocolError when it is too short."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._body)

    def take(self, length: int) -> bytes:
        """So many bytes."""
        taken = self._body[self._at : self._at + length]
        if len(taken) < length:
            raise ProtocolError("a message ends too early")
        self._at += length
        return taken

    def uint32(self) -> int:
        """A number of four bytes."""
        return int.from_bytes(self.take(4), "big")

    def uint64(self) -> int:
        """A number of eight bytes."""
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        """A string with its length before it."""
        return self.take(self.uint32())

    def attributes(self) -> Attributes:
        """Attributes of a file (section 5 of the draft); owners and extensions are passed over."""
        flags = self.uint32()
        size = self.uint64() if flags & 0x1 else None
        if flags & 0x2:
            self.take(8)
        mode = self.uint32() if flags & 0x4 else None
        mtime = None
        if flags & 0x8:
            self.take(4)
            mtime = self.uint32()
        if flags & 0x8000_0000:
            for _ in range(self.uint32()):
                self.string()
                self.string()
        return Attributes(size, mtime, mode)


def extensions(body: bytes) -> frozenset[bytes]:
    """The names of what a server can do beside the protocol, from its VERSION."""
    fields = Fields(body)
    if fields.uint32() < VERSION:
        raise ProtocolError("the server speaks too old a version of SFTP")
    names = set()
    while fields:
        names.add(fields.string())
        fields.string()
    return frozenset(names)


def names(body: bytes) -> list[tuple[bytes, Attributes]]:
    """The entries of a folder, from a NAME."""
    fields = Fields(body)
    found = []
    for _ in range(fields.uint32()):
        name = fields.string()
        fields.string()  # as `ls -l` shows it
        found.append((name, fields.attributes()))
    return found


def largest_read(body: bytes) -> int:
    """The most bytes that a read may ask for, from the answer to `limits@openssh.com`; 0 is no limit."""
    fields = Fields(body)
    fields.uint64()  # the largest packet
    return fields.uint64()
