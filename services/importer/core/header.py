"""Where the table begins: what stands before its header, and whether the file has one at all."""

import re
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import pairwise

from services.importer.core.meanings import meaning
from services.importer.core.record import Record
from services.importer.core.shapes import kind_of
from shared.mapping import unaccented

_ROWS_BELOW = 30
_ENOUGH_FILLED = 0.6  # of a table's cells are filled in its header
_TYPED = frozenset({"number", "money", "time", "email", "url", "phone", "uuid", "code"})
# Cells that no column is ever called.
_VALUES = frozenset({"email", "url", "uuid", "money", "time"})
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_NAME_CHARS = 100  # of a cell that are read as a name
_WHOLE = re.compile(r"\s*[0-9]{1,9}\s*")
_MANY_NUMBERS = 5  # that do not rise by chance
_SAME = 0.7  # the share of a column's cells that must agree to say what the column holds


@dataclass(frozen=True, slots=True)
class Layout:
    """Records before `first` are a preamble; the record at `first` is the header, or the first row without one."""

    first: int
    has_header: bool
    width: int  # the commonest number of cells from there on


def find_layout(records: Sequence[Record], known: AbstractSet[str] = frozenset()) -> Layout:
    """Tell from a file's first records, blank ones left out, where its table begins and whether it has a header.

    `known` holds column names that a saved mapping uses, folded by `fold`: they settle the question. Without them a
    file is taken to have a header unless its first row looks like those below it.
    """
    width = _common_width(_untitled(records))
    for place, record in enumerate(records[:_ROWS_BELOW]):
        if known and _names_known(record, known):
            return Layout(place, has_header=True, width=_common_width(records[place + 1 :]) or len(record.cells))
    first = next((place for place, record in enumerate(records) if _is_full(record, width)), 0)
    if _names_groups(records, first):
        first += 1
    has_header = _score_at(records, first) >= 0
    return Layout(first, has_header, _common_width(records[first + has_header :]) or len(records[first].cells))


def fold(name: str) -> str:
    """A column's name for comparison: letter case, accents, stray spaces and quotes make no difference."""
    return " ".join(unaccented(name.strip("\ufeff\"' \t")).split())


def _untitled(records: Sequence[Record]) -> Sequence[Record]:
    """The records without the lone cells at the top, unless there is nothing else."""
    first = next((place for place, record in enumerate(records) if len(record.cells) > 1), 0)
    return records[first:]


def _common_width(records: Sequence[Record]) -> int:
    return max(Counter(len(record.cells) for record in records).items(), key=lambda item: item[1], default=(0, 0))[0]


def _names_known(record: Record, known: AbstractSet[str]) -> bool:
    """Whether the record holds names of the mapping: at least two of them, or all that it has."""
    found = len(known & {fold(cell) for cell in record.cells if cell.strip()})
    return found >= min(2, len(known), sum(1 for cell in record.cells if cell.strip())) and found > 0


def _is_full(record: Record, width: int) -> bool:
    """Whether enough cells are filled for a row of the table; a title fills one or two, which are no names."""
    if record.cells[0].lstrip().startswith("#") and len(record.cells) < width:
        return False
    filled = [cell for cell in record.cells if cell.strip()]
    enough = 1 if width < 2 else max(2, _ENOUGH_FILLED * width)
    return len(filled) >= enough or (len(filled) > 1 and all(map(_is_known, filled)))


def _names_groups(records: Sequence[Record], place: int) -> bool:
    """Whether the record names groups of columns: some cells are blank, and below all are filled and surely names."""
    if place + 1 >= len(records):
        return False
    cells, names = records[place].cells, records[place + 1].cells
    gaps = any(not cell.strip() for cell in cells[1:-1])
    return gaps and len(names) == len(cells) and all(map(str.strip, names)) and _score_at(records, place + 1) >= 1


def _score_at(records: Sequence[Record], place: int) -> float:
    top = records[place].cells
    # A header that is repeated among the rows says nothing about them.
    below = [record.cells for record in records[place + 1 : place + 1 + _ROWS_BELOW] if record.cells != top]
    return _header_score(top, below)


def _header_score(top: Sequence[str], below: Sequence[Sequence[str]]) -> float:
    """Above zero when the cells at the top are names, below when they are values like those below them."""
    scale = _is_scale(top) and sum(map(_is_scale, below)) < (1 - _SAME) * max(1, len(below))
    texts = [cell.strip() for cell in top if cell.strip() and not (scale and _WHOLE.fullmatch(cell.strip()))]
    score = 0.5 - 1.5 * sum(kind_of(cell) in _VALUES for cell in texts)
    known = sum(_is_known(cell) for cell in texts)
    score += 0.5 * known
    score -= 0.25 * (len(texts) - len({fold(text) for text in texts}))
    if texts and all(kind_of(cell) == "number" for cell in texts):
        score -= 1
    for place, cell in enumerate(top):
        # Beside names, a year over numbers is one, too.
        is_name = (scale and _WHOLE.fullmatch(cell.strip())) or (known and _YEAR.fullmatch(cell.strip()))
        if cell.strip() and not is_name:
            score += _column_score(cell.strip(), [row[place].strip() for row in below if place < len(row)])
    return score


def _is_scale(cells: Sequence[str]) -> bool:
    """Whether the whole numbers among the cells rise from each to the next: three years, or many numbers."""
    numbers = [int(cell) for cell in map(str.strip, cells) if _WHOLE.fullmatch(cell)]
    rising = all(before < after for before, after in pairwise(numbers))
    return rising and len(numbers) >= (3 if all(1800 <= number <= 2100 for number in numbers) else _MANY_NUMBERS)


def _is_known(cell: str) -> bool:
    """Whether the cell is what exports call a column."""
    found = meaning(cell[:_NAME_CHARS])
    return found is not None and found.whole and found.target is not None


def _column_score(top: str, below: Sequence[str]) -> float:
    """How far the cell at the top of a column differs from the cells below it."""
    cells = [cell for cell in below if cell]
    if not cells:
        return 0.0
    kind, count = Counter(map(kind_of, cells)).most_common(1)[0]
    same = count >= _SAME * len(cells)
    if same and kind in _TYPED:
        return -1.0 if kind_of(top) == kind else 1.0
    if top in cells:
        return -0.75
    lengths = [len(cell) for cell in cells]
    if len(cells) > 2 and min(lengths) == max(lengths):
        return 0.25 if len(top) != lengths[0] else -0.25
    return 0.0
