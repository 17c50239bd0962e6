"""A column's dates are read in the one spelling that is declared or proven; what stays ambiguous is left out."""

import re
import timeit
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.date_formats import pattern_of
from services.importer.core.dates import DateProof, date_of, datetime_of
from services.importer.core.doubt import Doubt

CODES = {"date_not_understood", "date_ambiguous", "date_impossible"}
DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))
DAYS_OF_TWO_DIGITS = st.dates(date(1970, 1, 1), date(2069, 12, 31))
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31)).map(lambda moment: moment.replace(microsecond=0))
ORDERS = st.sampled_from(["DMY", "MDY", None])
FORMATS = ["%d/%m/%Y", "MM/DD/YY", "D MMMM YYYY", "YYYY-MM-DD HH:mm:ss", "DDMMYYYY", "dd.MM.yy hh:mm a", "nonsense", ""]
DATE_LIKE = st.text("0123456789/-. :tTzZ+hPMaugo\u00fbt,", max_size=24)
MONTHS = {
    "English": "January February March April May June July August September October November December",
    "English, short": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "French": "janvier f\u00e9vrier mars avril mai juin juillet ao\u00fbt septembre octobre novembre d\u00e9cembre",
    "French, short": "janv. f\u00e9vr. mars avr. mai juin juil. ao\u00fbt sept. oct. nov. d\u00e9c.",
    "French, bare": "JANVIER FEVRIER MARS AVRIL MAI JUIN JUILLET AOUT SEPTEMBRE OCTOBRE NOVEMBRE DECEMBRE",
    "German": "Januar Februar M\u00e4rz April Mai Juni Juli August September Oktober November Dezember",
    "German, short": "Jan. Feb. M\u00e4rz Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.",
    "Austrian": "J\u00e4nner Feb M\u00e4r Apr Mai Jun Jul Aug Sep Okt Nov Dez",
    "Spanish": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "Spanish, short": "ene feb mar abr may jun jul ago sept oct nov dic",
    "Italian": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "Italian, short": "gen feb mar apr mag giu lug ago set ott nov dic",
}
NAMED_STYLES: dict[str, Callable[[date, str], str]] = {
    "3 August 2026": lambda day, month: f"{day.day} {month} {day.year}",
    "August 3, 2026": lambda day, month: f"{month} {day.day}, {day.year}",
    "03-Aug-2026": lambda day, month: f"{day.day:02}-{month}-{day.year}",
    "3. August 2026": lambda day, month: f"{day.day}. {month} {day.year}",
    "3 de agosto de 2026": lambda day, month: f"{day.day} de {month} de {day.year}",
    "2026 August 3": lambda day, month: f"{day.year} {month} {day.day}",
    "mar. 3 August 2026": lambda day, month: f"mar. {day.day} {month} {day.year}",
}


def declared_problem(format: str) -> str | None:
    """Why a declared format cannot be used."""
    pattern = pattern_of(format)
    return pattern if isinstance(pattern, str) else None


def code(result: str | Doubt) -> str:
    return result.code if isinstance(result, Doubt) else result


def fastest(run: Callable[[], object]) -> float:
    """Seconds of the fastest of three runs: a busy machine delays one, hardly all."""
    return min(timeit.repeat(run, number=1, repeat=3))


def proven_by(*cells: str) -> str | None:
    proof = DateProof()
    for cell in cells:
        proof.see(cell)
    return proof.proven()


@pytest.mark.parametrize(
    ("cell", "order"),
    [
        ("31/01/2026", "DMY"),
        ("31-01-26", "DMY"),
        ("31 01 2026", "DMY"),
        ("31/01/2026 14:30", "DMY"),
        ("1/31/2026", "MDY"),
        ("1/31/2026 2:30 PM", "MDY"),
        ("Sat 01/31/2026", "MDY"),
        *(
            (cell, None)
            for cell in ("03/04/2026", "05/05/2026", "31.01.2026", "01.31.2026", "2026-01-31", "2026/31/01")
        ),
        *(
            (cell, None)
            for cell in ("31/02/2024", "02/30/2024", "31/31/2026", "31/01/3026", "31/01", "31/01/2026 x", "")
        ),
        *((cell, None) for cell in ("31 janvier 2026", "31/01-2026", "\uff13\uff11/01/2026", "31/01/2026" + " " * 100)),
    ],
)
def test_a_date_proves_an_order_if_it_exists_in_that_order_only(cell: str, order: str | None) -> None:
    assert proven_by(cell) == order


def test_one_proof_is_enough_for_a_column_and_a_contradiction_leaves_it_unproven() -> None:
    assert proven_by("03/04/2026", "n/a", "31/01/2026", "2026-01-31") == "DMY"
    assert proven_by("31/01/2026", "01/31/2026") is None
    assert proven_by("31/01/2026", "01/31/2026", "30/01/2026") is None


def test_what_reads_two_ways_is_read_only_when_the_column_tells_which() -> None:
    assert code(date_of("03/04/2026", None)) == "date_ambiguous"
    assert code(datetime_of("03-04-26 10:00", None)) == "date_ambiguous"
    assert date_of("03/04/2026", "DMY") == "2026-04-03"
    assert date_of("03/04/2026", "MDY") == "2026-03-04"
    assert date_of("05/05/2026", None) == "2026-05-05"
    assert date_of("31/01/2026", None) == date_of("01/31/2026", None) == "2026-01-31"
    assert code(date_of("31/01/2026", "MDY")) == "date_impossible"


@pytest.mark.parametrize("order", ["DMY", "MDY", None])
def test_dates_with_dots_are_day_first(order: str | None) -> None:
    assert date_of("03.04.2026", order) == date_of("3. 4. 26", order) == "2026-04-03"


@pytest.mark.parametrize(
    "cell",
    [
        *("2026-01-31", "2026/01/31", "2026.01.31", "2026 01 31", "2026-1-31", "20260131", " 2026-01-31 "),
        *("2026-01-31T14:30", "2026-01-31 14:30:59.123456", "2026-01-31T14:30:00Z", "2026-01-31T23:30:00+02:00"),
        *("20260131T143000Z", "20260131T1430", "2026-01-31 14:30:00 UTC", "2026-01-31 14:30:00 -0500"),
        *("31/01/2026", "31/1/26", "31-01-2026", "31 / 01 / 2026", "31.01.2026", "31. 1. 2026", "31 01 2026"),
        *("31/01/2026 14:30:00", "31\u00a001\u00a02026", "31/01/2026 \u00e0 14h30", "31/01/2026, 2:30 p.m."),
        *("31 janvier 2026", "31 JANV. 2026", "Saturday, 31 January 2026", "Saturday the 31st of January 2026"),
        *("January 31st, 2026", "Sat Jan 31 2026", "31JAN2026", "31-Jan-26", "2026-Jan-31", "31. J\u00e4nner 2026"),
        *("samedi 31 janvier 2026 \u00e0 14 h 30", "Samstag, den 31. Januar 2026 um 14:30", "el 31 de enero del 2026"),
        *("s\u00e1bado, 31 de enero de 2026", "sabato 31 gennaio 2026", "Sat, 31 Jan 2026 14:30:00 +0100"),
    ],
)
def test_many_spellings_of_one_day_are_understood(cell: str) -> None:
    assert date_of(cell, None) == "2026-01-31"


@pytest.mark.parametrize(
    "cell", ["1er ao\u00fbt 2026", "1er aou\u0302t 2026", "1\u00ba agosto 2026", "1\u00b0 agosto 2026", "Aug 1st 2026"]
)
def test_the_first_of_a_month_may_be_an_ordinal(cell: str) -> None:
    assert date_of(cell, None) == "2026-08-01"


def test_a_word_that_is_a_weekday_and_a_month_is_what_it_stands_for() -> None:
    assert date_of("mar 3 2026", None) == "2026-03-03"
    assert date_of("mar. 3 mars 2026", None) == "2026-03-03"


def test_two_digits_of_a_year_mean_1970_to_2069() -> None:
    years = [code(date_of(f"31/01/{digits}", "DMY"))[:4] for digits in ("00", "69", "70", "99")]

    assert years == ["2000", "2069", "1970", "1999"]


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "",
            "infinity",
            "-infinity",
            "now",
            "today",
            "epoch",
            "hier",
            "Q1 2026",
            "2026",
            "01/2026",
            "Jan 2026",
            "3 Aug",
        ),
        *(
            "2026-W05-6",
            "2026-031",
            "2026-01",
            "31/01-2026",
            "31/01/026",
            "31/01/20266",
            "1/2/3",
            "31//01/2026",
            "14:30",
        ),
        *("32 foo 2026", "foo 31/01/2026", "31/01/2026 foo", "2026-01-31 at noon", "2026-01-31T", "2026-01-31 14:3"),
        *(
            "\u0662\u0660\u0662\u0666-01-31",
            "\uff12\uff10\uff12\uff16-01-31",
            "\u00b2/01/2026",
            "2026-01-31\x00",
            "-2026-01-31",
        ),
        *("2026-01-31 14:30 CET", "31/01/2026 - 02/02/2026", "1769817600", "'2026-01-31", "2026-01-31" + " " * 100),
    ],
)
def test_what_is_no_date_is_not_understood(cell: str) -> None:
    assert code(date_of(cell, "DMY")) == "date_not_understood"
    assert code(datetime_of(cell, "DMY")) == "date_not_understood"


@pytest.mark.parametrize("declared", [None, "DD/MM/YYYY"])
@pytest.mark.parametrize("cell", ["45292", "45292.5", "45292,604166667"])
def test_a_day_number_of_excel_is_named_as_such(cell: str, declared: str | None) -> None:
    doubt = date_of(cell, "DMY", declared)

    assert isinstance(doubt, Doubt)
    assert doubt.code == "date_not_understood"
    assert "Excel serial number" in doubt.advice


@pytest.mark.parametrize(
    "cell",
    [
        *(
            "31/02/2024",
            "0000-00-00",
            "00/00/0000",
            "2023-02-29",
            "20261301",
            "31 avril 2026",
            "31.13.2026",
            "32/01/2026",
        ),
        *("1899-12-31", "2201-01-01", "01/01/9999", "2026-01-31 24:00", "2026-01-31 10:60", "31/01/2026 10:00:60"),
        *("2026-01-31 14:30 PM", "2026-01-31 0:30 AM", "2026-01-31T10:00+15:00", "2026-01-31T10:00+02:60"),
    ],
)
def test_days_and_times_that_do_not_exist_are_impossible(cell: str) -> None:
    for order in ("DMY", None):
        assert code(date_of(cell, order)) == code(datetime_of(cell, order)) == "date_impossible"


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-01-31", "2026-01-31T00:00:00"),
        ("31/01/2026 9:05", "2026-01-31T09:05:00"),
        ("31/01/2026 9h05", "2026-01-31T09:05:00"),
        ("1/31/2026 2:30 PM", "2026-01-31T14:30:00"),
        ("1/31/2026 12:30:15 am", "2026-01-31T00:30:15"),
        ("1/31/2026 12:30 p.m.", "2026-01-31T12:30:00"),
        ("2026-01-31T14:30:15.999Z", "2026-01-31T14:30:15Z"),
        ("2026-01-31 14:30 UTC", "2026-01-31T14:30:00Z"),
        ("2026-01-31T14:30:00+0530", "2026-01-31T14:30:00+05:30"),
        ("2026-01-31T14:30:00-05", "2026-01-31T14:30:00-05:00"),
        ("2026-01-31T14:30:00\u221205:00", "2026-01-31T14:30:00-05:00"),
    ],
)
def test_a_time_keeps_its_offset_and_a_date_alone_is_midnight(cell: str, moment: str) -> None:
    assert datetime_of(cell, None) == moment


@pytest.mark.parametrize(
    ("declared", "cell", "moment"),
    [
        ("%d/%m/%Y", "03/04/2026", "2026-04-03T00:00:00"),
        ("DD/MM/YYYY", "3/4/2026", "2026-04-03T00:00:00"),
        ("JJ/MM/AAAA", "03/04/2026", "2026-04-03T00:00:00"),
        ("dd/mm/yyyy hh:mm", "03/04/2026 14:05", "2026-04-03T14:05:00"),
        ("MM-DD-YY", "03-04-26", "2026-03-04T00:00:00"),
        ("dd.MM.yyyy", "03.04.2026", "2026-04-03T00:00:00"),
        ("MM.DD.YYYY", "03.04.2026", "2026-03-04T00:00:00"),
        ("YY/MM/DD", "26/04/03", "2026-04-03T00:00:00"),
        ("YYYY-DD-MM", "2026-03-04", "2026-04-03T00:00:00"),
        ("DDMMYYYY", "03042026", "2026-04-03T00:00:00"),
        ("%-d %B %Y", "3 avril 2026", "2026-04-03T00:00:00"),
        ("EEE, D MMM YYYY", "Fri, 3 Apr 2026", "2026-04-03T00:00:00"),
        ("hh:mm a DD/MM/YYYY", "02:05 PM 03/04/2026", "2026-04-03T14:05:00"),
        ("YYYY-MM-DD HH:mm:ss", "2026-04-03 14:05:06", "2026-04-03T14:05:06"),
        ("%Y-%m-%dT%H:%M:%SZ", "2026-04-03T14:05:06Z", "2026-04-03T14:05:06Z"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "2026-04-03T14:05:06.123+02:00", "2026-04-03T14:05:06+02:00"),
        ("%d/%m/%Y %I:%M %p", "03/04/2026 02:05 pm", "2026-04-03T14:05:00"),
        ("DD/MM/YYYY", "2026-04-03", "2026-04-03T00:00:00"),
        ("DD/MM/YYYY", "2026-04-03T14:05Z", "2026-04-03T14:05:00Z"),
        ("DD/MM/YYYY", "20260403", "2026-04-03T00:00:00"),
    ],
)
def test_a_declared_format_decides_and_iso_8601_is_taken_as_well(declared: str, cell: str, moment: str) -> None:
    assert declared_problem(declared) is None
    assert datetime_of(cell, None, declared) == moment
    assert date_of(cell, "MDY", declared) == moment[:10]


@pytest.mark.parametrize(
    ("declared", "cell", "doubt"),
    [
        ("DD/MM/YYYY", "03-04-2026", "date_not_understood"),
        ("DD/MM/YYYY", "03/04/26", "date_not_understood"),
        ("DD/MM/YYYY", "03/04/2026 10:00", "date_not_understood"),
        ("DD/MM/YYYY", "3 avril 2026", "date_not_understood"),
        ("DD/MM/YYYY", "2026/04/03", "date_not_understood"),
        ("DD/MM/YYYY", "01/31/2026", "date_impossible"),
        ("DD/MM/YYYY", "31/02/2026", "date_impossible"),
        ("DDMMYYYY", "1112026", "date_not_understood"),
        ("DDMMYYYY", "20260403", "date_impossible"),
        ("EEE DD/MM/YYYY", "foo 03/04/2026", "date_not_understood"),
        ("DD/MM/YYYY HH:mm", "03/04/2026 25:00", "date_impossible"),
        ("MM/YYYY", "04/2026", "date_not_understood"),
        ("x" * 1000, "2026-04-03", "date_not_understood"),
    ],
)
def test_what_a_declared_format_does_not_fit_is_left_out(declared: str, cell: str, doubt: str) -> None:
    assert code(date_of(cell, "DMY", declared)) == doubt


@pytest.mark.parametrize(
    ("declared", "problem"),
    [
        ("", "no day"),
        ("MM/YYYY", "no day"),
        ("DD/YYYY", "no month"),
        ("%d/%m", "no year"),
        ("DD/MM/YYYY HH:MM", "month twice"),
        ("%d/%m/%Y %y", "year twice"),
        ("DD/MM/YYYY :ss", "second without the minute"),
        ("DD/MM/YYYY a", "am/pm without the hour"),
        ("%d/%m/%Y %I:%M", "%I without %p"),
        ("%d/%m/%Y %-I:%M", "%I without %p"),
        ("DD/MM/YYYY" + " " * 40, "longer than 40"),
        *((junk, "no part of a date") for junk in ("%c", "%x", "%d/%m/%Y%%", "%j", "%d/%m/%Y%", "date", "DD/MM/YYYYY")),
        *(
            (junk, "no part of a date")
            for junk in ("(a+)+$", "[DD]/MM/YYYY", "DD/MM/YYYY\x00", "%d%m%Y.*", "\uff24D/MM/YYYY")
        ),
    ],
)
def test_a_format_that_cannot_be_used_is_explained(declared: str, problem: str) -> None:
    assert problem in (declared_problem(declared) or "")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["DMY", "MDY"]),
    st.sampled_from(["/", "-", " "]),
    st.booleans(),
    st.lists(DAYS_OF_TWO_DIGITS, min_size=1, max_size=6),
)
def test_a_column_written_in_one_order_reads_back_as_the_same_days(
    order: str, mark: str, short: bool, days: list[date]
) -> None:
    # Given a column in one order
    shape = mark.join(("%d", "%m") if order == "DMY" else ("%m", "%d")) + mark + ("%y" if short else "%Y")
    cells = [day.strftime(shape) for day in days]

    # When it is read with what its own cells prove
    proven = proven_by(*cells)
    read = [date_of(cell, proven) for cell in cells]

    # Then every cell is its day, or was left out because no cell told more
    assert proven in (None, order)
    for day, result in zip(days, read, strict=True):
        assert code(result) in (day.isoformat(), "date_ambiguous")
        assert isinstance(result, str) or proven is None
    assert [date_of(cell, order) for cell in cells] == [day.isoformat() for day in days]


@settings(max_examples=300, deadline=None)
@given(DAYS, st.sampled_from(sorted(MONTHS)), st.sampled_from(sorted(NAMED_STYLES)), ORDERS)
def test_named_months_read_back_in_every_language(day: date, language: str, style: str, order: str | None) -> None:
    cell = NAMED_STYLES[style](day, MONTHS[language].split()[day.month - 1])

    assert date_of(cell, order) == day.isoformat()


@settings(max_examples=200, deadline=None)
@given(TIMES, st.integers(-14 * 60, 14 * 60), ORDERS)
def test_iso_8601_reads_back_whatever_the_column_proves(moment: datetime, minutes: int, order: str | None) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    for cell in (moment.isoformat(), local.isoformat(), local.isoformat(" ", "milliseconds")):
        result = datetime_of(cell, order)
        assert isinstance(result, str)
        assert datetime.fromisoformat(result) == datetime.fromisoformat(cell)
        assert date_of(cell, order) == cell[:10]


@settings(max_examples=200, deadline=None)
@given(
    TIMES,
    st.sampled_from(
        ["%d/%m/%Y %H:%M:%S", "%m-%d-%Y %I:%M:%S %p", "%Y%m%d%H%M%S", "%S:%M:%H %d %b %Y", "%A, %B %d, %Y %T"]
    ),
)
def test_a_declared_format_reads_back_what_it_writes(moment: datetime, format: str) -> None:
    format = format.replace("%T", "%H:%M:%S")

    assert declared_problem(format) is None
    assert datetime_of(moment.strftime(format), None, format) == moment.isoformat()


@settings(max_examples=400, deadline=None)
@given(DATE_LIKE | st.text(max_size=120), ORDERS, st.none() | st.sampled_from(FORMATS) | st.text(max_size=50))
def test_any_text_is_a_day_or_a_doubt(cell: str, order: str | None, declared: str | None) -> None:
    proven_by(cell)
    day, moment = date_of(cell, order, declared), datetime_of(cell, order, declared)

    if isinstance(day, Doubt):
        assert day.code in CODES
        assert moment == day
    else:
        assert isinstance(moment, str)
        assert date.fromisoformat(day).isoformat() == moment[:10] == day
        assert re.fullmatch(r"T\d\d:\d\d:\d\d(?:Z|[+-]\d\d:\d\d)?", moment[10:])
        datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    "read", [lambda cell: date_of(cell, None), lambda cell: date_of(cell, None, "D MMMM YYYY a"), proven_by]
)
@pytest.mark.parametrize(
    "unit", ["1", "1/", "1 ", "a", "a ", "mar ", "le ", "1:", " 11:11", "t11", ", ", "de ", "\ufdfa", "\u0301", "1h"]
)
@pytest.mark.parametrize("length", [100, 100_000])
def test_hostile_cells_are_answered_at_once(read: Callable[[str], object], unit: str, length: int) -> None:
    cell = (unit * length)[:length]

    assert fastest(partial(read, cell)) < 0.01


@pytest.mark.parametrize("unit", ["%", "%d", "D", "'", "MMMM", "a", " ", "[a-z]+", "\u00e9"])
def test_hostile_formats_are_answered_at_once(unit: str) -> None:
    for declared in ((unit * 40)[:40], unit * 100_000):
        assert declared_problem(declared) is not None
        assert fastest(partial(date_of, "2026-01-31", None, declared)) < 0.01
