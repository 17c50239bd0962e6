"""Rows as PostgreSQL's COPY reads them in text format, many at once."""

from collections.abc import Iterable, Sequence

# No text in PostgreSQL holds it, so until the end it stands for no text.
_NULL = "\0"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

Cells = Sequence[str | None]


def block(rows: Sequence[Cells], first: str) -> bytes:
    """The rows as lines, `first` before the columns of each; the rows are equally wide, and no cell holds a NUL.

    Nearly always no cell holds anything that COPY means, and that can be told by counting in the whole.
    """
    if not rows:
        return b""
    text = _joined(rows, first)
    if "\\" in text or "\r" in text or text.count("\n") >= len(rows) or text.count("\t") > len(rows) * len(rows[0]):
        text = _joined([_escaped(row) for row in rows], first)
    return (text.replace(_NULL, "\\N") + "\n").encode()


def _joined(rows: Iterable[Cells], first: str) -> str:
    lines = ["\t".join([_NULL if cell is None else cell for cell in row]) for row in rows]
    return f"{first}\t" + f"\n{first}\t".join(lines)


def _escaped(row: Cells) -> Cells:
    return [cell and cell.translate(_ESCAPES) for cell in row]
