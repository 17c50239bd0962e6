"""A column's numbers are read in the one spelling that it proves; what stays ambiguous is left out, never guessed."""

import re
import timeit
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.doubt import Doubt
from services.importer.core.numbers import NumberProof, number, price

CANONICAL = re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{0,14}[1-9])?")
CODES = {"number_not_understood", "number_ambiguous", "number_too_large"}
MAGNITUDES = st.integers(0, 15).flatmap(lambda digits: st.integers(0, 10**digits))
# Thousands and decimal separator, as English, French, German and Swiss programs write them.
STYLES = [(",", "."), ("", "."), (".", ","), ("", ","), (" ", ","), ("\u00a0", ","), ("\u202f", ","), ("\u2009", ".")]
STYLES += [("'", "."), ("\u2019", "."), ("\u2019", ",")]
NUMBER_LIKE = st.text("0123456789012345.,, '()-+%eE\u20ac$\u202f\u2212KEUR", max_size=20)


def code(result: str | Doubt) -> str:
    return result.code if isinstance(result, Doubt) else result


def fastest(run: Callable[[], object]) -> float:
    """Seconds of the fastest of three runs: a busy machine delays one, hardly all."""
    return min(timeit.repeat(run, number=1, repeat=3))


def proven_by(*cells: str) -> str | None:
    proof = NumberProof()
    for cell in cells:
        proof.see(cell)
    return proof.proven()


def written(value: Decimal, style: tuple[str, str]) -> str:
    thousands, decimal = style
    return f"{value:,f}".translate({ord(","): thousands, ord("."): decimal})


@pytest.mark.parametrize(
    ("cell", "decimal"),
    [
        ("1,234.5", "."),
        ("1.234,567", ","),
        ("1,234,567", "."),
        ("1.234.567", ","),
        ("12,5", ","),
        ("12.50", "."),
        ("0,123", ","),
        ("0.123", "."),
        (",5", ","),
        ("1234.567", "."),
        ("1 234,567", ","),
        ("1\u202f234,5", ","),
        ("1'234.5", "."),
        ("-12,5", ","),
        ("(12,5)", ","),
        ("12,5-", ","),
        ("12,5 %", ","),
        ("$1,234.50", "."),
        ("1 234,50 \u20ac", ","),
        ("EUR 12,5", ","),
        ("1,234E+05", ","),
        *(
            (cell, None)
            for cell in ("1,234", "1.234", "-123.456", "1 234", "1'234", "1\u00a0234", "1234", "", "$1,234")
        ),
        *((cell, None) for cell in ("31.12.2026", "1.2.3", "12,34,567", "v1.5", "acme.fr", "a,b", "12,5 kg", "1,2;3")),
        *(
            (cell, None)
            for cell in ("1,234.567.890", "0,123,456", "12 34,5 6", "\uff11,5", "1,", ".", "0" * 200 + ",5")
        ),
    ],
)
def test_a_cell_proves_a_decimal_separator_if_it_reads_one_way_only(cell: str, decimal: str | None) -> None:
    assert proven_by(cell) == decimal


def test_one_proof_is_enough_for_a_column_and_a_contradiction_leaves_it_unproven() -> None:
    assert proven_by("1,234", "abc", "", "12,5", "5,678") == ","
    assert proven_by("12,5", "12.5") is None
    assert proven_by("12,5", "12.5", "13,5") is None


def test_what_could_be_thousands_or_decimals_is_read_only_when_the_column_tells_which() -> None:
    assert code(number("1,234", None)) == "number_ambiguous"
    assert code(number("1.234", None)) == "number_ambiguous"
    assert code(price("$1,234", None, "USD")) == "number_ambiguous"
    assert number("1,234", ".") == "1234"
    assert number("1,234", ",") == "1.234"
    assert number("1234", None) == number("1 234", None) == "1234"
    assert number("12,5", None) == number("12.5", None) == "12.5"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("007", "7"),
        ("12.500", "12.5"),
        ("12.0", "12"),
        (".5", "0.5"),
        (" +12 ", "12"),
        ("- 12", "-12"),
        ("\u221212", "-12"),
        ("12.5-", "-12.5"),
        ("(1 234)", "-1234"),
        ("12 %", "12"),
        ("-12.5%", "-12.5"),
        ("(12%)", "-12"),
        ("1,234,567.89", "1234567.89"),
        ("1\u2019234\u2019567.89", "1234567.89"),
        ("1.5E+3", "1500"),
        ("1.5e3", "1500"),
        ("-1.25E-2", "-0.0125"),
        ("1E5", "100000"),
        ("0E30", "0"),
        ("9" * 30, "9" * 30),
        ("0" * 40 + "1", "1"),
        ("0." + "0" * 14 + "1" + "0" * 20, "0." + "0" * 14 + "1"),
    ],
)
def test_a_number_is_written_as_plain_digits(cell: str, value: str) -> None:
    assert number(cell, ".") == value


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "",
            " ",
            "-",
            "+",
            ".",
            "()",
            "%",
            "abc",
            "12 kg",
            "1 2",
            "12,34",
            "1,23,456.7",
            "1,2345",
            "1234,567",
            "0,123",
        ),
        *(
            "1.234.567",
            "1.234,5",
            "1,234 567",
            "1 234,567",
            "1  234",
            "1 234 56",
            "1.5.",
            "5.",
            "1..5",
            "1_000",
            "0x10",
        ),
        *(
            "--5",
            "-5-",
            "+5-",
            "-(5)",
            "(5",
            "5)",
            "((5))",
            "5+",
            "5%%",
            "%5",
            "1.5E",
            "E5",
            "1.5E+-3",
            "1E5.5",
            "1,234E2",
        ),
        *(
            "NaN",
            "inf",
            "Infinity",
            "\u0661\u0662",
            "\uff11\uff12",
            "\u00b2",
            "\u00bd",
            "1\x00",
            "12\n34",
            "$5",
            "5 \u20ac",
        ),
        *("5 EUR", "=1+1", "1/2", "1e5e5", "\u20ac", "'5"),
    ],
)
def test_what_is_no_number_of_this_spelling_is_not_understood(cell: str) -> None:
    assert code(number(cell, ".")) == "number_not_understood"


@pytest.mark.parametrize("cell", ["1E31", "1E-31", "1e999999", "1e-999999", "1E" + "9" * 90, "9" * 31, "0." + "1" * 16])
def test_numbers_of_no_use_are_too_large_and_never_expanded(cell: str) -> None:
    assert code(number(cell, ".")) == "number_too_large"
    assert code(price(cell, None, None)) == "number_too_large"


@pytest.mark.parametrize(
    ("cell", "currency", "value"),
    [
        ("1234.5", "EUR", "1234.5"),
        ("\u20ac1,234.50", "EUR", "1234.5"),
        ("1 234.50\u00a0\u20ac", "EUR", "1234.5"),
        ("EUR 12", "EUR", "12"),
        ("12eur", "EUR", "12"),
        ("12 EUR", None, "12"),
        ("-$5", "USD", "-5"),
        ("$-5", "CAD", "-5"),
        ("($5)", "AUD", "-5"),
        ("5 $-", "USD", "-5"),
        ("$12 CAD", "CAD", "12"),
        ("12 $US", "USD", "12"),
        ("\u00a31", "GBP", "1"),
        ("\u00a5100", "JPY", "100"),
        ("100 \u00a5", "CNY", "100"),
        ("CHF 1\u2019234.50", "CHF", "1234.5"),
        ("12 kr", "SEK", "12"),
        ("12 z\u0142", "PLN", "12"),
        ("$5", "EUR", "currency_differs"),
        ("5 USD", "CAD", "currency_differs"),
        ("$12 CAD", "USD", "currency_differs"),
        ("\u20ac5", "XAU", "currency_differs"),
        *(
            (junk, "EUR", "number_not_understood")
            for junk in (
                *("12 k\u20ac", "12k", "12K EUR", "\u20ac", "EUR", "12 XYZ", "\u20ac12 USD", "12 \u20ac\u20ac", "12 %"),
                *(
                    "E-UR 12",
                    "E U R 12",
                    "12\u20ac50",
                    "12 \u20ac/mois",
                    "about 12",
                    "12,34 \u20ac",
                    "-\u20ac-5",
                    "5 \u20ac HT",
                ),
            )
        ),
    ],
)
def test_a_price_may_carry_its_fields_currency_and_no_other(cell: str, currency: str | None, value: str) -> None:
    assert code(price(cell, ".", currency)) == value


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(STYLES),
    st.lists(
        st.tuples(MAGNITUDES, st.integers(0, 6), st.booleans()).map(
            lambda parts: Decimal(parts[0]).scaleb(-parts[1]) * (-1 if parts[2] else 1)
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_a_column_written_in_one_style_reads_back_as_the_same_numbers(
    style: tuple[str, str], values: list[Decimal]
) -> None:
    # Given a column in one style
    cells = [written(value, style) for value in values]

    # When it is read with what its own cells prove
    decimal = proven_by(*cells)
    read = [number(cell, decimal) for cell in cells]

    # Then every cell is its number, or was left out because no cell told more
    assert decimal in (None, style[1])
    for value, result in zip(values, read, strict=True):
        if isinstance(result, Doubt):
            assert (result.code, decimal) == ("number_ambiguous", None)
        else:
            assert Decimal(result) == value
    assert [Decimal(code(number(cell, style[1]))) for cell in cells] == values


@settings(max_examples=100, deadline=None)
@given(MAGNITUDES.map(lambda units: Decimal(units).scaleb(-2)), st.sampled_from(STYLES), st.booleans())
def test_prices_prove_and_read_back_with_their_currency(value: Decimal, style: tuple[str, str], after: bool) -> None:
    amount = written(value.quantize(Decimal("0.01")), style)
    cell = f"{amount}\u00a0\u20ac" if after else f"\u20ac{amount}"

    assert proven_by(cell) == style[1]
    assert Decimal(code(price(cell, style[1], "EUR"))) == value


@settings(max_examples=400, deadline=None)
@given(NUMBER_LIKE | st.text(max_size=120), st.sampled_from([".", ",", None]), st.sampled_from(["EUR", "USD", None]))
def test_any_text_is_a_plain_number_or_a_doubt(cell: str, decimal: str | None, currency: str | None) -> None:
    proven_by(cell)
    for result in (number(cell, decimal), price(cell, decimal, currency)):
        if isinstance(result, Doubt):
            assert result.code in CODES | {"currency_differs"}
        else:
            assert CANONICAL.fullmatch(result)
            assert number(result, ".") == result


@settings(max_examples=200, deadline=None)
@given(NUMBER_LIKE)
def test_what_one_cell_proves_is_what_it_reads_as_alone(cell: str) -> None:
    decimal = proven_by(cell)

    if decimal is not None:
        assert number(cell, None) == number(cell, decimal)


@pytest.mark.parametrize("read", [lambda cell: number(cell, None), lambda cell: price(cell, ",", "EUR"), proven_by])
@pytest.mark.parametrize(
    "unit", ["1", "1,", "1.", "1 234", ",123", " ", "(", "-", "1e9", "\u20ac", "EUR", "\u00a0", "0.", "%"]
)
@pytest.mark.parametrize("length", [100, 100_000])
def test_hostile_cells_are_answered_at_once(read: Callable[[str], object], unit: str, length: int) -> None:
    cell = (unit * length)[:length]

    assert fastest(partial(read, cell)) < 0.01
