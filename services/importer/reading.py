"""Opens a file as a table: its encoding, its dialect and its header are told before its rows are read."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.importer.core import detector
from services.importer.core import encoding as encodings
from services.importer.core.record import Refusal
from services.importer.core.rows import LIMITS, Limits
from services.importer.core.table import Table, read_table
from services.importer.text import FileRefused, lines
from shared.contracts import CsvOptions, Reading

_AUTOMATIC = CsvOptions()
_SAMPLE_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Opened:
    """How the file is read, and its table or why there is none."""

    reading: Reading | None  # None: not even the encoding could be told
    table: Table | Refusal

    def readable(self) -> tuple[Reading, Table]:
        """Both of them; FileRefused when there is no table."""
        if isinstance(self.table, Refusal):
            raise FileRefused(self.table)
        assert self.reading is not None  # noqa: S101 - a table was read in some way
        return self.reading, self.table


def open_file(
    read: Callable[[], Iterable[bytes]],
    options: CsvOptions = _AUTOMATIC,
    limits: Limits = LIMITS,
    known: AbstractSet[str] = frozenset(),
    *,
    cut: bool = False,
) -> Opened:
    """Open the file that `read` yields the bytes of: once to tell its encoding, once more for its rows.

    `known` are folded names of columns that a mapping uses; `cut` says that this is only the beginning of a file.
    FileRefused where the bytes are no text after all.
    """
    encoding = encodings.decide(encodings.survey(read(), cut=cut), options.encoding)
    if isinstance(encoding, Refusal):
        return Opened(None, encoding)
    text = lines(read(), encoding.name)
    sample = list(_sample(text))
    dialect = detector.detect("".join(sample), delimiter=options.delimiter, quote=options.quote)
    table = read_table(itertools.chain(sample, text), dialect, limits, known)
    reading = Reading(
        encoding=encoding.name,
        encoding_confidence=encoding.confidence,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        line_end=detector.records_end(dialect, sample),
        header_line=None if isinstance(table, Refusal) else table.header.line,
    )
    return Opened(reading, table)


def _sample(text: Iterator[str]) -> Iterator[str]:
    """The first lines: more characters than the detector looks at, if the file has them."""
    size = 0
    for line in itertools.islice(text, _SAMPLE_LINES):
        yield line
        size += len(line)
        if size > detector.SAMPLE_CHARS:
            return
