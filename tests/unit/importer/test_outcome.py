"""Every record is counted, while what is kept of faults stays small."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.batches import Batch
from services.importer.core.record import LeadRow, Reject, Skipped, Warning_
from services.importer.outcome import Ending, Outcome
from services.importer.reject_file import RejectFile
from shared.contracts import RowCounts

OPENED = ExitStack()


@pytest.fixture(autouse=True, scope="module")
def closed() -> Iterator[None]:
    """Closes the reject files of all tests at the end."""
    with OPENED:
        yield


def an_outcome(*, kept: int = 0, told: int = 0) -> Outcome:
    return Outcome(kept=kept, told=told, reject_file=OPENED.enter_context(RejectFile(("a", "b"), kept)))


def faults(line: int, count: int = 1) -> list[Reject]:
    return [Reject(line, f"column {number}", "bad", "Correct it.", cells=("x", "y")) for number in range(count)]


def a_row(line: int = 2, *, warnings: int = 0, unknown_status: str | None = None) -> LeadRow:
    notes = tuple(Warning_(line, f"column {number}", "bad", "Left out.") for number in range(warnings))
    return LeadRow(line=line, name="Acme", warnings=notes, unknown_status=unknown_status)


def test_a_record_with_several_faults_is_one_rejected_record() -> None:
    outcome = an_outcome(kept=10, told=5)

    outcome.reject(faults(2, 3), 7)

    assert outcome.tally.rejected == 1
    assert [(fault.line, fault.column, fault.record) for fault in outcome.rejects] == [
        (2, f"column {number}", 7) for number in range(3)
    ]
    assert outcome.reject_file.count == 1


def test_the_record_itself_is_kept_in_the_file_alone() -> None:
    outcome = an_outcome(kept=1)

    outcome.reject(faults(2), 1)

    assert outcome.rejects[0].cells == ()
    assert b'"x","y","2"' in b"".join(outcome.reject_file.chunks())


@given(kept=st.integers(0, 5), sizes=st.lists(st.integers(1, 4), max_size=8))
def test_all_rejects_are_counted_and_the_first_are_kept(kept: int, sizes: list[int]) -> None:
    outcome = an_outcome(kept=kept, told=1)
    for line, size in enumerate(sizes):
        outcome.reject(faults(line, size), line + 1)

    everything = [(line, fault.column) for line, size in enumerate(sizes) for fault in faults(line, size)]
    assert outcome.tally.rejected == len(sizes)
    assert [(fault.record - 1, fault.column) for fault in outcome.rejects] == everything[:kept]


@given(told=st.integers(0, 5), sizes=st.lists(st.integers(0, 4), max_size=8))
def test_all_warnings_are_counted_and_the_first_are_kept(told: int, sizes: list[int]) -> None:
    outcome = an_outcome(kept=0, told=told)
    for line, size in enumerate(sizes):
        outcome.note(a_row(line, warnings=size), 0)

    everything = [note for line, size in enumerate(sizes) for note in a_row(line, warnings=size).warnings]
    assert outcome.warning_count == sum(sizes)
    assert outcome.warnings == everything[:told]


@pytest.mark.parametrize(("code", "told"), [("blank", []), ("preamble", []), ("repeated_header", [9]), ("footer", [9])])
def test_what_is_no_row_is_counted_and_told_unless_it_is_blank_or_told_already(code: str, told: list[int]) -> None:
    outcome = an_outcome(told=5)

    outcome.skip(Skipped(9, code))

    assert outcome.tally.ignored == 1
    assert [(note.line, note.code, note.record) for note in outcome.warnings] == [(line, code, 0) for line in told]


def test_a_batch_is_told_in_the_order_of_the_file() -> None:
    outcome = an_outcome(kept=5, told=5)
    rows = [a_row(2, warnings=1), a_row(4), a_row(5, warnings=1)]
    batch = Batch(6, rows=rows, numbers=[1, 3, 4], skipped=[Skipped(6, "footer")], rejected=[(2, faults(3))])

    outcome.tell(batch)

    assert (outcome.tally.read, outcome.tally.rejected, outcome.tally.ignored) == (6, 1, 1)
    assert [(note.line, note.record) for note in outcome.warnings] == [(2, 1), (5, 4), (6, 0)]
    assert [(fault.line, fault.record) for fault in outcome.rejects] == [(3, 2)]


def test_a_warning_costs_no_record() -> None:
    outcome = an_outcome(kept=1, told=1)

    outcome.note(a_row(warnings=2), 1)

    assert outcome.counts() == RowCounts()


def test_unknown_statuses_are_counted_each() -> None:
    outcome = an_outcome(kept=0, told=0)
    for status in ("Client", "Prospect", "Client", None):
        outcome.note(a_row(unknown_status=status), 1)

    assert outcome.unknown_statuses == {"Client": 2, "Prospect": 1}


def test_a_status_column_full_of_free_text_does_not_fill_the_memory() -> None:
    outcome = an_outcome(kept=0, told=0)
    for number in [*range(150), 0, 149]:
        outcome.note(a_row(unknown_status=f"text {number}"), 1)

    assert len(outcome.unknown_statuses) == 100
    assert outcome.unknown_statuses["text 0"] == 2
    assert outcome.unknown_statuses["text 149"] == 0


def test_two_outcomes_share_nothing() -> None:
    first, second = an_outcome(kept=1, told=1), an_outcome(kept=1, told=1)

    first.reject(faults(1), 1)
    first.note(a_row(warnings=1, unknown_status="x"), 1)

    assert (second.rejects, second.warnings, second.unknown_statuses) == ([], [], {})
    assert second.counts() == RowCounts()


def test_the_counts_are_those_of_the_tally() -> None:
    outcome = an_outcome(kept=0, told=0)
    tally = outcome.tally
    tally.read, tally.created, tally.updated, tally.unchanged, tally.rejected, tally.ignored = 21, 1, 2, 3, 4, 11

    expected = RowCounts(read=21, created=1, updated=2, unchanged=3, rejected=4, ignored=11)
    assert outcome.counts() == expected
    assert Ending("succeeded", 1, outcome=outcome).counts() == expected


@pytest.mark.parametrize("ending", [Ending("unchanged", 1), Ending("failed", 0, code="bad_header")])
def test_a_run_that_imported_nothing_counts_nothing(ending: Ending) -> None:
    assert ending.counts() == RowCounts()
