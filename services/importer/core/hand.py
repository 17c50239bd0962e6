"""The lines at hand: of blocks that are taken when they are needed, and become text when they are looked at."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.importer.core.dialect import Dialect
from services.importer.core.lines import Block
from services.importer.core.record import Familiar

# Takes the raw hashes of consecutive lines and tells which records of the version before they were; -1: none.
Recall = Callable[[NDArray[np.uint64]], NDArray[np.int64]]

LAST = 12  # lines of a familiar run that are kept
_AT_ONCE = 256  # lines that become text at once


class _Piece:
    """Lines as text, and the number of the first."""

    def __init__(self, first: int, lines: list[str]) -> None:
        self.first = first
        self.lines = lines

    def __contains__(self, number: int) -> bool:
        return self.first <= number < self.first + len(self.lines)


class Hand:
    """Gives out lines by their numbers, which never fall but for what was looked at ahead of them."""

    def __init__(self, blocks: Iterable[Block], dialect: Dialect, before: int, recall: Recall | None) -> None:
        self._source = iter(blocks)
        self._recall = recall
        self._prepared = None if len(dialect.delimiter) == 1 and dialect.escape != "\\" else dialect.prepared
        self._blocks: deque[tuple[int, Block]] = deque()  # each with the number of its first line
        self._end = before + 1  # number of the first line that was not taken
        self._known: deque[tuple[int, NDArray[np.int64]]] = deque()  # runs of familiar lines
        self._at_hand = self._ahead = _Piece(0, [])

    def lines(self, number: int, most: int) -> list[str]:
        """Text of lines from this number on, at most so many, up to a familiar one; none at the end of the file."""
        if number not in self._at_hand:
            self._at_hand = self._piece(number, self._known[0][0] if self._known else None)
        place = number - self._at_hand.first
        return self._at_hand.lines[place : place + most]

    def raws(self, number: int, count: int) -> list[int]:
        """The raw hashes of lines that `lines` gave out together."""
        first, block = self._block(number)
        found: list[int] = block.raws[number - first : number - first + count].tolist()
        return found

    def line(self, number: int) -> str | None:
        """The text of one line, to look ahead; None beyond the end of the file."""
        if number in self._at_hand:
            return self._at_hand.lines[number - self._at_hand.first]
        if number not in self._ahead:
            self._ahead = self._piece(number, None)
        return self._ahead.lines[number - self._ahead.first] if number in self._ahead else None

    def familiar(self, number: int) -> Familiar | None:
        """The familiar lines from this number on, if it is one; blocks before it are forgotten."""
        self._reach(number)
        while len(self._blocks) > 1 and self._blocks[1][0] <= number:
            self._blocks.popleft()
        while self._known and self._known[0][0] + len(self._known[0][1]) <= number:
            self._known.popleft()
        if not self._known or number < self._known[0][0]:
            return None
        start, places = self._known.popleft()
        first, block = self._block(number)
        stop = start + len(places) - first
        last = block.part(max(number - first, stop - LAST), stop)
        return Familiar(number, places[number - start :], last)

    def _piece(self, number: int, stop: int | None) -> _Piece:
        if not self._reach(number):
            return _Piece(number, [])
        first, block = self._block(number)
        until = number + _AT_ONCE if stop is None else min(stop, number + _AT_ONCE)
        lines = block.texts(number - first, until - first)
        return _Piece(number, lines if self._prepared is None else list(map(self._prepared, lines)))

    def _reach(self, number: int) -> bool:
        """Take blocks until this line is among them; whether there is such a line."""
        while number >= self._end:
            block = next(self._source, None)
            if block is None:
                return False
            self._take(block)
        return True

    def _take(self, block: Block) -> None:
        self._blocks.append((self._end, block))
        if self._recall is not None:
            places = self._recall(block.raws)
            known = np.concatenate([[False], (places >= 0) & (block.raws != 0), [False]])
            edges: Sequence[int] = np.flatnonzero(known[1:] != known[:-1]).tolist()
            for start, stop in zip(edges[::2], edges[1::2], strict=True):
                self._known.append((self._end + start, places[start:stop]))
        self._end += len(block)

    def _block(self, number: int) -> tuple[int, Block]:
        return next((first, block) for first, block in reversed(self._blocks) if first <= number)
