"""Splits a line whose quotes are not doubled: only a quote before a separator or the line's end closes a cell."""

from services.importer.core.dialect import Dialect


def split_leniently(line: str, dialect: Dialect) -> tuple[str, ...] | None:
    """The cells of one line; None when a quoted cell does not end in it. The cost is linear.

    `1,"the "best" shop",2` has three cells under this rule. It is for lines that the strict one refused, and only
    where the number of cells bears the result out.
    """
    if not dialect.quote:
        return None
    text, mark, quote = line.rstrip("\r\n"), dialect.delimiter, dialect.quote
    cells: list[str] = []
    place = 0
    while True:
        if text.startswith(quote, place):
            end = _closing(text, place + 1, quote, mark)
            if end is None:
                return None
            cells.append(text[place + 1 : end].replace(quote * 2, quote))
            place = end + 1
        else:
            end = text.find(mark, place)
            end = len(text) if end < 0 else end
            cells.append(text[place:end])
            place = end
        if place >= len(text):
            return tuple(cells)
        place += len(mark)


def _closing(text: str, start: int, quote: str, mark: str) -> int | None:
    place = text.find(quote, start)
    while place >= 0:
        if place + 1 == len(text) or text.startswith(mark, place + 1):
            return place
        place = text.find(quote, place + 1)
    return None
