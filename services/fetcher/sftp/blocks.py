"""Which parts of a file to ask for next, and which of those that came are next in order: no I/O, bounded memory."""

from collections import deque
from collections.abc import Iterator

from services.fetcher.sftp.messages import ProtocolError

SMALLEST = 32 * 1024  # what every server must answer (section 3 of the draft)
_WINDOW = 5 * 1024 * 1024  # more overruns buffers on the way
_FEWEST, _MOST = 20, 64  # requests in flight
_QUICK_SECONDS = 1.0


class Block:
    """A part of the file that was asked for, whole or not yet."""

    __slots__ = ("data", "end", "start")

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.data: bytes | bytearray = b""

    @property
    def at(self) -> int:
        """Where what is missing begins."""
        return self.start + len(self.data)


class Blocks:
    """The blocks between the first byte that is not yet read and the last that was asked for.

    Blocks begin small and grow as long as answers come quickly, so a slow line is not asked for more than it can carry
    in time. A server that twice gives the same short answer is asked for no more than that.
    """

    def __init__(self, offset: int, end: int, largest: int) -> None:
        self._next = offset
        self._end = end
        self._largest = max(1, largest)
        self._size = min(SMALLEST, self._largest)
        self._short = 0
        self._blocks: deque[Block] = deque()
        self._asked: dict[int, Block] = {}

    @property
    def numbers(self) -> list[int]:
        """The requests that have no answer yet."""
        return list(self._asked)

    @property
    def done(self) -> bool:
        """Whether every block was given out and none is left to ask for."""
        return not self._blocks and self._next >= self._end

    def to_ask(self) -> Iterator[Block]:
        """New blocks, as many as may be in flight."""
        most = min(_MOST, max(_FEWEST, _WINDOW // self._size))
        while len(self._blocks) < most and self._next < self._end:
            block = Block(self._next, min(self._next + self._size, self._end))
            self._blocks.append(block)
            self._next = block.end
            yield block

    def asked(self, number: int, block: Block) -> None:
        """What is missing of a block was asked for under this number."""
        self._asked[number] = block

    def came(self, number: int, data: bytes, waited: float) -> Block | None:
        """Take an answer that was waited for so many seconds; the block if something of it is still missing."""
        block = self._asked.pop(number)
        wanted = block.end - block.at
        if not 0 < len(data) <= wanted:
            raise ProtocolError("the server sends more than was asked for, or nothing")
        self._adapt(len(data), wanted, waited)
        if block.data:
            block.data = bytearray(block.data) if isinstance(block.data, bytes) else block.data
            block.data += data
        else:
            block.data = data
        return block if block.at < block.end else None

    def ended(self, number: int) -> list[int]:
        """The file ends where this request begins; the requests whose answers do not matter any more."""
        block = self._asked.pop(number)
        self._end = min(self._end, block.at)
        self._next = max(self._next, self._end)
        block.end = block.at
        beyond = [other for other, asked in self._asked.items() if asked.start >= self._end]
        for other in beyond:
            del self._asked[other]
        while self._blocks and self._blocks[-1].start >= self._end:
            self._blocks.pop()
        return beyond

    def ready(self) -> Iterator[bytes]:
        """The bytes that are next in order."""
        while self._blocks and self._blocks[0].at >= self._blocks[0].end:
            data = self._blocks.popleft().data
            if data:
                yield bytes(data)

    def _adapt(self, came: int, wanted: int, waited: float) -> None:
        if came < wanted:
            if came == self._short:
                self._largest = self._size = came
            self._short = came
        elif waited > _QUICK_SECONDS:
            self._size = max(self._size // 2, min(SMALLEST, self._largest))
        else:
            self._size = min(self._size * 2, self._largest)
