"""Tells quotes that are a mistake from those that mean something."""

import itertools
import re
from collections.abc import Sequence

from services.importer.core.dialect import SEPARATOR, Dialect

_LINE_END = re.compile(r"\r\n?|\n")
_NEARLY = 0.8  # of a record's lines
_BY_CHANCE = 6  # lines and cells, up to which text of several lines may look like rows


class Quotes:
    """Judges records of a table of so many columns; a width of 0 is one that is not known."""

    def __init__(self, dialect: Dialect, width: int) -> None:
        self._quote = dialect.quote
        self._width = width
        self._lone = _lone(dialect)
        self._inches = _inches(dialect.quote)
        self._separators = _separators(dialect)

    def is_stray(self, text: str, cells: Sequence[str]) -> bool:
        """Whether a record that could be read has a quote which says that one beside it, or a separator, is missing."""
        if not self._lone:
            return False
        # Quotes around cells and doubled quotes come in pairs; who writes those doubles the sign for inches, too.
        count = text.count(self._quote)
        odd = count % 2 and not (count == 1 and any(map(self._inches.search, cells)))
        return bool(odd or self._lone.search(text))

    def may_be_stray(self, text: str, lines: Sequence[str]) -> bool:
        """Whether one of the lines, which make up the text, may have such a quote, if each is a record by itself."""
        if self._lone is None or self._quote not in text:
            return False
        counts = map(str.count, lines, itertools.repeat(self._quote))
        return any(count % 2 for count in counts) or self._lone.search(text) is not None

    def swallowed_rows(self, cells: Sequence[str]) -> bool:
        """Whether the cells of several lines are no record's: a stray quote in one row was closed by another row's.

        Then lines are whole rows by themselves. Where the record is as wide as the table by chance, nearly all of them
        must be, because text of several lines may hold separators, too.
        """
        if self._width < 2:
            return False
        full = [width == self._width for width in self._line_widths(cells)]
        if len(cells) != self._width:
            return any(full[1:])
        alone = sum(1 for cell in cells if _LINE_END.search(cell)) == 1
        whole = full[0] and full[-1] and sum(full) >= _NEARLY * len(full)
        return alone and whole and len(full) + self._width > _BY_CHANCE

    def _line_widths(self, cells: Sequence[str]) -> list[int]:
        """How many cells each line of a record would have if the quotes that keep its lines together were none."""
        widths = [0]
        for cell in cells:
            first, *others = _LINE_END.split(cell)
            widths[-1] += 1 + (len(self._separators.findall(first)) if others else 0)
            widths += [1 + len(self._separators.findall(line)) for line in others]
        return widths


def _lone(dialect: Dialect) -> re.Pattern[str] | None:
    """Finds a single quote amid text; None where a backslash may stand before it."""
    if not dialect.quote or dialect.escape == "\\":
        return None
    mark = dialect.delimiter if len(dialect.delimiter) == 1 else SEPARATOR
    quote, text = dialect.quote, rf"[^{re.escape(mark + dialect.quote)}\s]"
    # The quote comes first, because what begins with one character is found fast, and then what settles most cases.
    beside = rf"(?={text})(?<![{re.escape(mark.strip(' ') + quote)}]{quote})"
    return re.compile(rf"{quote}{beside}(?:(?<={text}{quote})|(?<={text} {quote}))")


def _inches(quote: str) -> re.Pattern[str]:
    """Finds the lone quote that is no mistake: the sign for inches after a short number, with text beside it."""
    size = rf"\d{{1,3}}(?:[.,]\d{{1,2}}|[ -]?\d/\d{{1,2}})?{quote}"
    return re.compile(rf"(?:^|[\s(x]){size}(?=[\s),x])|[\s(x]{size}$")


def _separators(dialect: Dialect) -> re.Pattern[str]:
    """Finds what separates cells, but not the commas of prose."""
    mark = str(dialect.options()["delimiter"])
    return re.compile(re.escape(mark) + ("" if dialect.spaced or mark == " " else "(?! )"))
