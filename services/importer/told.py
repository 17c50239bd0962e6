"""Builds the events that an ended import owes the UI."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.importer.core.record import Reject, Warning_
from services.importer.outcome import Ending, Outcome
from services.importer.proposal import Proposal
from services.importer.store import Claim
from shared.contracts import (
    BulkProgress,
    MappingNeeded,
    NotificationPushed,
    Reading,
    RejectedRow,
    RowCounts,
    SyncFailed,
    SyncSucceeded,
    SyncUnchanged,
    Told,
)
from shared.errors import advice

_TOLD_NAMES = 50


def finished(claim: Claim, ending: Ending, run: Mapping[str, Any]) -> list[Told]:
    """The final events of a run."""
    if ending.outcome is not None:
        counts = ending.counts()
        told: list[Told] = [_succeeded(claim, ending, ending.outcome, counts)]
        return told if claim.dry_run else [*told, _notification(claim, counts)]
    if ending.proposal is not None and ending.reading is not None:
        return [_mapping_needed(claim, ending.proposal, ending.reading, ending.detail)]
    if ending.result == "unchanged":
        return [SyncUnchanged(**_about(claim), detail=ending.detail)]
    failed = _failed(claim, ending.code or "", ending.detail, run)
    return [failed, _given_up(claim, failed.message)] if run["progress_told"] else [failed]


def compared(claim: Claim, ending: Ending) -> str:
    """What was compared with what, and how many rows were merged, in plain words."""
    before = claim.file_mapping_version or 0
    if claim.file_checksum is None:
        what = "no earlier version is known"
    elif claim.file_checksum != claim.checksum:
        what = "the content differs from the version before"
    elif before not in {0, -1, ending.mapping_version}:
        what = f"the version before, read with mapping {ending.mapping_version} instead of {before}"
    else:
        what = "the version before, read once more, as somebody asked or the way to read it changed"
    rows = ending.counts()
    return f"{what}: of {rows.read} rows {rows.created + rows.updated} were merged, {rows.unchanged} were as before"


def progress(claim: Claim, counters: BulkProgress) -> NotificationPushed:
    """The notification of an import that goes on."""
    done = counters.success_count + counters.failure_count
    return NotificationPushed(
        organisation_id=claim.org_id,
        title=f"{_name(claim)} is being imported",
        content=f"{done} of about {counters.total_count} rows",
        in_progress=True,
        file_import_id=claim.run_id,
        bulk_progress=counters,
    )


def _given_up(claim: Claim, message: str) -> NotificationPushed:
    return NotificationPushed(
        organisation_id=claim.org_id,
        title=f"{_name(claim)} was not imported",
        content=message,
        in_progress=False,
        file_import_id=claim.run_id,
        bulk_progress=BulkProgress(total_count=0, success_count=0, failure_count=0),
    )


def _name(claim: Claim) -> str:
    return claim.connector_name or claim.path


def _about(claim: Claim) -> dict[str, Any]:
    return {
        "organisation_id": claim.org_id,
        "in_reply_to": claim.reply_to,
        "connector_id": claim.connector_id,
        "run_id": claim.run_id,
    }


def _failed(claim: Claim, code: str, detail: str, run: Mapping[str, Any]) -> SyncFailed:
    return SyncFailed(
        **_about(claim),
        code=code,
        message=advice(code).message,
        action=advice(code).action,
        detail=detail,
        next_check_at=run["due_at"] if run["state"] == "active" else None,
    )


def _mapping_needed(claim: Claim, proposal: Proposal, reading: Reading, detail: str) -> MappingNeeded:
    return MappingNeeded(
        **_about(claim),
        code="mapping_needed",
        message=advice("mapping_needed").message,
        # A dry run remembers no file that could be imported later.
        action="Save a mapping, then start the dry run again." if claim.dry_run else advice("mapping_needed").action,
        rows=proposal.rows,
        reading=reading,
        columns=proposal.columns,
        statuses=proposal.statuses,
        detail=detail,
    )


def _succeeded(claim: Claim, ending: Ending, outcome: Outcome, counts: RowCounts) -> SyncSucceeded:
    return SyncSucceeded(
        **_about(claim),
        dry_run=claim.dry_run,
        reading=ending.reading,
        reject_blob=ending.reject_blob,
        checksum=claim.checksum,
        mapping_version=ending.mapping_version,
        rows=counts,
        rejects=_listed(outcome.rejects[: outcome.told]),
        warning_count=outcome.warning_count,
        warnings=_listed(outcome.warnings[: outcome.told]),
        unknown_statuses=dict(outcome.unknown_statuses.most_common(_TOLD_NAMES)),
        unmapped_columns=outcome.unmapped_columns[:_TOLD_NAMES],
        missing_columns=outcome.missing_columns[:_TOLD_NAMES],
        detail=ending.detail,
    )


def _listed(rows: Iterable[Reject | Warning_]) -> tuple[RejectedRow, ...]:
    return tuple(
        RejectedRow(
            line=row.line,
            record=row.record or None,
            column=row.column,
            code=row.code,
            reason=row.reason,
            value=row.value,
        )
        for row in rows
    )


def _notification(claim: Claim, counts: RowCounts) -> NotificationPushed:
    imported = counts.created + counts.updated + counts.unchanged
    missing = f", {counts.missing} no longer in the file" if counts.missing else ""
    return NotificationPushed(
        organisation_id=claim.org_id,
        title=f"{_name(claim)} was imported",
        content=f"{counts.created} created, {counts.updated} updated, {counts.unchanged} unchanged, "
        f"{counts.rejected} rejected{missing}",
        in_progress=False,
        file_import_id=claim.run_id,
        bulk_progress=BulkProgress(
            total_count=counts.read - counts.ignored, success_count=imported, failure_count=counts.rejected
        ),
    )
