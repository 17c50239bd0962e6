"""Tells a file's dialect by its beginning: a detector of our own with a bounded cost, unlike csv.Sniffer.

Every reading of the sample is scored by two things (the idea of van den Burg et al., "Wrangling messy CSV files by
detecting row and type patterns", 2019): how many lines agree on the number of cells, and how many cells look like
something. The sample, the number of candidates and the cells looked at are bounded.
"""

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product

from services.importer.core.dialect import Dialect
from services.importer.core.lines import line_end, split_lines
from services.importer.core.shapes import kind_of

SAMPLE_CHARS = 65_536
_LINES = 300
_CELLS = 3_000
_SHORT = 10  # records
_DAMAGED = 0.9  # what a reading without quotes is worth where one with quotes breaks
_MANY = 0.1  # of the lines
_LONG_RECORD = 5_000  # characters, beyond which its quoted cells are not looked for
# How much a delimiter is trusted, and how many cells a record needs before it is believed at all.
_TRUST = {
    ",": (1.0, 2),
    ";": (0.995, 2),
    "\t": (0.99, 2),
    "|": (0.97, 2),
    "\x1f": (0.97, 2),
    "\x01": (0.97, 2),
    "\u00a7": (0.85, 2),
    "^": (0.85, 2),
    "~": (0.85, 2),
    ":": (0.75, 3),
    " ": (0.7, 3),
    "#": (0.75, 3),
    "&": (0.7, 3),
    "/": (0.6, 3),
    "!": (0.6, 3),
    "$": (0.55, 3),
    "*": (0.6, 3),
}
_SPACED = frozenset({",", ";", "|", ":"})  # a space after each of these belongs to the delimiter
_SEP_LINE = re.compile(r"\ufeff?\"?sep=([^\w\"'\r\n])\"?\s*", re.IGNORECASE)
# Not one phone number, which begins with 0 or +, and not one number in groups of three digits.
_NUMBERS = re.compile(r"(?!\d{1,3}(?: \d{3})+$)-?(?:0|[1-9]\d*)(?:\.\d+)?(?: +-?(?:0|[1-9]\d*)(?:\.\d+)?)+")
# A remark, and not the end of a quoted cell as far as can be told.
_COMMENT = re.compile(r"(?:#|//|%)(?:[^\"']|(?<=\w)'(?=\w))*")
_PUNCTUATION = re.compile(r"[^\w\s\"']{0,3}")


@dataclass(frozen=True, slots=True)
class _Row:
    lines: int
    text: str
    cells: Sequence[str]


def detect(sample: str, *, delimiter: str | None = None, quote: str | None = None) -> Dialect:
    """Name the dialect under which the sample, the beginning of a file, makes the most sense.

    64 KiB of it are looked at; it may end inside a record. What is given is taken as it is. A file that has one
    column under every candidate is read with commas.
    """
    lines = _lines(sample)
    declared = _SEP_LINE.fullmatch(lines[0]) if lines else None
    if declared:
        delimiter, lines = delimiter or declared[1], lines[1:]
    # Another part of the process may have lowered the limit, and then no long cell could be judged.
    csv.field_size_limit(max(csv.field_size_limit(), SAMPLE_CHARS))
    best, best_score = Dialect(delimiter or ",", '"' if quote is None else quote), _one_column(lines)
    for candidate in _candidates(lines, delimiter, quote):
        score = _score(candidate, lines)
        if candidate.quote and _is_damaged(candidate, lines):
            # One quote that never closes must not hide what all other lines agree on.
            score = max(score, _DAMAGED * _score(replace(candidate, quote=""), lines))
        if score > best_score + 1e-9:
            best, best_score = candidate, score
    return _finished(best, lines, fixed=delimiter is not None)


def declared_delimiter(line: str) -> bool:
    """Whether the line is none of the table's but Excel's hint to itself, `sep=;`."""
    return _SEP_LINE.fullmatch(line) is not None


def records_end(dialect: Dialect, lines: Sequence[str]) -> str:
    """With which line ends the records among the lines end, by name; those inside quoted cells are text."""
    texts = (row.text for row in _parsed(dialect, lines))
    return line_end(" ".join(text[len(text.rstrip("\r\n")) :] for text in texts))


def _lines(sample: str) -> list[str]:
    """The first lines that hold text; one that may be cut is left out."""
    found = split_lines(sample[:SAMPLE_CHARS].removeprefix("\ufeff"))
    if len(sample) > SAMPLE_CHARS and len(found) > 1:
        del found[-1]
    found = [line for line in found if line.strip()][:_LINES]
    plain = [line for line in found if not _COMMENT.fullmatch(line)]
    return plain if len(plain) > 1 else found


def _candidates(lines: Sequence[str], delimiter: str | None, quote: str | None) -> Iterator[Dialect]:
    # The patterns below know only LF.
    text = "".join(lines).replace("\r\n", "\n").replace("\r", "\n")
    for mark in [delimiter] if delimiter else _marks(text, len(lines)):
        quotes = _quotes(text, mark) if quote is None else [quote]
        for spaced, quoted in product(_spacings(mark, text), quotes):
            yield Dialect(mark, quoted, spaced=spaced)
            if quoted and f"\\{quoted}" in text:
                yield Dialect(mark, quoted, "\\", spaced)


def _marks(text: str, lines: int) -> list[str]:
    """What may separate cells; words in a single line say nothing about spaces."""
    return [mark for mark in _TRUST if mark in text and (mark != " " or lines > 1)]


def _quotes(text: str, mark: str) -> list[str]:
    """The quotes worth trying, the likeliest first: apostrophes only where they stand around cells."""
    double, single = _around(text, mark, '"'), _around(text, mark, "'")
    apostrophes = single >= 2 and single > 2 * double and re.search(_enclosed(mark, "'"), text, re.MULTILINE)
    found = ["'", '"'] if apostrophes else ['"']
    return [*found, ""] if _unquoted(text, mark) else found


def _unquoted(text: str, mark: str) -> bool:
    """Whether quotes stand in the file as inches do: alone in many lines, and never around a cell."""
    lines = split_lines(text)
    lone = sum(line.count('"') % 2 for line in lines)
    around = re.search(_enclosed(mark, '"'), text, re.MULTILINE)
    return lone > max(2, _MANY * len(lines)) and around is None


def _enclosed(mark: str, quote: str) -> str:
    """Finds a short cell with quotes on both sides."""
    edge = re.escape(mark)
    return rf"(?:^|{edge}) ?{quote}(?:[^{quote}]|[{quote}\\]{quote}){{0,500}}{quote} ?(?:{edge}|$)"


def _around(text: str, mark: str, quote: str) -> int:
    """How many cells begin and end with the quote, at least."""
    edge = re.escape(mark)
    # Doubled quotes stand for themselves.
    begins = len(re.findall(rf"(?:^|{edge}) ?{quote}(?!{quote})", text, re.MULTILINE))
    ends = len(re.findall(rf"(?<!{quote}){quote} ?(?:{edge}|$)", text, re.MULTILINE))
    return 0 if abs(begins - ends) > 0.25 * max(begins, ends) + 1 else min(begins, ends)


def _parsed(dialect: Dialect, lines: Sequence[str]) -> list[_Row]:
    reader = csv.reader(map(dialect.prepared, lines), **dialect.options())  # type: ignore[arg-type]
    rows: list[_Row] = []
    before = 0
    with suppress(csv.Error):
        for cells in reader:
            after = reader.line_num
            rows.append(_Row(after - before, "".join(lines[before:after]), cells))
            before = after
    return rows


def _is_damaged(dialect: Dialect, lines: Sequence[str]) -> bool:
    """Whether a quote does not close, or closes amid a cell."""
    reader = csv.reader(map(dialect.prepared, lines), strict=True, **dialect.options())  # type: ignore[arg-type]
    try:
        for _ in reader:
            pass
    except csv.Error:
        return True
    return False


def _score(dialect: Dialect, lines: Sequence[str]) -> float:
    """From 0 to 1: the share of lines in records of the commonest width, times the share of cells that make sense."""
    rows = _parsed(dialect, lines)
    total = sum(row.lines for row in rows)
    counts: Counter[int] = Counter()
    for row in rows:
        counts[len(row.cells)] += row.lines
    trust, least = _TRUST.get(dialect.delimiter, (1.0, 2))
    width, count = max(counts.items(), key=lambda item: item[1] * (1 - 1 / item[0]) if item[0] else 0, default=(0, 0))
    if _between_quotes(dialect, lines) or _pairs(rows):
        least = 2
    elif _is_prose(rows, dialect):
        return 0.0
    if width < least or not total:
        return 0.0
    # A title above the table is rare in a short file, and two cells below it may be prose with one comma.
    titled = len(rows[0].cells) == 1 and len(rows) < _SHORT
    untitled = (0.2 if width < 3 else 0.6) if titled else 1.0
    agreement = untitled * count / total
    spread = 1 - 0.04 * min(len(counts) - 1, 5)
    return trust * agreement * spread * math.sqrt(1 - 1 / width) * _sense(rows, dialect)


def _between_quotes(dialect: Dialect, lines: Sequence[str]) -> bool:
    """Whether the delimiter stands between quoted cells in most lines: then it is one, however rare."""
    seam = f"{dialect.quote}{dialect.delimiter}{dialect.quote}"
    return len(seam) > 2 and sum(seam in line for line in lines) > 0.5 * len(lines)


def _pairs(rows: Sequence[_Row]) -> bool:
    """Whether every row below the first is a number or a time, and another one."""
    kinds = ([kind_of(cell) for cell in row.cells] for row in rows[1:])
    return len(rows) > 2 and all(len(found) == 2 and {"number", "time"}.issuperset(found) for found in kinds)


def _is_prose(rows: Sequence[_Row], dialect: Dialect) -> bool:
    """Whether what was cut at spaces or slashes is nothing but words."""
    cells = (cell for row in rows for cell in row.cells)
    return dialect.delimiter in " /" and all(kind_of(cell) in ("text", "empty", "odd") for cell in cells)


def _sense(rows: Sequence[_Row], dialect: Dialect) -> float:
    """The share of cells that look like something; a number or an address says more than a word does."""
    found = ((cell, row.text) for row in rows for cell in row.cells)
    worth = [_worth(cell, text, dialect) for cell, text in islice(found, _CELLS) if kind_of(cell) != "empty"]
    return sum(worth) / len(worth) if worth else 0.5


def _worth(cell: str, text: str, dialect: Dialect) -> float:
    """How much sense a cell makes; in quotes it may hold anything."""
    kind = kind_of(cell)
    if kind != "odd":
        return 0.9 if kind == "text" else 1.0
    return 0.9 if dialect.quote and len(text) <= _LONG_RECORD and dialect.quoted(cell) in text else 0.0


def _one_column(lines: Sequence[str]) -> float:
    """The score of reading each line as one cell: good where whole lines are dates, addresses or numbers."""
    kinds = Counter("text" if _NUMBERS.fullmatch(line.strip()) else kind_of(line) for line in lines)
    typed = sum(count for kind, count in kinds.items() if kind not in ("text", "odd", "empty"))
    return (0.8 * typed + 0.3 * kinds["text"] + 0.1 * kinds["odd"]) / len(lines) if lines else 0.0


def _finished(dialect: Dialect, lines: Sequence[str], *, fixed: bool) -> Dialect:
    """What is told once the delimiter is known: the rest of its characters, and how quotes are escaped."""
    if not fixed:
        dialect = replace(dialect, delimiter=_longer(dialect, lines))
    if dialect.quote and not dialect.escape:
        twice = dialect.quote * 2
        rows = (row for row in _parsed(dialect, lines) if twice in row.text)
        doubled = any(dialect.quote in cell for row in rows for cell in row.cells)
        dialect = replace(dialect, escape=dialect.quote if doubled else "")
    return dialect


def _longer(dialect: Dialect, lines: Sequence[str]) -> str:
    """The whole delimiter where one of several characters was seen as several: `||`, `|~|`."""
    mark = dialect.delimiter
    rows = [row.cells for row in _parsed(dialect, lines) if len(row.cells) > 1]
    between = {cell for cells in rows for cell in cells[1::2]}
    if len(between) != 1 or not all(len(cells) % 2 for cells in rows):
        return mark
    (middle,) = between
    alternations = max(len(cells) for cells in rows) // 2
    # A column that is always empty is not rare where commas separate.
    enough = 2 if mark in ",;\t" and not middle else 1
    plain = _PUNCTUATION.fullmatch(middle) and not (mark == " " and middle)
    return f"{mark}{middle}{mark}" if plain and alternations >= enough and len(rows) > 1 else mark


def _spacings(mark: str, text: str) -> list[bool]:
    """Whether a space follows every delimiter, so that it is no part of the cells; both where that may be."""
    if mark not in _SPACED:
        return [False]
    found = re.findall(rf"{re.escape(mark)}(?=([^\n]))", text)
    if found and found.count(" ") >= 0.98 * len(found):
        return [True]
    # In quoted cells the same character may stand without a space.
    return [False, True] if f'{mark} "' in text or f"{mark} '" in text else [False]
