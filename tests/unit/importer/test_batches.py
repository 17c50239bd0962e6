"""A batch fits into memory, however long its records are."""

from services.importer.core.record import Outcome, Record, Reject, Skipped
from services.importer.handler import batches


def sizes(records: list[Outcome], rows: int) -> list[int]:
    return [len(batch) for batch in batches(records, rows)]


def test_a_batch_has_so_many_records_whatever_they_are() -> None:
    records: list[Outcome] = [Record(1, ("a",)), Skipped(2), Reject(3, None, "bad", "", cells=("b",)), Skipped(4)]

    assert sizes(records * 2, rows=3) == [3, 3, 2]
    assert sizes([], rows=3) == []


def test_long_records_make_short_batches_that_lose_nothing() -> None:
    records: list[Outcome] = [Record(line, ("x" * 1_000_000, "y")) for line in range(20)]

    found = list(batches(records, rows=5_000))

    assert max(map(len, found)) <= 8
    assert [record.line for batch in found for record in batch] == list(range(20))
