"""The delimiter is found by agreement between records, at a bounded cost."""

import csv
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.detector import declared_delimiter, detect, records_end
from services.importer.core.dialect import Dialect


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_each_delimiter_is_found(delimiter: str) -> None:
    rows = [["Company", "City", "Size"], ["Acme", "Paris", "12"], ["Beta", "Lyon", "7"]]

    assert detect("\r\n".join(map(delimiter.join, rows))) == Dialect(delimiter)


@pytest.mark.parametrize(
    ("sample", "delimiter"),
    [
        ("Societe;CA;Ville\nAcme;1,5;Paris\nBeta;2,7;Lyon\n", ";"),
        ('Societe;"CA, en k";Ville\nAcme;1,5;Paris\nBeta;2,7;Lyon\n', ";"),
        ("Nom, prenom;Ville\nDupont, Jean;Paris\nDurand, Anne;Lyon\n", ";"),
        ("Name,Tags\nAcme,a;b;c\nBeta,d;e\n", ","),
        ('Name,Note\nAcme,"a;b;c;d\ne;f;g;h"\nBeta,"x;y"\n', ","),
        ('Name;Note\nAcme;"a,b,c,d\ne,f,g,h"\nBeta;"x,y"\n', ";"),
        ("a;b,c;d", ";"),
        ("Name;City;Size\nAcme;Paris\nBeta;Lyon\nGamma;Lille\n", ";"),
        ("Name;City;Size\nAcme;Paris;1;\nBeta;Lyon;2;\n", ";"),
        ("\ufeffName;City\nAcme;Paris\n", ";"),
        ("\n\nName;City\nAcme;Paris\n", ";"),
        ("Company\nAcme\nBeta\n", ","),
        ("Company\nAcme; Ltd\nBeta; Ltd\n", ","),
        ("", ","),
        ("\n\n", ","),
    ],
)
def test_the_header_and_its_rows_decide_together(sample: str, delimiter: str) -> None:
    assert detect(sample).delimiter == delimiter


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("rows", "dialect"),
    [
        (['Name,"Note, long"', 'Acme,"a ""b"""', "Beta,c"], Dialect(",", '"', '"')),
        (['Name,"Note, long"', 'Acme,"a \\"b\\" c"', "Beta,c"], Dialect(",", '"', "\\")),
        (['"Name":"Note"', '"Acme":"\\"\'=;\\" "', '"Beta":"c"'], Dialect(":", '"', "\\")),
        (["'Name','Note, long'", "'Acme','a, b'", "'L''Iota','c'"], Dialect(",", "'", "'")),
        (["Name,City", "'Acme, SA',Paris", "'Beta, SA','Lyon, 2'"], Dialect(",", "'")),
        (["Name||City", "Acme||Paris", "Beta||Lyon"], Dialect("||")),
        (["Name|~|City", "Acme|~|Paris", "Beta|~|Lyon"], Dialect("|~|")),
        (["Name, City", "Acme, Paris", '"Beta, SA", Lyon'], Dialect(",", spaced=True)),
        (["Name;Size", 'Pipe 5";1', 'Pipe 7";2', 'Pipe 9";3'], Dialect(";")),
        (["Name;Size", '"5 pipe;1', '"7 pipe;2', '"9 pipe;3'], Dialect(";", "")),
        (["Name,,City,,Size", "Acme,,Paris,,1", "Beta,,Lyon,,2"], Dialect(",,")),
        (["Name,,City", "Acme,,Paris", "Beta,,Lyon"], Dialect(",")),
        (["Name|x|City", "Acme||Paris", "Beta|y|Lyon"], Dialect("|")),
    ],
)
def test_quotes_escapes_and_longer_delimiters_are_told(rows: list[str], dialect: Dialect, end: str) -> None:
    assert detect(end.join(rows) + end) == dialect


def test_an_apostrophe_here_and_there_is_no_quote() -> None:
    assert detect("Name,City\nL'Iota,Paris\n'Bel Air',Lyon\nD'Azur,Nice\n").quote == '"'


def test_what_is_given_is_taken_as_it_is() -> None:
    sample = "a,b;c,d\n1,2;3,4\n"

    assert detect(sample, delimiter=";").delimiter == ";"
    assert detect(sample, delimiter="z").delimiter == "z"
    assert detect(sample, delimiter="||").delimiter == "||"
    assert detect(sample, quote="'").quote == "'"
    assert detect('a,"b"\n1,"2"\n', quote="").quote == ""


@pytest.mark.parametrize(
    ("line", "declares"),
    [
        ("sep=;\n", True),
        ('"sep=,"\r\n', True),
        ("SEP=\t\n", True),
        ("sep=;x\n", False),
        ("sep=\n", False),
        ("a", False),
    ],
)
def test_a_hint_of_excel_is_one_whole_line(line: str, declares: bool) -> None:
    assert declared_delimiter(line) == declares


def test_a_hint_of_excel_decides_and_what_is_given_decides_over_it() -> None:
    sample = "sep=|\na,b|c,d\n1,2|3,4\n"

    assert detect(sample).delimiter == "|"
    assert detect(sample, delimiter=",").delimiter == ","


@pytest.mark.parametrize(
    ("dialect", "line", "cells"),
    [
        (Dialect("||"), "a||b|c\n", ["a", "b|c"]),
        (Dialect(",", '"', "\\"), '"\\"",C:\\x,\\\\\n', ['"', "C:\\x", "\\"]),
        (Dialect(",", ""), '"a,b"\n', ['"a', 'b"']),
        (Dialect("||", '"', "\\"), "a\\||b||c\\d\n", ["a||b", "c\\d"]),
    ],
)
def test_the_csv_module_splits_what_it_cannot_say_itself(dialect: Dialect, line: str, cells: list[str]) -> None:
    (found,) = csv.reader([dialect.prepared(line)], strict=True, **dialect.options())  # type: ignore[arg-type]

    assert [dialect.restored(cell) for cell in found] == cells


@given(cell=st.text('ab"\\, ', max_size=8))
def test_a_quoted_cell_reads_back(cell: str) -> None:
    for dialect in (Dialect(","), Dialect(",", '"', '"'), Dialect(",", '"', "\\")):
        line = dialect.prepared(f"{dialect.quoted(cell)},x")
        assert next(csv.reader([line], strict=True, **dialect.options())) == [cell, "x"]  # type: ignore[arg-type]


def test_a_sample_may_end_inside_a_quoted_cell() -> None:
    sample = "Name;Note\n" + 'Acme;"short, note"\n' * 20 + 'Beta;"a note, that, is, cut'

    assert detect(sample).delimiter == ";"


@pytest.mark.parametrize("unit", ['"\n', '"', "\n", '",\n', '";"\n"', '""', ',";|\t"', "\r", '"""\n', "a\n"])
def test_crafted_samples_take_well_under_a_second(unit: str) -> None:
    sample = unit * (65_536 // len(unit))

    began = time.perf_counter()
    detect(sample)

    assert time.perf_counter() - began < 1


def test_a_lowered_csv_limit_does_not_break_the_detector() -> None:
    before = csv.field_size_limit(10)
    try:
        assert detect("Name;City\nAcme;" + "x" * 50).delimiter == ";"
    finally:
        csv.field_size_limit(before)


@settings(max_examples=60, deadline=None)
@given(
    delimiter=st.sampled_from(",;\t|"),
    cells=st.lists(
        st.lists(st.text("ab,;|\t\" '\n0", min_size=1, max_size=8), min_size=3, max_size=3), min_size=4, max_size=8
    ),
)
def test_a_file_whose_cells_are_all_quoted_is_always_understood(delimiter: str, cells: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([["Company", "City", "Note"], *[["x" + cell for cell in row] for row in cells]])

    assert detect(out.getvalue()).delimiter == delimiter


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (["Company,Note\r\n", 'Acme,"two\n', 'lines"\r\n', "Beta,\r\n"], "CRLF"),
        (["Company,Note\n", "Acme,x\r\n"], "mixed"),
        (["Company\r", "\n"], "mixed"),
        (["Company"], "none"),
    ],
)
def test_the_line_ends_inside_quoted_cells_are_none_of_the_file_s(lines: list[str], name: str) -> None:
    assert records_end(Dialect(","), lines) == name


@pytest.mark.parametrize("line", ['sep="\n', "sep=a\n", "sep=\n", "sep=;;\n"])
def test_a_hint_that_names_no_separator_is_none(line: str) -> None:
    assert not declared_delimiter(line)
    assert detect(f"{line}Name;City\n" + "Acme;Paris\n" * 12).delimiter == ";"
