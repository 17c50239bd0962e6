"""Cells that a spreadsheet would run: marked in every file that we write for people, unmarked when they come back."""

_STARTS = frozenset("=+-@\t\r\uff1d\uff0b\uff0d\uff20")
_AROUND = " \u00a0\"'\n"
_MARK = "'"


def neutralised(cell: str) -> str:
    """The cell with an apostrophe before it if a spreadsheet would take it for a formula (OWASP: CSV injection)."""
    return f"{_MARK}{cell}" if cell.lstrip(_AROUND)[:1] in _STARTS and cell else cell


def restored(cell: str) -> str:
    """The cell without that apostrophe; every other cell as it is."""
    return cell[1:] if cell[:1] == _MARK and cell[1:].lstrip(_AROUND)[:1] in _STARTS and len(cell) > 1 else cell
