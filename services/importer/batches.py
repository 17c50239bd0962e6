"""The records of a file in batches: read by the mapping, ready to be merged and to be told."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from services.importer.core.binding import Binding
from services.importer.core.content import content
from services.importer.core.delta import Hashes, Places
from services.importer.core.record import Familiar, LeadRow, Outcome, Record, Refusal, Reject, Skipped
from services.importer.text import FileRefused

_CHARS = 8_000_000
_FAMILIAR = 250_000


@dataclass(slots=True)
class Batch:
    """Consecutive records, as the mapping reads them.

    A record is accepted when it is familiar or was read without a fault. `places` says of each accepted one where it
    was in the version before, -1 when it was read. What is said of `rows` is in their order.
    """

    read: int = 0  # records, whatever became of them
    chars: int = 0  # in all cells that were read
    lines: int = 0  # of the file, up to here
    places: Places = field(default_factory=lambda: np.empty(0, np.int64))
    rows: list[LeadRow] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    raws: Hashes = field(
        default_factory=lambda: np.empty(0, np.uint64)
    )  # zero where there is something to be told of a row each time
    contents: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    skipped: list[Skipped] = field(default_factory=list)
    rejected: list[tuple[int, list[Reject]]] = field(default_factory=list)


def read_batches(records: Iterable[Outcome], binding: Binding, *, rows: int, most: int) -> Iterator[Batch]:
    """Read the records so many at once, or fewer where they are long, so that a batch fits into memory.

    FileRefused when the file has more rows than `most`.
    """
    count = 0
    for outcomes, chars in _cut(records, rows):
        batch = _read(outcomes, binding, count)
        batch.chars = chars
        count += batch.read - len(batch.skipped)
        if count > most:
            raise FileRefused(Refusal("too_many_rows", f"The file has more than {most} rows."))
        yield batch


def _cut(records: Iterable[Outcome], rows: int) -> Iterator[tuple[list[Outcome], int]]:
    batch: list[Outcome] = []
    chars = familiar = 0
    for record in records:
        batch.append(record)
        if type(record) is Familiar:
            familiar += len(record.places)
        elif type(record) is not Skipped:
            chars += sum(map(len, record.cells))
        if len(batch) >= rows or chars > _CHARS or familiar > _FAMILIAR:
            yield batch, chars
            batch, chars, familiar = [], 0, 0
    if batch:
        yield batch, chars


def _read(outcomes: list[Outcome], binding: Binding, number: int) -> Batch:
    """Sort the outcomes by kind and read the records among them, all at once."""
    batch = Batch(lines=_last_line(outcomes[-1]))
    records: list[Record] = []
    numbers: list[int] = []
    familiar: list[tuple[int, Places]] = []  # each with the number of records before it
    for outcome in outcomes:
        if type(outcome) is Record:
            number += 1
            records.append(outcome)
            numbers.append(number)
        elif type(outcome) is Familiar:
            number += len(outcome.places)
            batch.read += len(outcome.places)
            familiar.append((len(records), outcome.places))
        elif type(outcome) is Reject:
            number += 1
            batch.rejected.append((number, [outcome]))
        else:
            batch.skipped.append(outcome)
    batch.read += len(records) + len(batch.rejected) + len(batch.skipped)
    accepted = [_accept(batch, row, number) for row, number in zip(binding.read(records), numbers, strict=True)]
    batch.places = _places(accepted, familiar)
    batch.contents = np.array(content(batch.rows), np.uint64)
    raws = (0 if row.warnings or row.unknown_status is not None else row.raw for row in batch.rows)
    batch.raws = np.fromiter(raws, np.uint64, len(batch.rows))
    return batch


def _last_line(outcome: Outcome) -> int:
    return outcome.line + len(outcome.places) - 1 if type(outcome) is Familiar else outcome.line


def _accept(batch: Batch, row: LeadRow | list[Reject], number: int) -> bool:
    if isinstance(row, list):
        batch.rejected.append((number, row))
        return False
    batch.rows.append(row)
    batch.numbers.append(number)
    return True


def _places(accepted: list[bool], familiar: list[tuple[int, Places]]) -> Places:
    """The places of the familiar records among -1 for each that was read and accepted."""
    read = np.cumsum([0, *accepted])
    parts: list[Places] = []
    before = 0
    for records, places in familiar:
        parts += [np.full(read[records] - before, -1), places]
        before = read[records]
    return np.concatenate([*parts, np.full(read[-1] - before, -1)])
