"""What of a file has to be merged: all of it, or what a comparison with the version before says."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.importer.batches import Batch
from services.importer.core.delta import ENTRY, Comparison, Entries, Hashes, Places, Recall, among, blocks, column
from services.importer.core.record import LeadRow
from services.importer.fingerprints import Fingerprints

_KEPT = 20_000  # records
_KEPT_CHARS = 8_000_000

Mask = NDArray[np.bool_]
# The leads that rows mean and that exist, as the low 64 bits of their ids.
Leads = Callable[[list[LeadRow]], Hashes]


class Plan(Protocol):
    """Says of each accepted record, by its position, what becomes of it."""

    def part(self, start: int, count: int) -> tuple[Entries, Mask, Mask]:
        """What is known of so many records from before; which are merged; and which have no like in that version."""

    def gone(self) -> Hashes:
        """The lead of each record of the version before that has no like in this one."""


class Whole:
    """Everything is merged. The version before, if there was one, tells no more than which leads its records had."""

    def __init__(self, before: Fingerprints | None) -> None:
        self._before = before

    def part(self, start: int, count: int) -> tuple[Entries, Mask, Mask]:  # noqa: ARG002 - see Plan
        """Nothing is known."""
        return np.zeros(count, ENTRY), np.ones(count, np.bool_), np.full(count, self._before is not None)

    def gone(self) -> Hashes:
        """All leads of before."""
        return np.empty(0, np.uint64) if self._before is None else column(self._before, "lead")


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed is merged, and all records of a lead of which one changed, because a later cell wins.

    `places` says where each record was in the version before, -1 where it was not; `batches` is what was read of the
    file, if nothing else has to be merged.
    """

    before: Fingerprints
    places: NDArray[np.int32]
    merged: Mask
    touched: Hashes
    vanished: Hashes
    batches: list[Batch] | None

    def part(self, start: int, count: int) -> tuple[Entries, Mask, Mask]:
        """What stays as it is keeps its entry."""
        places = self.places[start : start + count].astype(np.int64)
        entries = np.zeros(count, ENTRY)
        entries[places >= 0] = self.before.at(places[places >= 0])
        return entries, self.merged[start : start + count], places < 0

    def gone(self) -> Hashes:
        """The leads of the records that vanished."""
        return self.vanished

    def untouched(self) -> Callable[[Hashes], Places]:
        """Recalls the lines of those records alone that need not be merged."""
        recall = Recall(self.before)

        def find(raws: Hashes) -> Places:
            places = recall(raws)
            known = np.flatnonzero(places >= 0)
            places[known[among(self.before.at(places[known])["lead"], self.touched)]] = -1
            return places

        return find


def find_changes(batches: Iterable[Batch], before: Fingerprints, leads_of: Leads, alive: Callable[[], None]) -> Changes:
    """Go through the whole file once, and compare; `alive` may raise between batches."""
    comparison = Comparison(before)
    touched: list[Hashes] = []
    kept = _Kept()
    for batch in batches:
        alive()
        new = comparison.take(batch.places, batch.contents)
        if strange := [batch.rows[at] for at in np.flatnonzero(new)]:
            touched.append(leads_of(strange))
        kept.add(batch)
    places, known = comparison.settle()
    all_touched = np.unique(np.concatenate([known, *touched]))
    merged = _merged(places, before, all_touched)
    return Changes(before, places, merged, all_touched, comparison.vanished(), kept.batches(merged))


def _merged(places: NDArray[np.int32], before: Fingerprints, touched: Hashes) -> Mask:
    if not len(touched):
        return places < 0
    # The last one is for those that were nowhere, at -1.
    known = [*(among(block["lead"], touched) for block in blocks(before)), np.ones(1, np.bool_)]
    merged: Mask = np.concatenate(known)[places]
    return merged


class _Kept:
    """The batches, as long as they hold little."""

    def __init__(self) -> None:
        self._batches: list[Batch] | None = []
        self._records = self._chars = 0
        self._read: list[Places] = []
        self._count = 0

    def add(self, batch: Batch) -> None:
        if self._batches is None:
            return
        self._read.append(self._count + np.flatnonzero(batch.places < 0))
        self._count += len(batch.places)
        self._records += len(batch.rows) + len(batch.rejected) + len(batch.skipped)
        self._chars += batch.chars
        # Where they were is in the comparison: here it matters alone whether they were read.
        batch.places = np.minimum(batch.places, 0).astype(np.int8)
        self._batches.append(batch)
        if self._records > _KEPT or self._chars > _KEPT_CHARS:
            self._batches, self._read = None, []

    def batches(self, merged: Mask) -> list[Batch] | None:
        """None where a record has to be merged that was not read, or where there were too many to keep."""
        enough = merged.sum() == sum(int(merged[read].sum()) for read in self._read)
        return self._batches if enough else None
