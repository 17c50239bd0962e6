"""Records are read right, bad ones cost only themselves, and hostile files cost no more than long ones."""

import csv
import io
import time
from itertools import chain, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.dialect import Dialect
from services.importer.core.lines import block_of_text, split_lines
from services.importer.core.record import Outcome, Record, Reject, Skipped
from services.importer.core.rows import LIMITS, REASONS, Limits, read

COMMA = Dialect(",")
SMALL = Limits(record_lines=5, record_chars=200, cell_chars=50, columns=10)


def outcomes_of(lines: list[str], limits: Limits = LIMITS, dialect: Dialect = COMMA) -> list[Outcome]:
    return list(chain.from_iterable(read([block_of_text(lines)], dialect, limits)))


def outcomes(text: str, limits: Limits | None = None, dialect: Dialect = COMMA) -> list[Outcome]:
    return outcomes_of(split_lines(text), limits or LIMITS, dialect)


def codes(text: str, limits: Limits | None = None) -> list[tuple[int, str]]:
    return [(found.line, found.code) for found in outcomes(text, limits) if isinstance(found, Reject)]


def test_a_quoted_cell_may_hold_lines_and_the_next_record_knows_its_own_line() -> None:
    assert outcomes('a,"x\ny\r\nz",b\nc,d,e\n') == [Record(1, ("a", "x\ny\r\nz", "b")), Record(4, ("c", "d", "e"))]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_line_end_is_a_line_end(end: str) -> None:
    assert outcomes(f"a,b{end}c,d{end}") == [Record(1, ("a", "b")), Record(2, ("c", "d"))]


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85"])
def test_other_separators_of_unicode_stay_inside_their_cell(char: str) -> None:
    assert outcomes(f"a{char}b,c\n") == [Record(1, (f"a{char}b", "c"))]


def test_records_without_text_are_blank() -> None:
    assert outcomes('a\n\n  \n,,\n"\n"\nb\n') == [Record(1, ("a",)), *map(Skipped, (2, 3, 4, 5)), Record(7, ("b",))]


def test_a_byte_order_mark_does_not_stick_to_a_quoted_first_cell() -> None:
    assert outcomes('\ufeff"a ""b""",c\n') == [Record(1, ('a "b"', "c"))]


def test_a_quote_inside_an_unquoted_cell_is_text() -> None:
    assert outcomes('5" pipe,a\n') == [Record(1, ('5" pipe', "a"))]


def test_the_last_line_needs_no_line_end() -> None:
    assert outcomes('a,"b"') == [Record(1, ("a", "b"))]


def test_an_unclosed_quote_is_rejected_where_it_began_and_reading_goes_on_at_the_next_line() -> None:
    assert outcomes('a,"b\nc,d\ne,f\n') == [
        Reject(1, None, "unclosed_quote", REASONS["unclosed_quote"]),
        Record(2, ("c", "d")),
        Record(3, ("e", "f")),
    ]


def test_a_quote_that_the_next_quoted_cell_would_close_is_rejected_alone() -> None:
    assert outcomes('a,"b\nc,"d"\ne,"f\ng"\n')[1:] == [Record(2, ("c", "d")), Record(3, ("e", "f\ng"))]
    assert codes('a,"b\nc,"d"\ne,"f\ng"\n') == [(1, "unclosed_quote")]


def test_text_after_a_closing_quote_is_rejected_alone() -> None:
    assert codes('a,b\n"c"d,e\nf,g\n') == [(2, "bad_quoting")]


def test_a_record_may_have_just_as_many_lines_as_the_limit() -> None:
    assert outcomes('"a\nb\nc\nd\ne",x\ny\n', SMALL) == [Record(1, ("a\nb\nc\nd\ne", "x")), Record(6, ("y",))]
    assert codes('"a\nb\nc\nd\ne\nf",x\ny\n', SMALL) == [(1, "unclosed_quote")]


def test_a_record_that_opens_inside_the_reach_of_a_failed_look_ahead_still_closes_after_it() -> None:
    # Given a line that opens a quote for too many lines, and a good record that begins just before that reach ends
    text = '"open\n1\n2\n",a",b,"3\n4\n5",z\nlast\n'

    found = outcomes(text, SMALL)

    assert found[0] == Reject(1, None, "unclosed_quote", REASONS["unclosed_quote"])
    assert found[1:] == [
        Record(2, ("1",)),
        Record(3, ("2",)),
        Record(4, (",a", "b", "3\n4\n5", "z")),
        Record(7, ("last",)),
    ]


def test_a_record_ends_at_the_limit_of_characters() -> None:
    assert codes('"' + "x" * 100 + "\n" + "y" * 120 + '"\n', SMALL) == [(1, "unclosed_quote"), (2, "cell_too_large")]


def test_a_line_over_the_limit_is_rejected_and_the_next_is_read() -> None:
    assert outcomes("x," * 150 + "\na,b\n", SMALL)[1:] == [Record(2, ("a", "b"))]
    assert codes("x," * 150 + "\n", SMALL) == [(1, "record_too_large")]
    assert codes('"' + "x" * 250 + "\na,b\n", SMALL) == [(1, "cell_too_large")]


@pytest.mark.parametrize(("run", "code"), [(50, "record_too_large"), (51, "cell_too_large")])
@pytest.mark.parametrize("before", [0, 1, 49, 50, 51, 120])
def test_a_line_over_the_limit_tells_whether_one_cell_is_to_blame(before: int, run: int, code: str) -> None:
    assert codes("y," * before + "x" * run + ",z" * 120, SMALL) == [(1, code)]


@pytest.mark.parametrize("unit", [",", "x", "x" * 99_999 + ",", "x" * 100_000 + ",", "x" * 50_000 + ","])
def test_a_line_far_over_the_limit_costs_no_time(unit: str) -> None:
    began = time.perf_counter()
    codes(unit * (15_000_000 // len(unit)))

    assert time.perf_counter() - began < 2


def test_a_cell_over_the_limit_is_rejected() -> None:
    assert codes("a," + "x" * 51 + "\n" + "b," + "x" * 50 + "\n", SMALL) == [(1, "cell_too_large")]


def test_a_cell_larger_than_the_csv_module_takes_by_default_is_a_reject_like_others() -> None:
    assert codes('a,"' + "x" * 200_000 + '"\nb\n') == [(1, "cell_too_large")]
    assert codes('a,"' + "x\n" * 400 + "x" * 200_000 + '"\nb\n') == [(1, "cell_too_large")]


def test_the_csv_limit_of_the_process_is_never_lowered() -> None:
    before = csv.field_size_limit(50_000_000)
    try:
        outcomes("a\n")
        assert csv.field_size_limit() == 50_000_000
    finally:
        csv.field_size_limit(before)


def test_text_that_a_database_cannot_hold_is_rejected() -> None:
    assert codes("a\0,b\nc,\ud800\n\u00e9,\U0001f600\n") == [(1, "nul_byte"), (2, "bad_text")]


def test_a_reject_keeps_the_text_of_its_record_to_be_written_back() -> None:
    (broken, right, zero) = outcomes('a,"b\nc,d\ne\0,"f\ng"\r\n')

    assert [found.cells for found in (broken, zero) if isinstance(found, Reject)] == [('a,"b',), ('e\0,"f\ng"',)]
    assert right == Record(2, ("c", "d"))


def test_a_reject_keeps_no_more_than_ten_thousand_characters() -> None:
    (found,) = outcomes("x" * 200_000)

    assert isinstance(found, Reject)
    assert found.cells == ("x" * 10_000,)


@pytest.mark.parametrize(
    ("line", "flag"),
    [
        ('5" pipe,a', ""),
        ('"a ""b"" c",d', ""),
        ('a"b,c', "stray_quote"),
        ('a "b,c', "stray_quote"),
        ('Acme "quoted" Ltd,b', "stray_quote"),
        ('a,b "c,d",e', "stray_quote"),
    ],
)
def test_a_quote_amid_text_is_told_because_a_separator_may_be_missing(line: str, flag: str) -> None:
    (found,) = outcomes(line)

    assert isinstance(found, Record)
    assert found.flag == flag


def test_no_quote_is_stray_where_nothing_is_quoted() -> None:
    assert outcomes('a"b,"c\n', dialect=Dialect(",", "")) == [Record(1, ('a"b', '"c'))]


def test_a_backslash_escapes_quotes_and_itself_and_stays_elsewhere() -> None:
    dialect = Dialect(",", '"', "\\")

    assert outcomes('"a \\"b\\" \\\\",C:\\temp,\\N\n', dialect=dialect) == [Record(1, ('a "b" \\', "C:\\temp", "\\N"))]


def test_a_delimiter_of_several_characters_is_one() -> None:
    dialect = Dialect("||")

    assert outcomes('a||"b||c"||d|e\n', dialect=dialect) == [Record(1, ("a", "b||c", "d|e"))]
    assert [found.cells for found in outcomes('a||"b\n', dialect=dialect)] == [('a||"b',)]  # type: ignore[union-attr]


def test_a_space_that_belongs_to_the_delimiter_is_no_part_of_the_cell() -> None:
    assert outcomes('a, "b, c", d\n', dialect=Dialect(",", spaced=True)) == [Record(1, ("a", "b, c", "d"))]


def test_apostrophes_may_be_quotes() -> None:
    assert outcomes("'a,b','it''s'\n", dialect=Dialect(",", "'")) == [Record(1, ("a,b", "it's"))]


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff"), max_size=12)
NASTY = st.text('ab",;\r\n \u2028\x0b\x85', max_size=8)
TABLES = st.lists(st.lists(CELL | NASTY, min_size=1, max_size=4), min_size=1, max_size=8)


def written(rows: list[list[str]], end: str) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()


@settings(max_examples=150, deadline=None)
@given(rows=TABLES, end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_any_table_that_was_written_is_read_back_with_its_lines(rows: list[list[str]], end: str) -> None:
    expected: list[Record | Skipped] = []
    line = 1
    for row in rows:
        expected.append(Record(line, tuple(row)) if any(map(str.strip, row)) else Skipped(line))
        line += len(split_lines(written([row], end)))

    assert outcomes(written(rows, end)) == expected


@settings(max_examples=100, deadline=None)
@given(rows=TABLES)
def test_a_table_with_quotes_only_where_needed_is_read_back(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)

    found = [outcome.cells for outcome in outcomes(out.getvalue()) if isinstance(outcome, Record)]

    assert found == [tuple(row) for row in rows if any(map(str.strip, row))]


LINES = st.lists(
    st.sampled_from(
        ['"\n', 'a,"b\n', '",a",b,"\n', '"""\n', 'x"y\n', '"a"b\n', "\n", "a,b\n", '","\n', '"x",""\n', '",\n']
    ),
    max_size=40,
)


def slow(lines: list[str], limits: Limits) -> list[tuple[int, str]]:
    """The same law, written without any care for time: try each record anew from its first line."""
    found, place = [], 0
    while place < len(lines):
        kind, used = "reject", 1
        for count in range(1, limits.record_lines + 1):
            text = lines[place : place + count]
            if len(text) < count or sum(map(len, text)) > limits.record_chars:
                break
            try:
                next(csv.reader(text, strict=True))
            except csv.Error as error:
                if "unexpected end" in str(error):
                    continue
                break
            kind, used = "record", count
            break
        found.append((place + 1, kind))
        place += used
    return found


@settings(max_examples=300, deadline=None)
@given(lines=LINES, chars=st.integers(12, 60), height=st.integers(1, 9))
def test_looking_ahead_only_once_gives_what_trying_each_record_anew_gives(
    lines: list[str], chars: int, height: int
) -> None:
    limits = Limits(record_lines=height, record_chars=chars)

    found = outcomes_of(lines, limits)

    assert [(o.line, "reject" if isinstance(o, Reject) else "record") for o in found] == slow(lines, limits)


@settings(max_examples=150, deadline=None)
@given(text=st.text('ab",\n\r\0\ud800', max_size=60))
def test_every_physical_line_is_accounted_for(text: str) -> None:
    lines = split_lines(text)
    found = outcomes(text)

    starts = [outcome.line for outcome in found] + [len(lines) + 1]
    assert starts[0] == 1
    for outcome, (start, end) in zip(found, pairwise(starts), strict=True):
        assert end > start
        if isinstance(outcome, Record):
            assert next(csv.reader(lines[start - 1 : end - 1], strict=True)) == list(outcome.cells)


@pytest.mark.parametrize("unit", ['"\n', '"a\n', '",a",b,"\n', '"""\n', '"' + "x" * 900 + "\n", 'a,"b""\n', ",\n"])
def test_the_cost_of_a_hostile_file_grows_no_faster_than_the_file(unit: str) -> None:
    def seconds(count: int) -> float:
        lines = [unit] * count
        began = time.perf_counter()
        assert len(outcomes_of(lines)) >= count / 1_000
        return time.perf_counter() - began

    assert seconds(20_000) < 2  # each line tried anew would take a thousand looks at a line: over 10 s


def test_ordinary_rows_are_read_fast() -> None:
    lines = ['Acme,https://acme.fr,Won,75001,Paris,"a, b",jean@acme.fr,12\n'] * 30_000

    began = time.perf_counter()
    assert len(outcomes_of(lines)) == 30_000

    assert time.perf_counter() - began < 1  # measured: 0.1 s; the slack is for busy machines
