"""What a file's columns and statuses seem to be, or are by the saved mapping."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.importer.core.mapping import Mapping as ImportMapping
from services.importer.core.mapping import columns_of
from services.importer.core.record import Outcome, Record
from services.importer.core.suggest import Column, Suggestion, status_of, suggest
from services.importer.core.table import Header
from shared.contracts import ColumnView, StatusView
from shared.mapping import STATUS, status_key

_ROWS = 200
_COLUMNS = 500
_CHARS = 200
_SHOWN_SAMPLES = 5
_SHOWN_CHARS = 100
_STATUSES = 50
_COUNTED_STATUSES = 1_000


class Samples:
    """The first 200 rows of a table, cells cut at 200 characters."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names[:_COLUMNS]
        self.rows: list[Sequence[str]] = []

    def full(self) -> bool:
        """Whether it takes no more."""
        return len(self.rows) >= _ROWS

    def see(self, cells: Sequence[str]) -> None:
        """Take a row, if there is room."""
        if not self.full():
            self.rows.append([cell[:_CHARS] for cell in cells[:_COLUMNS]])

    def columns(self) -> list[Column]:
        """The columns with what was seen of them."""
        return [Column(name, tuple(row[place] for row in self.rows)) for place, name in enumerate(self._names)]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A table's columns with their targets, the statuses that its rows hold with their counts, and its rows."""

    columns: tuple[ColumnView, ...]
    statuses: tuple[StatusView, ...]
    rows: int


def propose(header: Header, records: Iterable[Outcome], mapping: ImportMapping | None = None) -> Proposal:
    """Go through the table once; targets and statuses are those of the mapping, or suggestions without one."""
    rows = (outcome.cells for outcome in records if isinstance(outcome, Record))
    samples = Samples(header.names)
    for cells in rows:
        samples.see(cells)
        if samples.full():
            break
    columns = samples.columns()
    views = _mapped(columns, columns_of(mapping, header)) if mapping else _suggested(columns, suggest(columns))
    place = next((place for place, view in enumerate(views) if view.target == STATUS), None)
    count, statuses = _counted(samples.rows, rows, place)
    return Proposal(views, tuple(_status(raw, times, mapping) for raw, times in statuses), count)


def _counted(
    first: Sequence[Sequence[str]], rest: Iterable[Sequence[str]], place: int | None
) -> tuple[int, list[tuple[str, int]]]:
    """How many rows there are, and the commonest texts of the status column."""
    rows = 0
    statuses: Counter[str] = Counter()
    for source in (first, rest):
        for cells in source:
            rows += 1
            raw = "" if place is None else cells[place].strip()[:_CHARS]
            if raw and (raw in statuses or len(statuses) < _COUNTED_STATUSES):
                statuses[raw] += 1
    return rows, statuses.most_common(_STATUSES)


def _suggested(columns: Sequence[Column], suggestion: Suggestion) -> tuple[ColumnView, ...]:
    found = {field.column: field for field in suggestion.fields}
    return tuple(
        ColumnView(
            name=column.name,
            samples=_shown(column.samples),
            target=field.target if (field := found.get(column.name)) else None,
            confidence=field.confidence if field else None,
            evidence=field.evidence if field else "",
        )
        for column in columns
    )


def _mapped(columns: Sequence[Column], targets: Mapping[int, str]) -> tuple[ColumnView, ...]:
    return tuple(
        ColumnView(name=column.name, samples=_shown(column.samples), target=targets.get(place))
        for place, column in enumerate(columns)
    )


def _shown(samples: Iterable[str]) -> tuple[str, ...]:
    """A few different cells that hold something."""
    filled = dict.fromkeys(cell.strip()[:_SHOWN_CHARS] for cell in samples if cell.strip())
    return tuple(filled)[:_SHOWN_SAMPLES]


def _status(raw: str, count: int, mapping: ImportMapping | None) -> StatusView:
    if mapping is not None:
        folded = {status_key(known): status for known, status in mapping.statuses.items()}
        return StatusView(raw=raw, count=count, status=mapping.statuses.get(raw) or folded.get(status_key(raw)))
    status, confidence = status_of(raw) or (None, None)
    return StatusView(raw=raw, count=count, status=status, confidence=confidence)
