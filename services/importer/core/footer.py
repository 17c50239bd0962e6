"""What stands below a table: totals, counts and notes that exports append."""

import re
from collections.abc import Sequence

from services.importer.core.record import Outcome, Record, Skipped
from services.importer.core.shapes import kind_of
from shared.mapping import unaccented

_ROWS = r"(?:rows?|records?|lines|lignes|enregistrements|results?|resultats?)"
_TOTAL = re.compile(
    r"(?:(?:grand|sub|sous|gesamt)[ -]?)?(?:totals?|totaux|totale|sum|somme|summe|suma|gesamt|ensemble)"
    r"(?: (?:general|generale|rows|records|lignes|amount|of \w+|des? \w+))?\s*:?"
)
_COUNT = re.compile(
    rf"(?:(?:total|number of|nombre de|anzahl)\s*{_ROWS}?\s*[:=]?\s*[\d ,.]+"
    rf"|\(?[\d ,.]+ {_ROWS}(?: (?:selected|found|total))?\)?"
    r"|(?:end of (?:file|report|data)|fin (?:du fichier|de fichier|du rapport|des donnees))\W*)"
)
_NOTE = re.compile(
    r"(?:sources?|notes?|nb|n\.b\.|generated|exported|genere|exporte|confidential|confidentiel|copyright|page \d"
    r"|report|rapport|footnote)\b.*|[*#\u00a9].*"
)
_SENTENCE = 6  # words; names of companies have fewer
_NUMERIC = frozenset({"number", "money", "empty"})


def footers(tail: Sequence[Outcome], width: int) -> frozenset[int]:
    """The places in a table's last records that are no rows of it, from the end upwards.

    A total says so and has only numbers beside it. A note stands alone in its line, and says what it is, comes after a
    blank line or is several words without separators.
    """
    found: set[int] = set()
    last = len(tail) - 1
    blank = next((place for place in range(last, -1, -1) if _ends_table(tail, place, width)), len(tail))
    for place in range(last, -1, -1):
        record = tail[place]
        if isinstance(record, Skipped):
            continue
        if not isinstance(record, Record):
            break
        if not (_is_footer(record.cells) or _is_remark(record) or (place > blank and _alone(record.cells))):
            break
        found.add(place)
    return frozenset(found)


def _ends_table(tail: Sequence[Outcome], place: int, width: int) -> bool:
    """Whether a blank line is followed by lone cells only, in a table that is wide enough to tell."""
    below = tail[place + 1 :]
    return (
        isinstance(tail[place], Skipped)
        and width > 2
        and any(isinstance(record, Record) for record in below)
        and all(
            isinstance(record, Skipped) or (isinstance(record, Record) and _alone(record.cells)) for record in below
        )
    )


def _alone(cells: Sequence[str]) -> bool:
    return bool(cells[0].strip()) and not any(cell.strip() for cell in cells[1:])


def _is_remark(record: Record) -> bool:
    """Whether the line is a sentence that has not even the separators of a row."""
    wide = len(record.cells) > 2 and record.flag == "short_row"
    return wide and _alone(record.cells) and len(record.cells[0].split()) >= _SENTENCE


def _is_footer(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell.strip()]
    words = unaccented(filled[0].strip())[:200] if filled else ""
    if _TOTAL.fullmatch(words):
        # A company may be called Total: then its row says more than numbers.
        return len(filled) > 1 and all(kind_of(cell) in _NUMERIC for cell in filled[1:])
    return len(filled) == 1 and bool(_COUNT.fullmatch(words) or (len(cells) > 2 and _NOTE.match(words)))
