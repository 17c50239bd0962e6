"""Remembers which keys were given out, in three bits each: what it does not know was not."""

from collections.abc import Iterator, Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

_BITS = 27  # 16 MiB: with 3 million keys one in 3,000 others is taken for one of them, with 30 million every eighth
_BITS_A_KEY = 3


class Issued:
    """A Bloom filter of keys."""

    def __init__(self) -> None:
        self._bits = np.zeros(1 << (_BITS - 3), np.uint8)

    def add(self, keys: Sequence[str]) -> None:
        """Remember keys."""
        for place, bit in self._places(keys):
            np.bitwise_or.at(self._bits, place, bit)

    def perhaps(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that may have been added; certainly all that were."""
        found = np.ones(len(keys), np.bool_)
        for place, bit in self._places(keys):
            found &= (self._bits[place] & bit) != 0
        return [keys[at] for at in np.flatnonzero(found).tolist()]

    def _places(self, keys: Sequence[str]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.uint8]]]:
        """The bytes, and the bits in them, that stand for each key."""
        hashes = np.fromiter(map(xxhash.xxh3_64_intdigest, keys), np.uint64, len(keys))
        step = hashes >> np.uint64(32)
        for _ in range(_BITS_A_KEY):
            hashes = hashes + step
            place = hashes & np.uint64((1 << _BITS) - 1)
            yield (place >> np.uint64(3)).astype(np.intp), (np.uint64(1) << (place & np.uint64(7))).astype(np.uint8)
