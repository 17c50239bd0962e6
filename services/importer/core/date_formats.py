"""Formats that an admin declares for the dates of a custom field."""

import re
from functools import lru_cache
from itertools import pairwise

from services.importer.core.date_words import HALF, ZONE

_LONGEST_FORMAT = 40
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
    "am/pm": HALF,
    "zone": ZONE,
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


def pattern_of(format: str) -> re.Pattern[str] | str:
    """What cells of a declared format match, folded, or why the format cannot be used, in plain words.

    Formats are written with directives, such as %d/%m/%Y %H:%M, or with tokens, such as DD/MM/YYYY or dd.MM.yy HH:mm.
    """
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
