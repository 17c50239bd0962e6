"""What rows mean, as numbers by which a later import tells whether a row still means the same."""

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from xxhash import xxh3_64_intdigest

from services.importer.core.record import Contact, LeadRow

_NO_MEANING = frozenset(("line", "warnings", "cells", "raw"))
_NOBODY = Contact()
# Texts are joined by a character that the reader takes from no file.
_SEPARATOR = "\0"
_SEPARATORS = len({*LeadRow._fields} - _NO_MEANING) - 1 + len(Contact._fields) - 1


def content(rows: Sequence[LeadRow]) -> list[int]:
    """The xxh3_64 of what each row says, whatever its line, warnings and cells; an empty text is not the same as None.

    The same row has the same number in every process and under every version of Python.
    """
    columns = dict(zip(LeadRow._fields, zip(*rows, strict=True), strict=False))
    written = chain.from_iterable(map(_written, columns, columns.values()))
    texts = list(map(_SEPARATOR.join, zip(*written, strict=True)))
    # No text has fewer separators than its row needs, so the sum tells whether any has more.
    if "".join(texts).count(_SEPARATOR) != sum(map(_needed, rows)):
        texts = [
            text if text.count(_SEPARATOR) == _needed(row) else _careful(row)
            for text, row in zip(texts, rows, strict=True)
        ]
    return [xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")) for text in texts]


def _written(name: str, values: Sequence[Any]) -> Iterable[Iterable[str]]:
    """An attribute of all rows as columns of texts."""
    if name in _NO_MEANING:
        return ()
    match name:
        case "contact":
            return map(_texts, zip(*(value or _NOBODY for value in values), strict=True))
        case "custom":
            return ([_SEPARATOR.join(chain.from_iterable(pairs)) if pairs else "" for pairs in values],)
        case "leadbay_id":
            values = [value and value.hex for value in values]
        case "status_from_default":
            values = ["1" if value else None for value in values]
    return (_texts(values),)


def _texts(values: Sequence[str | None]) -> list[str]:
    # An empty text, as which no cell is read, gets a separator too many.
    return ["" if value is None else value or _SEPARATOR for value in values]


def _needed(row: LeadRow) -> int:
    """How many separators stand between the texts of a row."""
    return _SEPARATORS + 2 * len(row.custom) - 1 if row.custom else _SEPARATORS


def _careful(row: LeadRow) -> str:
    """A text of a row that holds separators or empty texts; it has none, so that no other row's text is like it."""
    said = {name: value for name, value in row._asdict().items() if name not in _NO_MEANING}
    return json.dumps(said | {"contact": row.contact or _NOBODY}, default=str)
