"""A file is a header and rows as wide as it; what is odd about a line costs that line alone, and is told."""

import csv
import io
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.dialect import Dialect
from services.importer.core.lines import Block, block_of_text, split_lines
from services.importer.core.record import Familiar, Outcome, Record, Refusal, Reject, Skipped
from services.importer.core.rows import Limits
from services.importer.core.table import Header, Table, read_table

COMMA = Dialect(",")
ROWS = "Acme,Paris,12\nBeta,Lyon,7\nGamma,Lille,31\n"


def table(text: str, dialect: Dialect = COMMA, known: frozenset[str] = frozenset()) -> Table:
    found = read_table([block_of_text(split_lines(text))], dialect, known=known)
    assert isinstance(found, Table)
    return found


def refusal(text: str, limits: Limits | None = None) -> Refusal:
    found = read_table([block_of_text(split_lines(text))], COMMA, limits or Limits())
    assert isinstance(found, Refusal)
    return found


def records(text: str, dialect: Dialect = COMMA) -> list[Outcome]:
    return list(table(text, dialect).records)


def cells(outcomes: list[Outcome]) -> list[tuple[str, ...]]:
    return [outcome.cells for outcome in outcomes if isinstance(outcome, Record)]


def odd(outcomes: list[Outcome]) -> list[tuple[int, str]]:
    """The lines that are no plain rows, each with its code."""
    return [
        (outcome.line, outcome.flag if isinstance(outcome, Record) else outcome.code)
        for outcome in outcomes
        if not isinstance(outcome, Familiar) and (not isinstance(outcome, Record) or outcome.flag)
    ]


def test_rows_are_as_wide_as_the_header() -> None:
    found = table("\ufeff\n a , b,c\n1\n1,2,3,4\n1,2,3\n")

    assert (found.header, found.before) == (Header(2, ("a", "b", "c")), (Skipped(1),))
    short, wrong, right = found.records
    assert (short, right) == (Record(3, ("1", "", ""), "short_row"), Record(5, ("1", "2", "3")))
    assert isinstance(wrong, Reject)
    assert (wrong.line, wrong.code, wrong.cells) == (4, "extra_cells", ("1", "2", "3", "4"))
    assert "4 cells" in wrong.reason
    assert "header 3" in wrong.reason


def test_a_reason_never_holds_the_text_of_a_cell() -> None:
    text = 'h1,h2\nsecret,"x\nsecret"x,"\n"secret"x\nsecret\0\nsecret,\ud800\nsecret,secret,secret\n'
    found = [outcome for outcome in records(text) if isinstance(outcome, Reject)]

    assert len(found) > 4
    assert not any("secret" in reject.reason for reject in found)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"),
        ("\n \n,,\n", "empty_file"),
        ("sep=,\n", "empty_file"),
        ("a\0,b\n1,2\n", "bad_header"),
        ('a,"b\n', "bad_header"),
        ("\ud800\n", "bad_header"),
        ("\ud800,a\n1,2\n", "bad_header"),
        ("\ufeff,\ufeff\n", "bad_header"),
        (",".join(map(str, range(2_001))), "too_many_columns"),
        (",".join(f"c{number}" for number in range(2_001)) + "\n", "too_many_columns"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(text: str, code: str) -> None:
    assert refusal(text).code == code


@pytest.mark.parametrize(
    ("header", "code"),
    [(",".join(f"c{number}" for number in range(200_000)), "too_many_columns"), ("x" * 1_000_001, "header_too_long")],
)
def test_a_header_too_long_to_be_split_is_told_for_what_it_is(header: str, code: str) -> None:
    assert refusal(f"{header}\n1,2\n").code == code


def test_a_refused_header_is_told_with_its_line_and_what_to_do() -> None:
    assert refusal("\na\0,b\n1,2\n").reason.startswith("Line 2, the header, cannot be read. ")
    assert "NUL" in refusal("a\0,b\n").reason
    assert "2001 columns" in refusal(",".join(f"c{number}" for number in range(2_001))).reason


@pytest.mark.parametrize("header", ["a,b,c", "a,b,c,,,"])
def test_a_file_may_have_just_as_many_columns_as_the_limit(header: str) -> None:
    text = [block_of_text([f"{header}\n", "1,2,3\n", "4,5,6\n"])]

    assert isinstance(read_table(text, COMMA, Limits(columns=3)), Table)
    assert isinstance(read_table(text, COMMA, Limits(columns=2)), Refusal)


def test_a_name_longer_than_the_limit_is_refused() -> None:
    limits = Limits(header_chars=20)

    assert refusal("x" * 21 + ",b\n1,2\n", limits).code == "header_too_long"
    assert isinstance(read_table([block_of_text(["x" * 20 + ",b\n", "1,2\n"])], COMMA, limits), Table)


def test_empty_columns_at_the_end_of_a_spreadsheet_do_not_count() -> None:
    many = "," * 16_382

    assert table(f"a,b{many}\n1,2\n").header.names == ("a", "b")
    assert table(f"a,b{many}\n1,2{many}\n").header.names[:3] == ("a", "b", "")


def test_a_hint_of_excel_is_no_line_of_the_table() -> None:
    found = table("sep=;\nCompany;City\nAcme;Paris\n", Dialect(";"))

    assert (found.header.line, found.header.names, found.before, found.notes) == (2, ("Company", "City"), (), ())
    assert cells(list(found.records)) == [("Acme", "Paris")]


def test_what_looks_like_a_hint_further_down_is_a_row() -> None:
    assert cells(records("Company\nsep=,\n", Dialect(";"))) == [("sep=,",)]


@pytest.mark.parametrize(
    "preamble", ["Export of 3 March\n", "Export of 3 March\n\n", "Report,,\nConfidential,,\n", "# made by hand\n"]
)
def test_each_line_above_the_table_is_left_out_and_told(preamble: str) -> None:
    found = table(f"{preamble}Company,City,Size\n{ROWS}")

    lines = [number for number, line in enumerate(split_lines(preamble), 1) if line.strip()]
    assert found.header == Header(len(split_lines(preamble)) + 1, ("Company", "City", "Size"))
    assert [(note.line, note.code) for note in found.notes] == [(line, "preamble") for line in lines]
    assert [skipped.line for skipped in found.before] == list(range(1, len(split_lines(preamble)) + 1))
    assert len(cells(list(found.records))) == 3


def test_an_unreadable_line_between_preamble_and_header_is_rejected_and_counted() -> None:
    found = table(f"Report\nx\0\nCompany,City,Size\n{ROWS}")

    assert [(type(above), above.line) for above in found.before] == [(Skipped, 1), (Reject, 2)]
    assert found.header.line == 3


def test_a_file_without_header_keeps_its_first_row() -> None:
    found = table("a@acme.fr,Acme\nb@beta.fr,Beta\n")

    assert found.header == Header(None, ("#1", "#2"))
    assert cells(list(found.records)) == [("a@acme.fr", "Acme"), ("b@beta.fr", "Beta")]


def test_the_columns_of_a_file_without_header_are_those_of_its_widest_beginning() -> None:
    assert table("a@acme.fr,1,x\nb@beta.fr,2\nc@c.fr,3\n").header.names == ("#1", "#2", "#3")
    assert table("a@acme.fr,1\nb@beta.fr,2,x\nc@c.fr,3,y\n").header.names == ("#1", "#2", "#3")


def test_known_names_find_a_header_that_nobody_would_guess() -> None:
    text = "a@acme.fr,Acme\nMail,Firm\nb@beta.fr,Beta\n"

    assert table(text).header.line is None
    assert table(text, known=frozenset({"mail", "firm"})).header == Header(2, ("Mail", "Firm"))


def test_a_header_that_is_repeated_amid_the_rows_is_left_out() -> None:
    found = records(f"Company,City,Size\n{ROWS}Company,City,Size\n{ROWS}")

    assert odd(found) == [(5, "repeated_header")]
    assert len(cells(found)) == 6


def test_the_first_row_of_a_file_without_header_may_come_again() -> None:
    assert len(cells(records("a@acme.fr,1\nb@beta.fr,2\na@acme.fr,1\n"))) == 3


def test_rows_that_all_end_with_a_separator_fit_a_header_that_does_not() -> None:
    found = table("a,b\n" + "1,2,\n" * 20)

    assert found.header.names == ("a", "b", "")
    assert odd(list(found.records)) == []


def test_rows_that_all_have_one_real_cell_more_than_the_header_are_rejected() -> None:
    assert len(odd(records("a,b\n" + "1,2,3\n" * 20))) == 20


def test_one_row_in_ten_may_stand_out_from_a_habit() -> None:
    assert len(table("a,b\n" + "1,2,\n" * 18 + "1,2\n" * 2).header.names) == 3
    assert len(table("a,b\n" + "1,2,\n" * 17 + "1,2\n" * 3).header.names) == 2


def test_a_lone_row_with_a_surplus_separator_is_rejected_unless_it_is_the_file_s_habit() -> None:
    assert odd(records("a,b\n" + "1,2\n" * 20 + "1,2,\n")) == [(22, "extra_cells")]


@pytest.mark.parametrize("header", ["a,,b", "a,b,", ",a,b"])
def test_a_separator_too_many_in_the_header_alone_shifts_no_cell(header: str) -> None:
    found = table(f"{header}\n" + "1,2\n" * 20)

    assert found.header.names == ("a", "b")
    assert odd(list(found.records)) == []


def test_a_column_without_a_name_stays_where_it_is() -> None:
    found = table("a,,b\n" + "1,2,3\n" * 20)

    assert found.header.names == ("a", "", "b")
    assert cells(list(found.records))[0] == ("1", "2", "3")


def test_a_header_of_three_names_over_rows_of_two_cells_keeps_its_names() -> None:
    found = table("a,b,c\n" + "1,2\n" * 20)

    assert found.header.names == ("a", "b", "c")
    assert {code for _, code in odd(list(found.records))} == {"short_row"}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ('Company,"City,Size', ("Company", "City", "Size")),
        ('"Company,City,Size', ("Company", "City", "Size")),
        ('"Company" x,City,Size', ('Company" x', "City", "Size")),
        ('Company,"Ci"ty",Size', ("Company", 'Ci"ty', "Size")),
    ],
)
def test_a_header_with_a_quote_too_many_is_read_if_the_rows_bear_it_out(header: str, names: tuple[str, ...]) -> None:
    found = table(f"{header}\n{ROWS}")

    assert found.header == Header(1, names)
    assert [(note.line, note.code) for note in found.notes] == [(1, "stray_quote")]
    assert len(cells(list(found.records))) == 3


def test_a_broken_header_that_the_rows_do_not_bear_out_is_refused() -> None:
    assert refusal(f'"Company\n{ROWS}').code == "bad_header"
    assert refusal(f'Company,City,Size,Owner,"x\n{ROWS}').code == "bad_header"


@pytest.mark.parametrize(
    ("line", "row"),
    [
        ('Delta,the "best" shop,4', None),
        ('Delta,"the "best" shop",4', ("Delta", 'the "best" shop', "4")),
        ('"Delta" SA",Paris,4', ('Delta" SA', "Paris", "4")),
        ('Delta,"the "best, shop",4', ("Delta", 'the "best, shop', "4")),
    ],
)
def test_a_line_with_quotes_that_are_not_doubled_is_read_if_its_cells_add_up(
    line: str, row: tuple[str, ...] | None
) -> None:
    found = records(f"Company,City,Size\n{ROWS}{line}\n{ROWS}")

    assert odd(found) == [(5, "stray_quote")]
    assert cells(found)[3] == (row or tuple(line.split(",")))
    assert len(cells(found)) == 7


def test_a_quote_that_another_row_closes_costs_its_own_line_alone() -> None:
    # Given a lone quote that opens a cell, and two rows below another one at the end of the line
    found = records(f'Company,City,Size\n{ROWS}Delta,"Lyon,2\nEta,Nice,3\nTheta,Brest"\n{ROWS}')

    assert odd(found) == [(5, "unclosed_quote"), (7, "short_row")]
    assert [row[0] for row in cells(found)][3:5] == ["Eta", "Theta"]
    assert len(cells(found)) == 8


def test_a_line_whose_cells_do_not_add_up_is_rejected() -> None:
    assert odd(records(f'Company,City,Size\n{ROWS}"Delta"x",y,"a"b",4\n{ROWS}')) == [(5, "bad_quoting")]


def test_totals_and_notes_below_the_table_are_left_out_and_rows_are_not() -> None:
    found = records(f"Company,City,Size\n{ROWS}\nTotal,,50\nSource: CRM\n")

    assert odd(found) == [(5, "blank"), (6, "footer"), (7, "footer")]
    assert len(cells(found)) == 3


def test_a_total_is_a_footer_only_at_the_very_end() -> None:
    assert odd(records(f"Company,City,Size\nTotal,,50\n{ROWS * 3}")) == []


def test_the_last_rows_are_held_back_and_no_others() -> None:
    taken = 0

    def blocks() -> Iterator[Block]:
        nonlocal taken
        yield block_of_text(["Company,City,Size\n"])
        for _ in range(1_000):
            taken += 1
            yield block_of_text(["Acme,Paris,12\n"])

    found = read_table(blocks(), COMMA)
    assert isinstance(found, Table)
    for _ in range(200):
        next(found.records)

    assert taken < 220


# Lines with as many separators as the header has may be rows that a stray quote swallowed.
GOOD_CELL = (st.text('abc\u00e9",', max_size=6) | st.text('abc\u00e9"\n', max_size=6)).map(lambda text: f"x{text}y")
GOOD_ROWS = st.lists(st.lists(GOOD_CELL, min_size=4, max_size=4), min_size=3, max_size=6)
BAD_ROWS = [
    "a\0b,c\n",
    "\udc80,c\n",
    "a,b,c,d,e,f\n",
    '"a"b,"c"d\n',
    'x,"a,b\n',
    'a,"b""\n',
    '"\n',
    'a"b,c,d,e\n',
    "a,b\n",
]


def written(rows: list[list[str]], end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(rows)
    return out.getvalue()


@settings(max_examples=150)
@given(before=GOOD_ROWS, after=GOOD_ROWS, bad=st.sampled_from(BAD_ROWS))
def test_one_bad_line_never_changes_another_record(before: list[list[str]], after: list[list[str]], bad: str) -> None:
    first = written([["Company", "City", "Owner", "Comment"], *before])

    found = records(first + bad + written(after))

    assert [line for line, _ in odd(found)] == [len(split_lines(first)) + 1]
    kept = [outcome.cells for outcome in found if isinstance(outcome, Record) and not outcome.flag]
    assert kept == [*map(tuple, before), *map(tuple, after)]


@settings(max_examples=200)
@given(text=st.text('ab1",;\n\r\0\ud800 #=', max_size=80))
def test_every_line_of_any_text_belongs_to_the_header_or_to_one_outcome(text: str) -> None:
    found = read_table([block_of_text(split_lines(text))], COMMA)

    assert isinstance(found, Table | Refusal)
    if isinstance(found, Table):
        seen = [outcome.line for outcome in (*found.before, *found.records)]
        assert len(set(seen)) == len(seen)
        assert found.header.line not in seen
        for outcome in read_table([block_of_text(split_lines(text))], COMMA).records:  # type: ignore[union-attr]
            assert not isinstance(outcome, Record) or len(outcome.cells) == len(found.header.names)


def test_one_line_of_separators_is_bounded() -> None:
    began = time.perf_counter()
    found = records("a,b\n" + "," * 900_000 + "\n" + "1," * 450_000 + "\n")

    assert [type(outcome) for outcome in found] == [Skipped, Reject]
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("unit", ['"\n', 'a,"b"c,"\n', '"a"b\n', "a,b,c,d\n", ",\n", 'x"y\n'])
def test_a_megabyte_of_odd_lines_takes_little_time(unit: str) -> None:
    began = time.perf_counter()
    outcomes = records("h1,h2\n1,2\n" + unit * (1_000_000 // len(unit)))

    assert len(outcomes) >= 1_000
    assert time.perf_counter() - began < 10  # measured: 2 s at most
