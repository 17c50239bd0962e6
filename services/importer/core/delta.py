"""Which records of a file changed since the version before, told by the fingerprints of both alone.

A record is told by a hash of its raw line, a hash of what it means, and the lead that it was merged into. Positions are
counted from 0 over the records that were merged, in file order.
"""

from collections.abc import Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

ENTRY = np.dtype([("raw", "<u8"), ("content", "<u8"), ("lead", "<u8")])

T = TypeVar("T", bound=np.generic)
Hashes = NDArray[np.uint64]
Places = NDArray[np.int64]  # positions in the version before; -1: none
Entries = NDArray[np.void]  # of ENTRY

# What is sorted at once, which bounds the memory that comparing large files takes.
_AT_ONCE = 500_000
_NONE = np.empty(0, np.uint64)


class Before(Protocol):
    """The entries of the version before."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int) -> Entries:
        """Those from one position up to another."""

    def at(self, places: Places) -> Entries:
        """Those at these positions, none of which is -1."""


def blocks(before: Before) -> Iterator[Entries]:
    """All entries, a bounded part at a time."""
    for start in range(0, len(before), _AT_ONCE):
        yield before.part(start, min(start + _AT_ONCE, len(before)))


def column(before: Before, name: str) -> Hashes:
    """One field of all entries."""
    found = np.empty(len(before), np.uint64)
    start = 0
    for block in blocks(before):
        found[start : start + len(block)] = block[name]
        start += len(block)
    return found


class Recall:
    """Finds raw lines again: first where the line before them leads to expect them, else wherever they were."""

    def __init__(self, before: Before) -> None:
        self._before = before
        self._next = 0
        self._sorted: Hashes | None = None
        self._mask = np.uint64((1 << len(before).bit_length()) - 1)

    def __call__(self, raws: Hashes) -> Places:
        """A position for each raw hash of consecutive lines, -1 for the unknown ones."""
        expected = self._before.part(self._next, min(self._next + len(raws), len(self._before)))["raw"]
        places = np.arange(self._next, self._next + len(raws))
        strange = np.ones(len(raws), np.bool_)
        strange[: len(expected)] = (expected != raws[: len(expected)]) | (expected == 0)
        if strange.any():
            places[strange] = self._find(raws[strange])
        known = places[places >= 0]
        if len(known):
            self._next = int(known[-1]) + 1
        return places

    def _find(self, raws: Hashes) -> Places:
        if not len(self._before):
            return np.full(len(raws), -1)
        if self._sorted is None:
            self._sorted = self._packed()
        wanted = raws & ~self._mask
        near = self._sorted[np.minimum(np.searchsorted(self._sorted, wanted), len(self._sorted) - 1)]
        places = (near & self._mask).astype(np.int64)
        # Records without a raw hash have a zero, and are found by what they mean.
        found = ((near & ~self._mask) == wanted) & (raws != 0)
        found[found] = self._before.at(places[found])["raw"] == raws[found]
        return np.where(found, places, -1)

    def _packed(self) -> Hashes:
        """The hashes in order, their low bits replaced by their positions: one number each, sorted in place."""
        hashes = column(self._before, "raw")
        hashes &= ~self._mask
        for start in range(0, len(hashes), _AT_ONCE):
            part = hashes[start : start + _AT_ONCE]
            part |= np.arange(start, start + len(part), dtype=np.uint64)
        hashes.sort()
        return hashes


class Comparison:
    """Takes the records of a new version in file order, and pairs each with its like in the version before.

    Lines that come in the order of before are paired as they come. The rest is paired by what it means: the first of
    equal records with the first of before, and so on.
    """

    def __init__(self, before: Before) -> None:
        self._before = before
        self._last = -1
        self._count = 0
        self._places: list[NDArray[np.int32]] = []
        self._paired = np.zeros(len(before), np.bool_)
        self._open: list[NDArray[np.int32]] = []  # positions in the new version
        self._contents: list[Hashes] = []
        self._known_contents: Hashes | None = None

    def take(self, places: Places, contents: Hashes) -> NDArray[np.bool_]:
        """Take records: where their raw lines were before, or -1 for those that were read; and what the latter mean.

        Tells which of these contents no record of before had.
        """
        strange = self._strange(contents)
        highest = np.maximum.accumulate(np.concatenate(([self._last], places)))
        in_order = places > highest[:-1]
        self._last = int(highest[-1])
        self._paired[places[in_order]] = True
        self._places.append(np.where(in_order, places, -1).astype(np.int32))
        open_ = ~in_order
        open_[places < 0] = ~strange
        if open_.any():
            left = np.flatnonzero(open_)
            self._open.append((self._count + left).astype(np.int32))
            self._contents.append(self._meanings(places[left], contents[~strange]))
        self._count += len(places)
        return strange

    def _meanings(self, places: Places, contents: Hashes) -> Hashes:
        found = np.empty(len(places), np.uint64)
        found[places < 0] = contents
        found[places >= 0] = self._before.at(places[places >= 0])["content"]
        return found

    def _strange(self, contents: Hashes) -> NDArray[np.bool_]:
        if not len(contents):
            return np.zeros(0, np.bool_)
        if self._known_contents is None:
            self._known_contents = column(self._before, "content")
            self._known_contents.sort()
        return ~among(contents, self._known_contents)

    def settle(self) -> tuple[NDArray[np.int32], Hashes]:
        """The position before of each record, -1 for a changed one; and the leads whose records are not the same.

        Of those leads a record vanished or came once more, or their order is another, because a later cell wins. The
        leads of records that mean something else than any record of before are not among them.
        """
        self._known_contents = None
        places = _joined(self._places, np.empty(0, np.int32))
        surplus = self._pair_rest(places)
        touched = (self.vanished(), self._moved(places), self._leads_of(surplus))
        return places, np.unique(np.concatenate(touched))

    def _pair_rest(self, places: NDArray[np.int32]) -> Hashes:
        """Fill in the places of what is not paired yet; the contents that have no like, or no like any more."""
        open_, contents = _joined(self._open, np.empty(0, np.int32)), _joined(self._contents, _NONE)
        left = np.flatnonzero(~self._paired).astype(np.int32)
        pairs = pair(contents, self._at(left, "content"))
        found = pairs >= 0
        likes = left[pairs[found]]
        places[open_[found]] = likes
        self._paired[likes] = True
        return np.unique(contents[~found])

    def vanished(self) -> Hashes:
        """The leads of the records of before that have no like, one for each record; after `settle`."""
        return self._at(np.flatnonzero(~self._paired), "lead")

    def _moved(self, places: NDArray[np.int32]) -> Hashes:
        known = places[places >= 0]
        if not len(known) or (known[1:] > known[:-1]).all():
            return _NONE
        return moved(self._at(known, "lead"), known, self._at(known, "content"))

    def _leads_of(self, contents: Hashes) -> Hashes:
        if not len(contents):
            return _NONE
        found = [block["lead"][among(block["content"], contents)] for block in blocks(self._before)]
        return np.concatenate([*found, _NONE])

    def _at(self, places: NDArray[np.integer[Any]], name: str) -> Hashes:
        found = np.empty(len(places), np.uint64)
        for start in range(0, len(places), _AT_ONCE):
            found[start : start + _AT_ONCE] = self._before.at(places[start : start + _AT_ONCE].astype(np.int64))[name]
        return found


def _joined(parts: list[NDArray[T]], empty: NDArray[T]) -> NDArray[T]:
    """The parts in one, which are let go: large files leave no room for both."""
    found = np.concatenate([*parts, empty])
    parts.clear()
    return found


def pair(new: Hashes, old: Hashes, at_once: int = _AT_ONCE) -> Places:
    """For each new hash the position of an equal old one, -1 for none; equal ones are paired in order, each once."""
    found = np.full(len(new), -1, np.int64)
    for mine, theirs in _shares(new, old, at_once):
        found[mine] = _paired(new[mine], old[theirs], theirs)
    return found


def _paired(new: Hashes, old: Hashes, places: Places) -> Places:
    by_new, by_old = np.argsort(new, kind="stable"), np.argsort(old, kind="stable")
    wanted, there = new[by_new], old[by_old]
    rank = np.arange(len(new)) - np.searchsorted(wanted, wanted)
    at = np.searchsorted(there, wanted) + rank
    fits = at < np.searchsorted(there, wanted, side="right")
    found = np.full(len(new), -1)
    found[by_new[fits]] = places[by_old[at[fits]]]
    return found


def moved(leads: Hashes, places: NDArray[np.integer[Any]], contents: Hashes, at_once: int = _AT_ONCE) -> Hashes:
    """The leads whose records, given in their new order, said something else in the order of before."""
    found = [_NONE]
    for mine, _ in _shares(leads, _NONE, at_once):
        ours, theirs, says = leads[mine], places[mine], contents[mine]
        new, old = np.argsort(ours, kind="stable"), np.lexsort((theirs, ours))
        found.append(ours[new][says[new] != says[old]])
    return np.unique(np.concatenate(found))


def missing(old: Hashes, new: Hashes, at_once: int = _AT_ONCE) -> int:
    """How many records leads have lost: of each lead those that it had less those that it has, where it had more."""
    lost = 0
    for mine, theirs in _shares(old, new, at_once):
        leads, had = np.unique(old[mine], return_counts=True)
        present = np.sort(new[theirs])
        has = np.searchsorted(present, leads, side="right") - np.searchsorted(present, leads)
        lost += int(np.maximum(had - has, 0).sum())
    return lost


def _shares(new: Hashes, old: Hashes, at_once: int) -> Iterator[tuple[Places, Places]]:
    """Positions of such parts of both that equal hashes are in the same part."""
    parts = 1 + (len(new) + len(old)) // at_once
    if parts == 1:
        yield np.arange(len(new)), np.arange(len(old))
        return
    for part in range(parts):
        yield np.flatnonzero(new % parts == part), np.flatnonzero(old % parts == part)


def among(leads: Hashes, touched: Hashes) -> NDArray[np.bool_]:
    """Which of the leads are among those that are `touched`, which are sorted."""
    if not len(touched):
        return np.zeros(len(leads), np.bool_)
    near = np.minimum(np.searchsorted(touched, leads), len(touched) - 1)
    found: NDArray[np.bool_] = touched[near] == leads
    return found
