"""Reads dates and times of columns that spell them in one way, declared or proven by their own cells."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Literal

from services.importer.core.date_formats import pattern_of
from services.importer.core.date_words import HALF, LEADING_WORDS, MONTHS, WEEKDAYS, ZONE
from services.importer.core.doubt import Doubt
from shared.mapping import unaccented

_LONGEST = 100  # characters of a cell
_YEARS = range(1900, 2201)
_NOT_UNDERSTOOD = Doubt(
    "date_not_understood",
    "This is not a date in a spelling that is known for this column. Export dates as YYYY-MM-DD.",
)
_NOT_AS_DECLARED = Doubt(
    "date_not_understood",
    "This date is not spelled as the custom field's format says. Export dates in that format or as YYYY-MM-DD.",
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

# Behind a T the colons may be missing, as in 20260131T143000Z.
_CLOCK = re.compile(
    r"(?:(?P<t>(?<=[0-9])t)|,? (?:(?:at|a|um|alle) )?)"
    r"(?P<hour>(?(t)[0-9]{2}|[0-9]{1,2}))(?(t):?|(?::| ?h ?))(?P<minute>[0-9]{2})"
    r"(?:(?(t):?|:)(?P<second>[0-9]{2})(?:[.,][0-9]{1,9})?)?"
    rf"(?: ?{HALF})?(?: ?{ZONE})?\Z"
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

    def contradicted(self) -> bool:
        """Whether cells prove both orders, so that nothing will be proven any more."""
        return len(self._proven) > 1

    def proven(self) -> Literal["DMY", "MDY"] | None:
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
        if word.rstrip(".,") not in LEADING_WORDS:
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
    month_number = int(month) if month.isdigit() else MONTHS.get(month)
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
    pattern = pattern_of(declared)
    if isinstance(pattern, str):
        return Doubt("date_not_understood", f"The custom field's date format cannot be used. {pattern}")
    found = pattern.fullmatch(text)
    if found is None:
        return _iso(text)
    parts = found.groupdict()
    if parts.get("weekday", "mon") not in WEEKDAYS:
        return _NOT_AS_DECLARED
    return _joined(_day(parts["year"], parts["month"], parts["day"]), _clock(parts))


def _iso(text: str) -> tuple[str, str] | Doubt:
    day, clock = _split(text)
    compact = day[:4] + day[5:7] + day[8:] if day[4:5] == day[7:8] == "-" else day
    found = _BASIC.fullmatch(compact)
    return _joined(_day(found[1], found[2], found[3]), clock) if found else _NOT_AS_DECLARED
