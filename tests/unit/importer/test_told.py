"""What the importer tells the UI when a run ends."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.importer import told
from services.importer.core.record import LeadRow, Reject, Warning_
from services.importer.outcome import Ending, Outcome
from services.importer.proposal import Proposal
from services.importer.reject_file import RejectFile
from services.importer.store import Claim
from shared.contracts import (
    ColumnView,
    CsvOptions,
    MappingNeeded,
    NotificationPushed,
    Reading,
    StatusView,
    SyncFailed,
    SyncSucceeded,
    SyncUnchanged,
)
from shared.errors import CODES

DUE = datetime(2025, 3, 1, 8, 15, tzinfo=UTC)
RUN: dict[str, Any] = {"state": "active", "due_at": DUE, "progress_told": False}
CLAIM = Claim(
    run_id=UUID(int=1),
    org_id=UUID(int=2),
    connector_id=UUID(int=3),
    attempt=1,
    reply_to="event-1",
    checksum="ab" * 32,
    blob="org/2/" + "ab" * 32,
    file_checksum=None,
    file_mapping_version=None,
    file_code=None,
    connector_name="CRM export",
    path="/exports/leads.csv",
    dry_run=False,
    csv=CsvOptions(),
)
READING = Reading(
    encoding="cp1252",
    encoding_confidence=87,
    delimiter=";",
    quote='"',
    escape="",
    line_end="CRLF",
    header_line=3,
)
ABOUT = {
    "organisation_id": CLAIM.org_id,
    "in_reply_to": "event-1",
    "connector_id": CLAIM.connector_id,
    "run_id": CLAIM.run_id,
}


OPENED = ExitStack()


@pytest.fixture(autouse=True, scope="module")
def closed() -> Iterator[None]:
    """Closes the reject files of all tests at the end."""
    with OPENED:
        yield


def an_outcome(*, told_rows: int = 20) -> Outcome:
    outcome = Outcome(
        kept=100,
        told=told_rows,
        reject_file=OPENED.enter_context(RejectFile(("Name", "Site"), 100)),
        unmapped_columns=("Notes", "Fax"),
        missing_columns=("SIREN",),
    )
    outcome.tally.read, outcome.tally.created, outcome.tally.updated = 10, 4, 3
    outcome.tally.unchanged, outcome.tally.ignored = 1, 1
    outcome.reject([Reject(7, "Name", "company_name_missing", "Fill it in.", "", cells=("", "x.fr"))], 6)
    warning = Warning_(2, "Site", "bad_website", "Left out.", "xx?")
    outcome.note(LeadRow(2, "Acme", unknown_status="Client", warnings=(warning,)), 1)
    return outcome


def _ending(outcome: Outcome) -> Ending:
    return Ending("succeeded", 4, outcome=outcome, reading=READING, reject_blob="org/2/rejects.csv")


def succeeded(outcome: Outcome, claim: Claim = CLAIM) -> tuple[SyncSucceeded, NotificationPushed]:
    event, notification = told.finished(claim, _ending(outcome), RUN)
    assert isinstance(event, SyncSucceeded)
    assert isinstance(notification, NotificationPushed)
    return event, notification


def test_an_import_is_told_with_its_counts_and_first_faults() -> None:
    event, _ = succeeded(an_outcome())

    assert event.model_dump(include=set(ABOUT)) == ABOUT
    assert event.rows.model_dump() == {
        "read": 10, "created": 4, "updated": 3, "unchanged": 1, "rejected": 1, "ignored": 1,
    }  # fmt: skip
    assert (event.checksum, event.mapping_version) == (CLAIM.checksum, 4)
    assert [(row.line, row.column, row.code) for row in event.rejects] == [(7, "Name", "company_name_missing")]
    assert [(row.line, row.column, row.code) for row in event.warnings] == [(2, "Site", "bad_website")]
    assert (event.warning_count, event.unknown_statuses) == (1, {"Client": 1})
    assert (event.unmapped_columns, event.missing_columns) == (("Notes", "Fax"), ("SIREN",))
    assert (event.reading, event.reject_blob, event.dry_run) == (READING, "org/2/rejects.csv", False)


def test_a_fault_is_told_with_its_record_and_the_shape_of_its_cell_but_never_the_cell() -> None:
    event, _ = succeeded(an_outcome())

    assert [(row.record, row.value) for row in (*event.rejects, *event.warnings)] == [(6, ""), (1, "xx?")]
    assert "x.fr" not in event.model_dump_json()


def test_a_dry_run_is_told_as_one_and_rings_no_bell() -> None:
    (event,) = told.finished(dataclasses.replace(CLAIM, dry_run=True), _ending(an_outcome()), RUN)

    assert isinstance(event, SyncSucceeded)
    assert event.dry_run
    assert event.rows.created == 4


def test_a_file_without_a_mapping_is_told_with_what_its_columns_could_be() -> None:
    columns = (ColumnView(name="Firm", samples=("Acme",), target="LEAD_NAME", confidence=90, evidence="the header"),)
    proposal = Proposal(columns, (StatusView(raw="Won", count=3, status="WON", confidence=100),), 12)

    (event,) = told.finished(CLAIM, Ending("held", 0, code="mapping_needed", reading=READING, proposal=proposal), RUN)

    message, action, _ = CODES["mapping_needed"]
    assert event == MappingNeeded(
        **ABOUT,
        code="mapping_needed",
        message=message,
        action=action,
        rows=12,
        reading=READING,
        columns=columns,
        statuses=proposal.statuses,
    )


def test_the_notification_leaves_blank_records_out() -> None:
    _, notification = succeeded(an_outcome())

    progress = notification.bulk_progress
    assert (progress.total_count, progress.success_count, progress.failure_count) == (9, 8, 1)
    assert progress.total_count == progress.success_count + progress.failure_count
    assert not notification.in_progress
    assert notification.title == "CRM export was imported"
    assert notification.content == "4 created, 3 updated, 1 unchanged, 1 rejected"


def test_a_connector_without_a_name_is_called_by_its_path() -> None:
    _, notification = succeeded(an_outcome(), dataclasses.replace(CLAIM, connector_name=""))

    assert notification.title == "/exports/leads.csv was imported"


def test_the_event_lists_no_more_than_it_may() -> None:
    outcome = an_outcome(told_rows=2)
    for line in range(200):
        outcome.reject([Reject(line, None, "extra_cells", "Put quotes around it.", cells=("x",))], line)
        outcome.note(LeadRow(line, "Acme", unknown_status=f"status {line}"), line)
    outcome.unmapped_columns = tuple(f"column {number}" for number in range(200))

    event, _ = succeeded(outcome)

    assert (len(event.rejects), len(event.warnings)) == (2, 1)
    assert (len(event.unknown_statuses), len(event.unmapped_columns)) == (50, 50)
    assert event.rows.rejected == 201
    assert len(event.model_dump_json()) < 10_000


def test_the_most_frequent_unknown_statuses_come_first() -> None:
    outcome = Outcome(kept=0, told=0, reject_file=OPENED.enter_context(RejectFile((), 0)))
    for status in ["rare", *["usual"] * 3, *["odd"] * 2]:
        outcome.note(LeadRow(2, "Acme", unknown_status=status), 1)

    event, _ = succeeded(outcome)

    assert list(event.unknown_statuses) == ["usual", "odd", "rare"]


def test_a_file_imported_before_is_told_as_unchanged() -> None:
    (event,) = told.finished(CLAIM, Ending("unchanged", 4, detail="this version was imported before"), RUN)

    assert event == SyncUnchanged(**ABOUT, detail="this version was imported before")


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_refused_file_is_told_with_words_and_advice(code: str) -> None:
    (event,) = told.finished(CLAIM, Ending("failed", 4, code=code, detail="Line 3."), RUN)

    message, action, _ = CODES[code]
    expected = SyncFailed(**ABOUT, code=code, message=message, action=action, detail="Line 3.", next_check_at=DUE)
    assert event == expected


def test_a_paused_connector_promises_no_next_check() -> None:
    (event,) = told.finished(CLAIM, Ending("failed", 4, code="bad_header"), RUN | {"state": "paused"})

    assert isinstance(event, SyncFailed)
    assert event.next_check_at is None


def test_every_event_is_json() -> None:
    for ending in (
        Ending("succeeded", 4, outcome=an_outcome()),
        Ending("unchanged", 4),
        Ending("failed", 4, code="bad_header"),
    ):
        for event in told.finished(CLAIM, ending, RUN):
            assert json.loads(event.model_dump_json())["organisation_id"] == str(CLAIM.org_id)


@pytest.mark.parametrize(
    ("checksum", "mapping", "expected"),
    [
        (None, None, "no earlier version is known"),
        ("cd" * 32, 2, "the content differs from the version before"),
        (CLAIM.checksum, 2, "the version before, read with mapping 3 instead of 2"),
        (CLAIM.checksum, 3, "the version before, read once more, as somebody asked or the way to read it changed"),
        (CLAIM.checksum, -1, "the version before, read once more, as somebody asked or the way to read it changed"),
    ],
)
def test_what_was_compared_is_told_in_words(checksum: str | None, mapping: int | None, expected: str) -> None:
    claim = dataclasses.replace(CLAIM, file_checksum=checksum, file_mapping_version=mapping)

    assert told.compared(claim, Ending("succeeded", 3)) == (f"{expected}: of 0 rows 0 were merged, 0 were as before")
