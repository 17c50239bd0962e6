"""Writes docs/codes.md from shared.errors: `python -m deploy.codes`."""

from pathlib import Path

from shared.errors import CODES, TryAgain

PATH = Path(__file__).parents[1] / "docs" / "codes.md"
_AGAIN = {
    TryAgain.SOON: "soon, by itself",
    TryAgain.LATER: "by itself, less and less often",
    TryAgain.CHANGED: "once more, then once a day, or when something changed",
}
_INTRODUCTION = """# Codes

What a look, a connection test, an import or a refused event can end with. Events carry code, message and action;
rows of a file have codes of their own ([files.md](files.md)). `python -m deploy.codes` makes this page from the code.

| code | what it means | what the admin can do | tried again |
|---|---|---|---|
"""


def table() -> str:
    """The page."""
    rows = (
        f"| `{code}` | {meant.message} | {meant.action} | {_AGAIN[meant.try_again]} |" for code, meant in CODES.items()
    )
    return _INTRODUCTION + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PATH.write_text(table())
