"""The delimiter is found by agreement between records, at a bounded cost."""

import csv
import io
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.dialect import Dialect, detect


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
