"""What an import found: every record counted, the first few faults kept."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from services.importer.core.merge import Tally
from services.importer.core.record import LeadRow, Reject, Warning_
from shared.contracts import RowCounts

_KEPT_STATUSES = 100


@dataclass(slots=True)
class Outcome:
    """Grows while the file is read; `kept` and `told` bound what it holds and what the event lists."""

    kept: int
    told: int
    unmapped_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)
    warning_count: int = 0
    unknown_statuses: Counter[str] = field(default_factory=Counter)

    def reject(self, faults: list[Reject]) -> None:
        """Count one record, whatever the number of its faults."""
        self.tally.rejected += 1
        self.rejects += faults[: self.kept - len(self.rejects)]

    def note(self, row: LeadRow) -> None:
        """Keep what the admin should know of a row that is imported."""
        self.warning_count += len(row.warnings)
        self.warnings += row.warnings[: self.told - len(self.warnings)]
        status = row.unknown_status
        if status is not None and (status in self.unknown_statuses or len(self.unknown_statuses) < _KEPT_STATUSES):
            self.unknown_statuses[status] += 1

    def counts(self) -> RowCounts:
        """The counts, as they are told and kept."""
        return RowCounts.model_validate(self.tally, from_attributes=True)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `outcome` is there when the file was imported, `code` and `detail` say why it was not."""

    result: Literal["succeeded", "unchanged", "failed"]
    mapping_version: int
    code: str | None = None
    detail: str = ""
    outcome: Outcome | None = None

    def counts(self) -> RowCounts:
        """The records by what became of them; all zero when nothing was imported."""
        return self.outcome.counts() if self.outcome else RowCounts()
