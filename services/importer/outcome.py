"""What an import found: every record counted, the first few faults kept."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from typing import Literal

from services.importer.batches import Batch
from services.importer.core.merge import Tally
from services.importer.core.record import LeadRow, Reject, Skipped, Warning_
from services.importer.proposal import Proposal
from services.importer.reject_file import RejectFile
from shared.contracts import Reading, RowCounts

_KEPT_STATUSES = 100
_SKIPPED = {
    "repeated_header": "This line repeats the header and was left out.",
    "footer": "This line looks like a total or a note below the table and was left out.",
}


@dataclass(slots=True)
class Outcome:
    """Grows while the file is read; `kept` and `told` bound what it holds and what the event lists."""

    kept: int
    told: int
    reject_file: RejectFile
    unmapped_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    tally: Tally = field(default_factory=Tally)
    rejects: list[Reject] = field(default_factory=list)
    warnings: list[Warning_] = field(default_factory=list)
    warning_count: int = 0
    unknown_statuses: Counter[str] = field(default_factory=Counter)
    missing: int = 0  # records of the version before that are no more in the file

    def tell(self, batch: Batch) -> None:
        """Count a batch's records, and keep what the admin should know of them, in the order of the file."""
        self.tally.read += batch.read
        found: list[tuple[int, Callable[[], None]]] = [(one.line, partial(self.skip, one)) for one in batch.skipped]
        found += [(faults[0].line, partial(self.reject, faults, number)) for number, faults in batch.rejected]
        for row, number in zip(batch.rows, batch.numbers, strict=True):
            if row.warnings or row.unknown_status is not None:
                found.append((row.line, partial(self.note, row, number)))
        for _line, keep in sorted(found, key=itemgetter(0)):
            keep()

    def skip(self, skipped: Skipped) -> None:
        """Count a record that is no row."""
        self.tally.ignored += 1
        if reason := _SKIPPED.get(skipped.code):
            self.warn([Warning_(skipped.line, None, skipped.code, reason)])

    def reject(self, faults: list[Reject], record: int) -> None:
        """Count one record, whatever the number of its faults."""
        self.tally.rejected += 1
        self.reject_file.add(faults)
        # Without the record itself: that is in the file.
        self.rejects += [replace(fault, record=record, cells=()) for fault in faults[: self.kept - len(self.rejects)]]

    def note(self, row: LeadRow, record: int) -> None:
        """Keep what the admin should know of a row that is imported."""
        self.warn(row.warnings, record)
        status = row.unknown_status
        if status is not None and (status in self.unknown_statuses or len(self.unknown_statuses) < _KEPT_STATUSES):
            self.unknown_statuses[status] += 1

    def warn(self, found: Iterable[Warning_], record: int = 0) -> None:
        """Count warnings, and keep the first of them."""
        for warning in found:
            self.warning_count += 1
            if len(self.warnings) < self.told:
                self.warnings.append(replace(warning, record=record))

    def counts(self) -> RowCounts:
        """The counts, as they are told and kept."""
        counted = RowCounts.model_validate(self.tally, from_attributes=True)
        return counted.model_copy(update={"missing": self.missing})


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended: `outcome` is there when the file was imported, `code` and `detail` say why it was not."""

    result: Literal["succeeded", "unchanged", "failed", "held"]
    mapping_version: int
    code: str | None = None
    detail: str = ""
    outcome: Outcome | None = None
    reading: Reading | None = None
    reject_blob: str | None = None
    proposal: Proposal | None = None

    def counts(self) -> RowCounts:
        """The records by what became of them; all zero when nothing was imported."""
        return self.outcome.counts() if self.outcome else RowCounts()
