"""Physical lines: split at LF, CRLF and CR only, because other separators of Unicode belong inside cells."""

import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

_LF, _CR = b"\n\r"


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Consecutive physical lines; those in bytes become text only where it is asked for.

    Line `n`, from 0, stands in `data` from `bounds[n]` to `bounds[n + 1]`, with its line end. `raws` holds the xxh3_64
    of each line's bytes without its line end, and zeros where lines cannot be told in the bytes.
    """

    data: bytes | str
    bounds: NDArray[np.int64]
    raws: NDArray[np.uint64]
    encoding: str = ""

    def __len__(self) -> int:
        return len(self.raws)

    def texts(self, first: int, stop: int) -> list[str]:
        """The text of the lines from `first` up to, but without, `stop`."""
        stop = min(stop, len(self))
        part = self.data[int(self.bounds[first]) : int(self.bounds[stop])]
        text = part if isinstance(part, str) else part.decode(self.encoding, "surrogateescape")
        # This is faster, and right where it found no separators but the line ends.
        lines = text.splitlines(keepends=True)
        return lines if len(lines) == stop - first else split_lines(text)

    def part(self, first: int, stop: int) -> "Block":
        """The lines from `first` up to, but without, `stop`, as a block of its own."""
        bounds = self.bounds[first : stop + 1]
        data = self.data[int(bounds[0]) : int(bounds[-1])]
        return Block(data, bounds - bounds[0], self.raws[first:stop].copy(), self.encoding)


def block_of_bytes(data: bytes, encoding: str) -> Block:
    """Whole lines, in an encoding whose lines can be told in the bytes and be decoded alone."""
    lines = data.splitlines()
    raws = np.fromiter(map(xxhash.xxh3_64_intdigest, lines), np.uint64, len(lines))
    return Block(data, _bounds(data), raws, encoding)


def block_of_text(lines: Iterable[str]) -> Block:
    """Lines with their ends; all but the last one have one."""
    texts = list(lines)
    bounds = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Block("".join(texts), bounds, np.zeros(len(texts), np.uint64))


def _bounds(data: bytes) -> NDArray[np.int64]:
    """Where the lines begin, and where the last one ends."""
    chars = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(chars == _LF) + 1
    if np.count_nonzero(chars == _CR) > np.count_nonzero(chars[np.maximum(ends - 2, 0)] == _CR):
        returns = np.flatnonzero(chars == _CR) + 1
        alone = returns[chars[np.minimum(returns, len(chars) - 1)] != _LF]
        ends = np.union1d(ends, alone)
    rest = [] if len(ends) and ends[-1] == len(data) else [len(data)]
    return np.concatenate([[0], ends, rest if data else []]).astype(np.int64)


def split_lines(text: str) -> list[str]:
    """The text's lines with their ends; the last one may lack it."""
    return list(io.StringIO(text, newline=""))


def line_end(text: str) -> str:
    """The line ends of a text by name: LF, CRLF, CR, mixed, or none."""
    crlf = text.count("\r\n")
    counts = {"CRLF": crlf, "LF": text.count("\n") - crlf, "CR": text.count("\r") - crlf}
    found = [name for name, count in counts.items() if count]
    return found[0] if len(found) == 1 else "mixed" if found else "none"
