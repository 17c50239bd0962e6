"""Blocks and familiar lines change the cost of reading, never what is read."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.importer.core.dialect import Dialect
from services.importer.core.encoding import Encoding
from services.importer.core.hand import Recall
from services.importer.core.record import Familiar, Outcome, Record
from services.importer.core.rows import LIMITS, Limits
from services.importer.core.table import Header
from services.importer.reading import open_file
from services.importer.text import FileRefused
from shared.contracts import CsvOptions

HEADER = b"Company,City,Size\n"
LINES = [
    *(b"Acme,Paris,12\n", b"Beta,Lyon,7\r\n", b"Gamma,Lille,31\r", "\u00c9t\u00e9,N\u00eemes,3\n".encode()),
    *(b'"Acme, Inc.","Paris","12"\r\n', b'Delta,"the ""best""",1\n', b'Eta,"a\nb",2\n', b'"x\r\n\r\ny",z,9\n'),
    *(b"\n", b" , ,\n", b"Theta,Nice\n", b"a,b,c,d\n", b"\0,b,c\n", b"\xff,b,c\n", b"\xe2\x82\n", b"\x1a\n"),
    *(b'"\n', b'a,"b\n', b'",a",b,"\n', b'"""\n', b'"a"b,1,2\n', b'x"y,1,2\n', b'5" pipe,a,b\n', b'a "b,c",d\n'),
    *(b"Total,12,3\n", b"Note: nothing,,\n", b"Source: the CRM of today and of yesterday\n", HEADER),
    *(b"x" * 60 + b",b,c\n", b"x," * 70 + b"\n", b'"' + b"x" * 45 + b'",b,c\n'),
]
PLAIN = LINES[:6]
FILES = st.lists(st.sampled_from(LINES) | st.sampled_from(PLAIN), max_size=60)
SIZES = st.lists(st.integers(0, 60), max_size=40)
LIMITED = st.sampled_from([LIMITS, Limits(record_lines=4, record_chars=90, cell_chars=50)])
OPTIONS = CsvOptions(encoding="utf-8", delimiter=",", quote='"')


def cut(data: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    place = 0
    for size in sizes:
        yield data[place : place + size]
        place += size
    yield data[place:]


def outcomes(
    chunks: Sequence[bytes], limits: Limits, recall: Recall | None = None, options: CsvOptions = OPTIONS
) -> list[Outcome]:
    def recalled(_encoding: Encoding, _dialect: Dialect, _header: Header) -> Recall | None:
        return recall

    try:
        _, table = open_file(lambda: chunks, options, limits, recall=recalled).readable()
    except FileRefused:
        return []
    return [*table.before, *table.records]


def recall_of(before: Sequence[Outcome]) -> Recall:
    """Finds the records of the version before that leave a fingerprint of their line."""
    records = [outcome for outcome in before if isinstance(outcome, Record)]
    places = {record.raw: place for place, record in enumerate(records) if record.raw and not record.flag}

    def recall(raws: NDArray[np.uint64]) -> NDArray[np.int64]:
        return np.array([places.get(raw, -1) for raw in raws.tolist()], np.int64)

    return recall


def expanded(found: Sequence[Outcome], before: Sequence[Outcome]) -> Iterator[Outcome]:
    """The outcomes, with the records of the version before in place of familiar lines."""
    records = [outcome for outcome in before if isinstance(outcome, Record)]
    for outcome in found:
        if isinstance(outcome, Familiar):
            for line, place in enumerate(outcome.places.tolist(), outcome.line):
                yield records[place]._replace(line=line)
        else:
            yield outcome


@settings(max_examples=200, deadline=None)
@given(lines=FILES, sizes=SIZES, limits=LIMITED)
@example(lines=[LINES[0]] * 600, sizes=[], limits=LIMITS)
@example(lines=[*PLAIN, LINES[17]] * 80, sizes=[], limits=LIMITS)
def test_blocks_of_any_size_give_what_line_by_line_gives(lines: list[bytes], sizes: list[int], limits: Limits) -> None:
    data = b"".join([HEADER, *lines])

    one_by_one = outcomes(data.splitlines(keepends=True), limits)

    assert outcomes(list(cut(data, sizes)), limits) == one_by_one
    assert outcomes([data], limits) == one_by_one


@settings(max_examples=200, deadline=None)
@given(
    old=FILES,
    new=FILES,
    kept=st.booleans(),
    sizes=SIZES,
    limits=LIMITED,
    encoding=st.sampled_from(["utf-8", "cp1252", "shift_jis"]),
)
@example(old=[LINES[0]] * 3_000, new=[], kept=True, sizes=[], limits=LIMITS, encoding="utf-8")
@example(old=PLAIN * 5, new=[LINES[24]], kept=True, sizes=[], limits=LIMITS, encoding="utf-8")
def test_familiar_lines_stand_for_the_records_that_would_have_been_read(
    *, old: list[bytes], new: list[bytes], kept: bool, sizes: list[int], limits: Limits, encoding: str
) -> None:
    options = OPTIONS.model_copy(update={"encoding": encoding})
    before = outcomes([HEADER, *old], limits, options=options)
    # Given a version that goes on after the old one, or begins before it
    data = b"".join([HEADER, *old, *new] if kept else [HEADER, *new, *old])

    found = outcomes(list(cut(data, sizes)), limits, recall_of(before), options)

    assert list(expanded(found, before)) == outcomes([data], limits, options=options)


def test_long_runs_are_familiar_but_for_the_end_where_a_footer_may_stand() -> None:
    rows = [f"Company {number},Paris,{number}\n".encode() for number in range(5_000)]
    before = outcomes([HEADER, *rows], LIMITS)

    found = outcomes([b"".join([HEADER, *rows[:2_000], b"New,Lyon,1\n", *rows[2_000:]])], LIMITS, recall_of(before))

    first, new, second, *last = found
    assert isinstance(first, Familiar)
    assert isinstance(second, Familiar)
    assert (first.line, first.places.tolist()) == (2, list(range(2_000)))
    assert isinstance(new, Record)
    assert (new.line, new.cells) == (2_002, ("New", "Lyon", "1"))
    assert (second.line, second.places.tolist()) == (2_003, list(range(2_000, 4_988)))
    assert [outcome.line for outcome in last] == list(range(4_991, 5_003))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be", "iso2022_jp", "utf-7"])
def test_where_lines_cannot_be_told_in_the_bytes_none_is_familiar(encoding: str) -> None:
    text = "Company,City,Size\n" + "Acme,Paris,12\n" * 40
    options = OPTIONS.model_copy(update={"encoding": encoding})

    found = outcomes([text.encode(encoding)], LIMITS, lambda raws: np.zeros(len(raws), np.int64), options)

    assert [(type(outcome), outcome.raw) for outcome in found if isinstance(outcome, Record)] == [(Record, 0)] * 40
