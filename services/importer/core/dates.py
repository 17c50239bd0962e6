"""Reads dates and times of columns that spell them in one way, declared or proven by their own cells."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from services.importer.core.doubt import Doubt
from shared.mapping import unaccented

_LONGEST = 100  # characters of a cell
_LONGEST_FORMAT = 40
_YEARS = range(1900, 2201)
_NOT_UNDERSTOOD = Doubt(
    "date_not_understood",
    "This is not a date in a spelling that is known for this column. Export dates as YYYY-MM-DD.",
)
_NOT_AS_DECLARED = Doubt(
    "date_not_understood",
    "This date is not spelled as the custom field's format says. Export dates in that format or as YYYY-MM-DD.",
)
_UNUSABLE_FORMAT = Doubt(
    "date_not_understood",
    "The custom field's date format cannot be used. Correct it, for example to DD/MM/YYYY.",
)
_SERIAL_NUMBER = Doubt(
    "date_not_understood",
    "This looks like an Excel serial number of a day. Give the column a date format before the file is exported.",
)
_AMBIGUOUS = Doubt(
    "date_ambiguous",
    "Day and month may stand in either order here, and no other cell of the column tells which. Export dates as"
    " YYYY-MM-DD, or declare the custom field's date format.",
)
_IMPOSSIBLE = Doubt(
    "date_impossible",
    "This day or time of day does not exist in the order of day and month that the column has, or its year is outside"
    f" {_YEARS[0]} to {_YEARS[-1]}. Correct it where the file is made.",
)

# English, French, German, Spanish and Italian names in lower case without accents, month by month.
_MONTH_NAMES = (
    "january jan janvier janv januar janner jaenner enero ene gennaio gen",
    "february feb fevrier fevr fev februar febrero febbraio",
    "march mar mars marz maerz mrz marzo",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag",
    "june jun juin juni junio giugno giu",
    "july jul juillet juil juli julio luglio lug",
    "august aug aout aou agosto ago",
    "september sept sep septembre septiembre setiembre settembre set",
    "october oct octobre oktober okt octubre ottobre ott",
    "november nov novembre noviembre",
    "december dec decembre dezember dez diciembre dic dicembre",
)
_MONTHS = {name: month for month, names in enumerate(_MONTH_NAMES, 1) for name in names.split()}
_WEEKDAY_NAMES = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thur thurs fri sat sun",
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mar mer jeu ven sam dim",
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so",
    "lunes martes miercoles jueves viernes sabado domingo lun mar mie jue vie sab dom",
    "lunedi martedi mercoledi giovedi venerdi sabato domenica lun mar mer gio ven sab dom",
)
_WEEKDAYS = frozenset(name for names in _WEEKDAY_NAMES for name in names.split())
_LEADING_WORDS = _WEEKDAYS | {"the", "le", "der", "den", "el", "il"}

_ZONE = r"(?P<zone>z|utc|gmt|[+-][0-9]{2}(?::?[0-9]{2})?)"
_HALF = r"(?P<half>[ap])\.?m\.?"
# Behind a T the colons may be missing, as in 20260131T143000Z.
_CLOCK = re.compile(
    r"(?:(?P<t>(?<=[0-9])t)|,? (?:(?:at|a|um|alle) )?)"
    r"(?P<hour>(?(t)[0-9]{2}|[0-9]{1,2}))(?(t):?|(?::| ?h ?))(?P<minute>[0-9]{2})"
    r"(?:(?(t):?|:)(?P<second>[0-9]{2})(?:[.,][0-9]{1,9})?)?"
    rf"(?: ?{_HALF})?(?: ?{_ZONE})?\Z"
)
_BASIC = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/. ])([0-9]{1,2})\2([0-9]{1,2})")
_YEAR_LAST = re.compile(r"([0-9]{1,2})( ?[-/] ?|\. ?| )([0-9]{1,2})\2([0-9]{4}|[0-9]{2})")
_SERIAL = re.compile(r"[1-9][0-9]{4}(?:[.,][0-9]+)?")
_DAY = r"(?P<day>[0-9]{1,2})(?:(?:st|nd|rd|th|er|o|\u00b0)(?![a-z]))?"
_MONTH = r"(?:(?:de|of) )?(?P<month>[a-z]+)"
_YEAR = r"(?:(?:del?|of) )?(?P<year>[0-9]{4}|[0-9]{2})"
_GAP = r"[-/., ]"
_NAMED = (
    re.compile(rf"{_DAY}{_GAP}{{0,3}}{_MONTH}{_GAP}{{0,3}}{_YEAR}"),
    re.compile(rf"{_MONTH}{_GAP}{{0,3}}{_DAY}{_GAP}{{1,3}}{_YEAR}"),
    re.compile(rf"(?P<year>[0-9]{{4}}){_GAP}{{0,3}}{_MONTH}{_GAP}{{0,3}}{_DAY}"),
)

# What declared formats consist of: each part by the name of its pattern, whose last word names what it matches.
_PATTERNS = {
    "day": r"(?P<day>[0-9]{1,2})",
    "month": r"(?P<month>[0-9]{1,2})",
    "named month": r"(?P<month>[a-z]+)\.?",
    "year": r"(?P<year>[0-9]{4})",
    "short year": r"(?P<year>[0-9]{2})",
    "hour": r"(?P<hour>[0-9]{1,2})",
    "minute": r"(?P<minute>[0-9]{2})",
    "second": r"(?P<second>[0-9]{2})",
    "fraction": r"(?P<fraction>[0-9]{1,9})",
    "am/pm": _HALF,
    "zone": _ZONE,
    "weekday": r"(?P<weekday>[a-z]+)\.?",
}
_DIGITS = frozenset(("day", "month", "year", "short year", "hour", "minute", "second", "fraction"))
_NEEDS = {"minute": "hour", "second": "minute", "fraction": "second", "am/pm": "hour", "zone": "hour"}
_CODES = {
    code: part
    for part, codes in {
        "day": "%d D DD d dd J JJ j jj",
        "month": "%m M MM",
        "named month": "%b %B MMM MMMM mmm mmmm",
        "year": "%Y YYYY yyyy AAAA aaaa",
        "short year": "%y YY yy AA aa",
        "hour": "%H %I H HH h hh",
        "minute": "%M",
        "second": "%S s ss",
        "fraction": "%f S SSS SSSSSS",
        "am/pm": "%p A a",
        "zone": "%z Z ZZ X XX XXX 'Z'",
        "weekday": "%a %A E EEE EEEE ddd dddd",
    }.items()
    for code in codes.split()
}
_LITERALS = frozenset((" ", "-", "/", ".", ",", ":", "T", "'T'", "h", "'h'"))
_DIRECTIVE = re.compile(r"%-?[A-Za-z]|.", re.DOTALL)
_TOKEN = re.compile(r"'[A-Za-z]'|([A-Za-z])\1*|.", re.DOTALL)


class DateProof:
    """Learns from the cells of one column in which order they write day and month."""

    __slots__ = ("_proven",)

    def __init__(self) -> None:
        self._proven: set[Literal["DMY", "MDY"]] = set()

    def see(self, cell: str) -> None:
        """Take one cell into account; dates that exist in both orders, and dates with dots, prove nothing."""
        text = _folded(cell)
        if text is None:
            return
        for spelling in _without_leading_words(_split(text)[0]):
            if found := _YEAR_LAST.fullmatch(spelling):
                day_first, month_first = _both_orders(found)
                if "." not in found[2] and isinstance(day_first, Doubt) != isinstance(month_first, Doubt):
                    self._proven.add("MDY" if isinstance(day_first, Doubt) else "DMY")

    def order(self) -> Literal["DMY", "MDY"] | None:
        """The proven order; None where no cell proves one, or where cells contradict each other."""
        return next(iter(self._proven)) if len(self._proven) == 1 else None


def date_of(cell: str, order: str | None, declared: str | None = None) -> str | Doubt:
    """Write a date as YYYY-MM-DD, or say why it is left out; a time of day is checked and dropped.

    `order` is the column's, `DMY` or `MDY`; with None, only what reads one way is taken. With a `declared` format,
    only that format and ISO 8601 are read. Years are 1900 to 2200; two digits mean 1970 to 2069.
    Codes: date_not_understood, date_ambiguous, date_impossible.
    """
    moment = _moment(cell, order, declared)
    return moment if isinstance(moment, Doubt) else moment[0]


def datetime_of(cell: str, order: str | None, declared: str | None = None) -> str | Doubt:
    """Write a date and time as YYYY-MM-DDTHH:MM:SS with the cell's offset, `+HH:MM` or `Z`, if it has one.

    A date alone is its midnight, fractions of seconds are dropped; all else is as for `date_of`.
    """
    moment = _moment(cell, order, declared)
    return moment if isinstance(moment, Doubt) else "T".join(moment)


def declared_problem(format: str) -> str | None:
    """Say in plain words why a declared format cannot be used; None if it can.

    Formats are written with directives, such as %d/%m/%Y %H:%M, or with tokens, such as DD/MM/YYYY or dd.MM.yy HH:mm.
    """
    pattern = _pattern(format)
    return pattern if isinstance(pattern, str) else None


def _moment(cell: str, order: str | None, declared: str | None) -> tuple[str, str] | Doubt:
    """The date, and the time of day with its offset."""
    text = _folded(cell)
    if text is None:
        return _NOT_UNDERSTOOD
    moment = _undeclared(text, order) if declared is None else _as_declared(text, declared)
    if isinstance(moment, Doubt) and moment.code == "date_not_understood" and _SERIAL.fullmatch(text):
        return _SERIAL_NUMBER
    return moment


def _folded(cell: str) -> str | None:
    """Lower case, no accents, single spaces; None for what no date has: great length, digits of other scripts."""
    if len(cell) > _LONGEST:
        return None
    if not cell.isascii():
        if any(char.isnumeric() and not char.isascii() for char in cell):
            return None
        cell = unaccented(cell).replace("\u2212", "-")
    return " ".join(cell.lower().split())


def _split(text: str) -> tuple[str, str | None]:
    """The date, and the time of day behind it: midnight if there is none, None if it does not exist."""
    found = _CLOCK.search(text)
    return (text, "00:00:00") if found is None else (text[: found.start()], _clock(found.groupdict()))


def _clock(parts: Mapping[str, str | None]) -> str | None:
    hour, minute, second = (int(parts.get(part) or 0) for part in ("hour", "minute", "second"))
    half, zone = parts.get("half"), _offset(parts.get("zone"))
    if half:
        hour = hour % 12 + 12 * (half == "p") if 1 <= hour <= 12 else 24
    if hour > 23 or minute > 59 or second > 59 or zone is None:
        return None
    return f"{hour:02}:{minute:02}:{second:02}{zone}"


def _offset(zone: str | None) -> str | None:
    if zone is None:
        return ""
    if zone.isalpha():
        return "Z"
    hours, minutes = zone[1:3], zone[3:].removeprefix(":") or "00"
    return f"{zone[0]}{hours}:{minutes}" if int(hours) <= 14 and int(minutes) <= 59 else None


def _joined(day: str | Doubt, clock: str | None) -> tuple[str, str] | Doubt:
    if isinstance(day, Doubt):
        return day
    return _IMPOSSIBLE if clock is None else (day, clock)


def _undeclared(text: str, order: str | None) -> tuple[str, str] | Doubt:
    text, clock = _split(text)
    for spelling in _without_leading_words(text):
        found = _calendar(spelling, order)
        if found is not _NOT_UNDERSTOOD:
            return _joined(found, clock)
    return _NOT_UNDERSTOOD


def _without_leading_words(text: str) -> Iterator[str]:
    """The text as it is, then without a weekday or article, then without both: Monday the 3rd."""
    yield text
    for _ in range(2):
        word, _space, text = text.partition(" ")
        if word.rstrip(".,") not in _LEADING_WORDS:
            return
        yield text


def _calendar(text: str, order: str | None) -> str | Doubt:
    if found := _YEAR_LAST.fullmatch(text):
        return _ordered(found, order)
    if found := _YEAR_FIRST.fullmatch(text):
        return _day(found[1], found[3], found[4])
    if found := _BASIC.fullmatch(text):
        return _day(found[1], found[2], found[3])
    for pattern in _NAMED:
        if found := pattern.fullmatch(text):
            return _day(found["year"], found["month"], found["day"])
    return _NOT_UNDERSTOOD


def _ordered(found: re.Match[str], order: str | None) -> str | Doubt:
    day_first, month_first = _both_orders(found)
    # Every convention that writes dots writes the day first.
    if order == "DMY" or "." in found[2]:
        return day_first
    if order == "MDY" or isinstance(day_first, Doubt):
        return month_first
    return day_first if isinstance(month_first, Doubt) or month_first == day_first else _AMBIGUOUS


def _both_orders(found: re.Match[str]) -> tuple[str | Doubt, str | Doubt]:
    first, second, year = found[1], found[3], found[4]
    return _day(year, second, first), _day(year, first, second)


def _day(year: str, month: str, day: str) -> str | Doubt:
    month_number = int(month) if month.isdigit() else _MONTHS.get(month)
    if month_number is None:
        return _NOT_UNDERSTOOD
    number = int(year)
    if len(year) == 2:
        number += 2000 if number < 70 else 1900
    try:
        return date(number, month_number, int(day)).isoformat() if number in _YEARS else _IMPOSSIBLE
    except ValueError:
        return _IMPOSSIBLE


def _as_declared(text: str, declared: str) -> tuple[str, str] | Doubt:
    pattern = _pattern(declared)
    if isinstance(pattern, str):
        return _UNUSABLE_FORMAT
    found = pattern.fullmatch(text)
    if found is None:
        return _iso(text)
    parts = found.groupdict()
    if parts.get("weekday", "mon") not in _WEEKDAYS:
        return _NOT_AS_DECLARED
    return _joined(_day(parts["year"], parts["month"], parts["day"]), _clock(parts))


def _iso(text: str) -> tuple[str, str] | Doubt:
    day, clock = _split(text)
    compact = day[:4] + day[5:7] + day[8:] if day[4:5] == day[7:8] == "-" else day
    found = _BASIC.fullmatch(compact)
    return _joined(_day(found[1], found[2], found[3]), clock) if found else _NOT_AS_DECLARED


def _pattern(format: str) -> re.Pattern[str] | str:
    """What cells of a declared format match, or why the format cannot be used."""
    if len(format) > _LONGEST_FORMAT:
        return f"The format is longer than {_LONGEST_FORMAT} characters. Write one such as DD/MM/YYYY."
    return _compiled(" ".join(format.split()))


@lru_cache(maxsize=256)
def _compiled(format: str) -> re.Pattern[str] | str:
    pieces = _directive_pieces(format) if "%" in format else _token_pieces(format)
    if not all(piece in _PATTERNS or piece in _LITERALS for piece in pieces):
        return "The format holds something that is no part of a date. Write one such as DD/MM/YYYY or %d/%m/%Y."
    problem = _missing_or_doubled([piece.split()[-1] for piece in pieces if piece in _PATTERNS])
    if problem is None and ("%I" in format or "%-I" in format) and "am/pm" not in pieces:
        problem = "The format has %I without %p, so mornings cannot be told from afternoons. Write %H, or add %p."
    return problem or _joined_pattern(pieces)


def _directive_pieces(format: str) -> list[str]:
    codes = [code.replace("%-", "%") for code in _DIRECTIVE.findall(format)]
    # Among directives, letters stand for themselves; only Z is a time zone even then.
    return [_CODES.get(code, code) if code[0] == "%" or code == "Z" else code for code in codes]


def _token_pieces(format: str) -> list[str]:
    pieces: list[str] = []
    for token in (found[0] for found in _TOKEN.finditer(format)):
        if token in ("m", "mm"):
            # As spreadsheets have it: minutes behind an hour, else the month.
            pieces.append("minute" if "hour" in pieces and "minute" not in pieces else "month")
        else:
            pieces.append(_CODES.get(token, token))
    return pieces


def _missing_or_doubled(parts: list[str]) -> str | None:
    for part in ("day", "month", "year"):
        if part not in parts:
            return f"The format has no {part}. Write one such as DD/MM/YYYY or %d/%m/%Y."
    for part in parts:
        if parts.count(part) > 1:
            return f"The format has the {part} twice. Write one such as DD/MM/YYYY HH:mm or %d/%m/%Y %H:%M."
        if _NEEDS.get(part, part) not in parts:
            return f"The format has the {part} without the {_NEEDS[part]}. Write one such as DD/MM/YYYY HH:mm."
    return None


def _joined_pattern(pieces: list[str]) -> re.Pattern[str]:
    pattern = "".join(_PATTERNS.get(piece) or re.escape(piece.strip("'").lower()) for piece in pieces)
    # Digits that touch can only be told apart by their width: 1112026 is 1 November or 11 January.
    if any(left in _DIGITS and right in _DIGITS for left, right in pairwise(pieces)):
        pattern = pattern.replace("{1,2}", "{2}")
    return re.compile(pattern)
