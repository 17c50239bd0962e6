"""A batch fits into memory, however long its records are, and says where each of them was before."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.batches import Batch, read_batches
from services.importer.core.binding import Binding
from services.importer.core.lines import block_of_text
from services.importer.core.mapping import Mapping, bind
from services.importer.core.record import Familiar, Outcome, Record, Reject, Skipped
from services.importer.core.table import Header
from services.importer.text import FileRefused


def a_binding() -> Binding:
    found = bind(Mapping(1, {"Name": "LEAD_NAME"}, {}, None), Header(1, ("Name", "Note")))
    assert isinstance(found, Binding)
    return found


def batches(records: Sequence[Outcome], rows: int = 3, most: int = 1_000) -> list[Batch]:
    return list(read_batches(records, a_binding(), rows=rows, most=most))


def familiar(line: int, *places: int) -> Familiar:
    return Familiar(line, np.array(places, np.int64), block_of_text(()))


def record(line: int, name: str = "Acme") -> Record:
    return Record(line, (name, ""), raw=line)


def test_a_batch_has_so_many_records_whatever_they_are() -> None:
    records: list[Outcome] = [record(1), Skipped(2), Reject(3, None, "bad", "", cells=("b",)), Skipped(4)]

    assert [batch.read for batch in batches(records * 2)] == [3, 3, 2]
    assert batches([]) == []


def test_long_records_make_short_batches_that_lose_nothing() -> None:
    records: list[Outcome] = [Record(line, ("x", "y" * 1_000_000)) for line in range(20)]

    found = batches(records, rows=5_000)

    assert max(batch.read for batch in found) <= 9
    assert [row.line for batch in found for row in batch.rows] == list(range(20))


def test_records_are_sorted_by_what_became_of_them_and_keep_their_numbers() -> None:
    # Given records, one of them without a name, two that are known, and what is no record
    fault = Reject(5, None, "bad", "", cells=("b",))
    records: list[Outcome] = [record(2), record(3, name=""), familiar(4, 7, 8), fault, Skipped(7), record(8)]

    (batch,) = batches(records, rows=10)

    assert (batch.read, batch.lines) == (7, 8)
    assert [(row.line, number) for row, number in zip(batch.rows, batch.numbers, strict=True)] == [(2, 1), (8, 6)]
    assert [(number, faults[0].code) for number, faults in batch.rejected] == [(5, "bad"), (2, "company_name_missing")]
    assert batch.places.tolist() == [-1, 7, 8, -1]
    assert batch.raws.tolist() == [2, 8]
    assert len(batch.contents) == 2


def an_outcome(kind: str, line: int) -> Outcome:
    match kind:
        case "known":
            return familiar(line, line)
        case "blank":
            return Skipped(line)
        case "bad":
            return Reject(line, None, "bad", "", cells=("b",))
        case _:
            return record(line, name="" if kind == "nameless" else "Acme")


KINDS = st.sampled_from(["good", "nameless", "known", "known", "blank", "bad"])


@given(st.lists(KINDS, max_size=30), st.integers(1, 9))
def test_places_stand_in_the_order_of_the_file(kinds: list[str], rows: int) -> None:
    records = [an_outcome(kind, line) for line, kind in enumerate(kinds)]

    found = batches(records, rows)

    expected = [line if kind == "known" else -1 for line, kind in enumerate(kinds) if kind in ("good", "known")]
    assert [place for batch in found for place in batch.places.tolist()] == expected
    assert sum(batch.read for batch in found) == len(kinds)


def test_a_row_of_which_something_is_told_is_not_recalled_by_its_line() -> None:
    (batch,) = batches([Record(2, ("Acme", ""), "short_row", 5), Record(3, ("Bolt", ""), "", 6)])

    assert batch.raws.tolist() == [0, 6]


def test_a_file_with_too_many_rows_is_refused() -> None:
    records: list[Outcome] = [record(2), Skipped(3), familiar(4, 1, 2)]

    assert len(batches(records, most=3)) == 1
    with pytest.raises(FileRefused):
        batches(records, most=2)
