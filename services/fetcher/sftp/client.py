"""An SFTP client that only looks and reads, bounded in time and memory.

paramiko's own copies each block several times, reads 32 KiB a request, and decodes the names of a folder as UTF-8, so
that one strange name hides all the others.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from services.fetcher.sftp.answers import Answers, expect, is_end
from services.fetcher.sftp.blocks import SMALLEST, Block, Blocks
from services.fetcher.sftp.messages import (
    LIMITS,
    Attributes,
    Fields,
    Kind,
    ProtocolError,
    StatusError,
    largest_read,
    names,
    string,
    uint32,
    uint64,
)

_LARGEST_READ = 255 * 1024  # OpenSSH's own limit: 256 KiB with what stands around the data
_OPEN_READ = 1


class SftpClient:
    """Speaks on a channel where the `sftp` subsystem was started; `seconds` is the latest time for an answer.

    Its methods raise StatusError for what the server refuses, ProtocolError when it breaks the rules, TimeoutError
    when it is too slow, EOFError or OSError when the connection is gone.
    """

    def __init__(self, channel: Any, seconds: float) -> None:
        self._channel = channel
        self._answers = Answers(channel, seconds)
        self._extensions = self._answers.greet()
        self._largest: int | None = None

    def stat(self, path: str) -> Attributes:
        """What the server says of a file, or of what a link leads to."""
        return Fields(self._answers.answer(Kind.STAT, string(path.encode()), Kind.ATTRS)).attributes()

    def read(self, path: str, *, offset: int = 0, limit: int | None = None) -> Iterator[bytes]:
        """The file's bytes from `offset` on, in order, or the first `limit` of them, up to where the server ends.

        An answer that brings no byte that is next in order gives an empty piece, so that a caller can watch the time.
        """
        end = sys.maxsize if limit is None else offset + limit
        with self._opened(Kind.OPEN, string(path.encode()) + uint32(_OPEN_READ) + uint32(0)) as handle:
            yield from self._read_ahead(handle, Blocks(offset, end, self._most_at_once()))

    def list(self, folder: str) -> Iterator[tuple[bytes, Attributes]]:
        """The entries of a folder, as the server names them and in its order; it may never end."""
        with self._opened(Kind.OPENDIR, string(folder.encode())) as handle:
            while True:
                number = self._answers.ask(Kind.READDIR, string(handle))
                answer = self._answers.take()
                if answer.number == number and is_end(answer):
                    return
                found = names(expect(answer, Kind.NAME))
                if not found:
                    raise ProtocolError("an answer without an entry")
                yield from found

    def close(self) -> None:
        """Close the channel; the connection is the caller's."""
        self._channel.close()

    @contextmanager
    def _opened(self, kind: Kind, body: bytes) -> Iterator[bytes]:
        handle = Fields(self._answers.answer(kind, body, Kind.HANDLE)).string()
        try:
            yield handle
        finally:
            # What the server answers to that is of no interest; where the connection is gone, that is known already.
            with suppress(OSError, EOFError):
                self._answers.abandon(self._answers.ask(Kind.CLOSE, string(handle)))

    def _most_at_once(self) -> int:
        """How much one read may ask for: what the server says, else what every server must give."""
        if self._largest is None:
            self._largest = self._told_limit() if LIMITS in self._extensions else SMALLEST
        return self._largest

    def _told_limit(self) -> int:
        try:
            told = largest_read(self._answers.answer(Kind.EXTENDED, string(LIMITS), Kind.EXTENDED_REPLY))
        except StatusError:
            return SMALLEST
        return min(told or _LARGEST_READ, _LARGEST_READ)

    def _read_ahead(self, handle: bytes, blocks: Blocks) -> Iterator[bytes]:
        try:
            while not blocks.done:
                for block in blocks.to_ask():
                    self._ask_for(handle, blocks, block)
                self._take(handle, blocks)
                came = False
                for data in blocks.ready():
                    yield data
                    came = True
                if not came:
                    yield b""
        finally:
            for number in blocks.numbers:
                self._answers.abandon(number)

    def _ask_for(self, handle: bytes, blocks: Blocks, block: Block) -> None:
        length = block.end - block.at
        body = string(handle) + uint64(block.at) + uint32(length)
        blocks.asked(self._answers.ask(Kind.READ, body, most=length), block)

    def _take(self, handle: bytes, blocks: Blocks) -> None:
        begun = time.monotonic()
        answer = self._answers.take()
        if is_end(answer):
            for number in blocks.ended(answer.number):
                self._answers.abandon(number)
        elif rest := blocks.came(answer.number, expect(answer, Kind.DATA), time.monotonic() - begun):
            self._ask_for(handle, blocks, rest)
