"""Opens a file as a table: its encoding, its dialect and its header are told before its rows are read."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.importer.core import detector
from services.importer.core import encoding as encodings
from services.importer.core.dialect import Dialect
from services.importer.core.encoding import Encoding, Survey
from services.importer.core.hand import Recall
from services.importer.core.lines import Block
from services.importer.core.record import Refusal
from services.importer.core.rows import LIMITS, Limits
from services.importer.core.table import Header, Table, read_table
from services.importer.text import FileRefused, blocks
from shared.contracts import CsvOptions, Reading

_AUTOMATIC = CsvOptions()
_SAMPLE_LINES = 2_000


class Misread(Exception):
    """The whole file is in another encoding than its beginning told."""


@dataclass(frozen=True, slots=True)
class Opened:
    """How the file is read, and its table or why there is none."""

    reading: Reading | None  # None: not even the encoding could be told
    table: Table | Refusal
    survey: Survey

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
    hasty: bool = False,
    recall: Callable[[Encoding, Dialect, Header], Recall | None] | None = None,
) -> Opened:
    """Open the file that `read` yields the bytes of: once to tell its encoding, once more for its rows.

    `known` are folded names of columns that a mapping uses; `cut` says that this is only the beginning of a file.
    `recall` is asked once it is known how the file is read, and may find lines again that were records of the version
    before: they come as `Familiar`. FileRefused where the bytes are no text after all.

    In a `hasty` look the beginning tells the encoding, and Misread comes with the last bytes where that was wrong: half
    the work, for those who can take back what they did with the rows.
    """
    survey, chunks = _begun(read()) if hasty else (encodings.survey(read(), cut=cut), read())
    encoding = encodings.decide(survey, options.encoding)
    if isinstance(encoding, Refusal):
        return Opened(None, encoding, survey)
    if hasty:
        survey = Survey()
        chunks = _proven(encodings.watched(chunks, survey), survey, encoding, options.encoding)
    source, taken = blocks(chunks, encoding.name), list[Block]()
    sample = list(_sample(source, taken))
    dialect = detector.detect("".join(sample), delimiter=options.delimiter, quote=options.quote)
    line_end = detector.records_end(dialect, sample)

    def told(header: Header | None) -> Reading:
        return _reading(encoding, dialect, line_end, header)

    def asked(header: Header) -> Recall | None:
        return recall(encoding, dialect, header) if recall else None

    table = read_table(itertools.chain(taken, source), dialect, limits, known, asked)
    return Opened(told(None if isinstance(table, Refusal) else table.header), table, survey)


def _begun(chunks: Iterable[bytes]) -> tuple[Survey, Iterator[bytes]]:
    """What the first chunk tells, and all of them."""
    source = iter(chunks)
    first = list(itertools.islice(source, 1))
    return encodings.survey(first, cut=True), itertools.chain(first, source)


def _proven(chunks: Iterator[bytes], survey: Survey, encoding: Encoding, declared: str | None) -> Iterator[bytes]:
    """The chunks; Misread after the last of them if by then the survey of them tells another encoding."""
    yield from chunks
    if encodings.decide(survey, declared) != encoding:
        raise Misread


def _reading(encoding: Encoding, dialect: Dialect, line_end: str, header: Header | None) -> Reading:
    return Reading(
        encoding=encoding.name,
        encoding_confidence=encoding.confidence,
        delimiter=dialect.delimiter,
        quote=dialect.quote,
        escape=dialect.escape,
        line_end=line_end,
        header_line=header.line if header else None,
    )


def _sample(source: Iterator[Block], taken: list[Block]) -> Iterator[str]:
    """The first lines: more characters than the detector looks at, if the file has them."""
    size = count = 0
    for block in source:
        taken.append(block)
        for line in block.texts(0, _SAMPLE_LINES - count):
            yield line
            size += len(line)
            count += 1
            if size > detector.SAMPLE_CHARS or count == _SAMPLE_LINES:
                return
