"""A table begins at its header, with a preamble above it or without, and some files have no header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.header import Layout, find_layout, fold
from services.importer.core.record import Record

ROWS = ["Acme,https://acme.fr,12", "Beta,https://beta.fr,7", "Gamma,https://gamma.fr,31", "Delta,https://d.fr,5"]


def layout(*lines: str, known: frozenset[str] = frozenset()) -> Layout:
    return find_layout([Record(number, tuple(line.split(","))) for number, line in enumerate(lines, 1)], known)


@pytest.mark.parametrize(
    "header",
    [
        "Company,Website,Size",
        "Raison sociale,Site web,Effectif",
        "a,b,c",
        "Foo,Bar,Baz",
        "Company,,Size",
        "COMPANY,2024,2025",
        '"Company",Website,Size',
    ],
)
def test_names_above_values_are_a_header(header: str) -> None:
    assert layout(header, *ROWS) == Layout(0, has_header=True, width=3)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ["a@acme.fr,1", "b@beta.fr,2"],
        ["Acme,2026-01-01,75001", "Beta,2026-01-02,69001", "Gamma,2026-01-03,13001"],
        ["1,2,3", "4,5,6", "7,8,9"],
        ["1,2", "Acme,3", "Beta,4"],
        ["0190a1b2-0000-7000-8000-000000000001,x", "0190a1b2-0000-7000-8000-000000000002,y"],
    ],
)
def test_a_first_row_that_is_like_those_below_it_is_no_header(rows: list[str]) -> None:
    found = layout(*rows)

    assert (found.first, found.has_header) == (0, False)


def test_names_over_text_are_a_header_even_where_nothing_sets_them_apart() -> None:
    assert layout("Company,City", "Acme,Paris", "Beta,Lyon").has_header
    assert layout("Company,City").has_header
    assert layout("Foo,Bar", "Acme,Paris").has_header


def test_a_first_row_whose_words_come_again_below_is_no_header() -> None:
    rows = ["Acme,Paris,WON", "Beta,Paris,WON", "Gamma,Lyon,LOST", "Delta,Paris,LOST"]

    assert not layout(*rows).has_header


@pytest.mark.parametrize(
    "preamble",
    [
        ["Export of 3 March"],
        ["Export of 3 March,,"],
        ["Report", "Confidential"],
        ["# made by hand", "# twice, in fact"],
    ],
)
def test_lines_above_the_table_are_a_preamble(preamble: list[str]) -> None:
    assert layout(*preamble, "Company,Website,Size", *ROWS) == Layout(len(preamble), has_header=True, width=3)


def test_a_header_with_few_names_is_no_preamble_if_all_of_them_are_names_of_columns() -> None:
    rows = ["Acme,x,Paris,y", "Beta,z,Lyon,w"]

    assert layout("Company,,City,", *rows) == Layout(0, has_header=True, width=4)
    assert layout("Leads,,of 2026,", "Company,a,City,b", *rows).first == 1


def test_years_are_names_beside_names_and_numbers_beside_values() -> None:
    assert layout("Company,2024,2025", "Acme,10,12", "Beta,7,9", "Gamma,3,4").has_header
    assert not layout("Acme,2024,2025", "Beta,7,9", "Gamma,3,4").has_header


def test_a_title_above_two_columns_is_a_preamble_even_if_it_is_a_name_of_a_column() -> None:
    assert layout("Export", "Company,City", "Acme,Paris", "Beta,Lyon").first == 1
    assert layout("Company,,", "Name,City,Size", *ROWS).first == 1


def test_a_column_called_by_a_number_sign_makes_no_comment() -> None:
    rows = ["1,Acme,Paris", "2,Beta,Lyon", "3,Gamma,Lille"]

    assert layout("#,Company,City", *rows) == Layout(0, has_header=True, width=3)


def test_words_as_long_as_those_below_them_are_values() -> None:
    below = ["bcda,xyzw,nopm", "cdab,yzwx,opmn", "dabc,zwxy,pmno"]

    assert not layout("abcd,wxyz,mnop", *below).has_header
    assert layout("abc,wxyzw,mn", *below).has_header
    assert layout("abcd,wxyz,mnop", *below[:2]).has_header


def test_a_known_header_without_rows_is_as_wide_as_it_is() -> None:
    assert layout("Mail,Firm", known=frozenset({"mail", "firm"})) == Layout(0, has_header=True, width=2)


def test_one_column_has_no_preamble() -> None:
    assert layout("Company", "Acme", "Beta") == Layout(0, has_header=True, width=1)


def test_the_width_is_that_of_the_rows() -> None:
    assert layout("Company,City,Size,", "Acme,Paris,1", "Beta,Lyon,2", "Gamma,Lille,3,x").width == 3


@pytest.mark.parametrize("header", ["E-MAIL,Soci\u00e9t\u00e9,x", " e-mail ,SOCIETE,x", "'e-mail',x,societe"])
def test_names_that_a_mapping_knows_settle_the_question(header: str) -> None:
    known = frozenset({"e-mail", "societe"})
    # Given rows above the header that look like rows of the table
    above = ["a@acme.fr,Acme,1", "b@beta.fr,Beta,2"]

    assert layout(*above, header, "c@c.fr,C,3", known=known) == Layout(2, has_header=True, width=3)


def test_one_known_name_of_several_settles_nothing_unless_the_row_has_no_other() -> None:
    known = frozenset({"company", "city", "size"})

    assert layout("Company", "Acme", known=known) == Layout(0, has_header=True, width=1)
    assert layout("a@acme.fr,company", "b@beta.fr,x", known=known) == Layout(0, has_header=False, width=2)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Soci\u00e9t\u00e9", "SOCIETE"),
        ("Socie\u0301te\u0301", "societe"),
        (" post \u00a0 code ", "Post Code"),
        ("\ufeffName", "name"),
        ('"Name"', "name"),
    ],
)
def test_names_are_alike_but_for_case_accents_spaces_and_quotes(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@given(name=st.text(max_size=20))
def test_a_folded_name_is_its_own_fold(name: str) -> None:
    once = fold(name)

    assert fold(once) in (once, once.strip("\ufeff\"' \t"))


@given(lines=st.lists(st.text("ab1@,. #", min_size=1, max_size=12).filter(lambda line: line.strip(" ,")), min_size=1))
def test_every_table_has_a_layout_within_it(lines: list[str]) -> None:
    found = layout(*lines)

    assert 0 <= found.first < len(lines)
    assert found.width >= 1
