"""What a cell looks like, cheaply: the evidence by which a dialect and a header are told."""

import re
from functools import lru_cache

_LONGEST = 200  # characters of a cell that are looked at
_SIGN = r"[-+\u2212]?"
_GROUPED = r"(?:\d{1,3}(?:[ \u00a0\u202f.,'\u2019]\d{3})+|\d+)"
_MONEY = r"(?:[$\u20ac\u00a3\u00a5]|EUR|USD|GBP|CHF|CAD)"
_TIME = r"\d{1,2}[:h]\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?[AaPp]\.?[Mm]\.?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
_MONTH = (
    r"(?:jan|feb|f[e\u00e9]v|mar|apr|avr|may|mai|jun|juin|jul|juil|aug|ao[u\u00fb]|sep|oct|okt|nov|dec|d[e\u00e9]c|dez)"
    r"[a-z\u00e9\u00fb]{0,8}\.?"
)
_DAY = (
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}"
    rf"|\d{{1,2}}[ -]{_MONTH}[ -]\d{{2,4}}|{_MONTH} \d{{1,2}}, ?\d{{4}})"
)
_KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("number", re.compile(rf"{_SIGN}(?:{_GROUPED}(?:[.,]\d+)?|[.,]\d+)(?:[eE][-+]?\d{{1,3}})?(?: ?%)?")),
    ("money", re.compile(rf"{_SIGN}(?:{_MONEY} ?{_GROUPED}(?:[.,]\d+)?|{_GROUPED}(?:[.,]\d+)? ?{_MONEY})")),
    ("time", re.compile(rf"{_TIME}|{_DAY}(?:[ T]{_TIME})?", re.IGNORECASE)),
    ("email", re.compile(r"[^\s@,;|\"<>]{1,64}@[^\s@,;|\"<>]+\.[^\s@,;|\"<>]{2,}")),
    (
        "url",
        re.compile(
            r"(?:[a-z][a-z0-9+.-]{1,15}://|www\.)[^\s\"]+|(?:[a-z0-9-]+\.)+(?:com|org|net|io|fr|de|eu|uk|co)(?:/\S*)?",
            re.IGNORECASE,
        ),
    ),
    ("path", re.compile(r"(?:/[\w.~-]+){2,}/?|[A-Za-z]:(?:\\[\w .~-]+)+\\?")),
    ("phone", re.compile(r"(?!\d{4}-\d\d-)(?=(?:\D*\d){7})(?:\+|00|\()?\d[\d .()/-]{5,20}\d")),
    ("uuid", re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")),
    ("code", re.compile(r"(?=[^\W_]*\d)[^\W_]+(?:[-_./:#][^\W_]+){0,6}")),
)
_TEXT = re.compile(r"[^\W_](?:[\w .,:='\u2019`&()/+!?%*@\u00b0-]|[^\x00-\x7f])*")
_EMPTY_WORDS = frozenset({"-", "--", "n/a", "na", "null", "none", "nan", "#n/a"})
_STRUCTURE = re.compile(r"[;|\t^~\"<>{}\[\]\\]|,\S")


@lru_cache(maxsize=65_536)
def kind_of(cell: str) -> str:
    """One word: empty, number, money, time, email, url, path, phone, uuid, code, text, or odd for what looks badly cut.

    "code" is one word with a digit in it; "odd" holds characters that separate cells more often than they are text.
    """
    value = cell.strip()[:_LONGEST]
    if not value or value.lower() in _EMPTY_WORDS:
        return "empty"
    for kind, pattern in _KINDS:
        if pattern.fullmatch(value):
            return kind
    if _STRUCTURE.search(value):
        return "odd"
    return "text" if _TEXT.fullmatch(value) else "odd"
