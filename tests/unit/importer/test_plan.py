"""What a first look keeps of a file fits into memory; what it does not keep is read again."""

from collections.abc import Iterator

import numpy as np
import pytest

from services.importer.batches import Batch
from services.importer.core.delta import ENTRY, Hashes
from services.importer.core.record import LeadRow, Reject, Skipped
from services.importer.fingerprints import Fingerprints
from services.importer.plan import Changes, find_changes

FAULTS = [Reject(9, None, "bad", "", cells=("x",))]


@pytest.fixture
def before() -> Iterator[Fingerprints]:
    """Four records of two leads."""
    with Fingerprints() as made:
        made.add(np.array([(11, 21, 1), (12, 22, 1), (13, 23, 2), (14, 24, 2)], ENTRY))
        yield made


def leads_of(rows: list[LeadRow]) -> Hashes:
    return np.array([2 for _ in rows], np.uint64)


def changes(before: Fingerprints, *batches: Batch) -> Changes:
    return find_changes(batches, before, leads_of, lambda: None)


def familiar(*places: int) -> Batch:
    return Batch(read=len(places), places=np.array(places, np.int64))


def read(content: int, chars: int = 10) -> Batch:
    return Batch(
        read=1,
        chars=chars,
        places=np.array([-1]),
        rows=[LeadRow(2, "Acme")],
        numbers=[1],
        raws=np.array([99], np.uint64),
        contents=np.array([content], np.uint64),
    )


def test_where_nothing_changed_nothing_is_merged(before: Fingerprints) -> None:
    found = changes(before, familiar(0, 1), familiar(2, 3))

    assert found.merged.tolist() == [False] * 4
    assert found.vanished.tolist() == []
    assert found.batches is not None


def test_all_records_of_a_lead_are_merged_where_one_changed(before: Fingerprints) -> None:
    found = changes(before, familiar(0, 1), read(77), familiar(3))

    assert found.places.tolist() == [0, 1, -1, 3]
    assert found.merged.tolist() == [False, False, True, True]
    assert found.vanished.tolist() == [2]
    # The last record is to be merged, and was not read.
    assert found.batches is None
    assert found.untouched()(np.array([11, 12, 13, 14], np.uint64)).tolist() == [0, 1, -1, -1]


def test_a_record_that_means_the_same_is_not_merged(before: Fingerprints) -> None:
    found = changes(before, familiar(0, 1), read(23), familiar(3))

    assert found.places.tolist() == [0, 1, 2, 3]
    assert not found.merged.any()


@pytest.mark.parametrize(
    "batch",
    [
        Batch(read=20_001, rejected=[(number, FAULTS) for number in range(20_001)]),
        Batch(read=20_001, skipped=[Skipped(number) for number in range(20_001)]),
        read(77, chars=8_000_001),
    ],
    ids=["rejects", "blank lines", "long cells"],
)
def test_what_is_too_much_is_not_kept(before: Fingerprints, batch: Batch) -> None:
    assert changes(before, familiar(0, 1), batch, familiar(2, 3)).batches is None
