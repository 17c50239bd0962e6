"""What the command says: tables and sentences for people, one JSON document for scripts."""

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")]

# Piped, a line is as long as it is: an id that is folded over two lines can be found by nobody.
console = Console(highlight=False, width=None if sys.stdout.isatty() else 100_000)


class Problem(Exception):
    """Something is not as it should be, in one line that also says what to do. The command ends with 1."""


def dump(document: Mapping[str, Any]) -> None:
    """Print the document for scripts. Everything but ASCII is escaped, so that no terminal obeys it."""
    sys.stdout.write(json.dumps(document, indent=2, default=_as_json) + "\n")


def table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print some of each row's values below headings, or that there is no row."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        made.add_column(heading, overflow="fold")
    for row in rows:
        made.add_row(*(Text(plain(row[name])) for name in columns))
    console.print(made if made.row_count else "none")


def facts(row: Mapping[str, Any]) -> None:
    """Print one thing, a fact a line; what is not known is left out."""
    made = Table.grid(padding=(0, 2))
    for name, value in row.items():
        if value not in (None, "", [], {}):
            made.add_row(Text(name.replace("_", " "), style="bold"), Text(plain(value)))
    console.print(made)


def say(text: str, style: str = "") -> None:
    """Print one line, in which nothing is markup."""
    console.print(Text(plain(text), style=style))


def ask_first(question: str, *, yes: bool) -> None:
    """Go on only when a person agrees, or said so before."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def plain(value: object) -> str:
    """A value as people read it. What comes from customers may hold control characters: none of them gets out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


def _as_json(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
