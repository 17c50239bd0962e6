"""What a benchmark found, as tables: on the screen, and in docs/performance.md between the marks of its section."""

import argparse
import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table as Screen

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"

console = Console(highlight=False, width=None if sys.stdout.isatty() else 160)


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def show(self) -> None:
        """Print it."""
        screen = Screen(*self.columns, title=self.title, title_justify="left")
        for row in self.rows:
            screen.add_row(*row)
        console.print(screen)

    def markdown(self) -> str:
        """It as it stands in a page."""
        lines = (self.columns, ["---"] * len(self.columns), *self.rows)
        return "\n".join([f"{self.title}:", "", *(f"| {' | '.join(cells)} |" for cells in lines)])


@dataclass(frozen=True, slots=True)
class Spent:
    """What a work took: seconds on the clock, and of processors, without those of RabbitMQ and the SFTP server."""

    seconds: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A work of ours and a reference, by turns; the goal is how many times the reference's seconds it may take."""

    work: str
    ours: Sequence[Spent]
    against: str
    theirs: Sequence[Spent]
    goal: float | None = None

    def cells(self) -> list[str]:
        """Medians, ratios and verdict."""
        turns = list(zip(self.ours, self.theirs, strict=True))
        ratios = [our.seconds / their.seconds for our, their in turns]
        ratio = statistics.median(ratios)
        found = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        cpu = statistics.median(our.cpu / their.cpu for our, their in turns)
        times = _median(self.ours), self.against, _median(self.theirs)
        return [self.work, *times, found, *verdict(ratio, self.goal), f"{cpu:.2f}"]


COMPARED = ("work", "ours, s", "against", "s", "times the reference (lowest to highest)", "goal", "met", "CPU, times")


def _median(found: Sequence[Spent]) -> str:
    return f"{statistics.median(spent.seconds for spent in found):.2f}"


def verdict(found: float, most: float | None, unit: str = "") -> tuple[str, str]:
    """The cells of a goal: what it is, and whether it is met."""
    if most is None:
        return "", ""
    return f"at most {most:g}{unit}", "yes" if found <= most else "**no**"


def machine(database_url: str) -> str:
    """One line on when and where it was measured."""
    with psycopg.connect(database_url) as db:
        postgres = db.info.server_version // 10_000
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores for servers and services together, "
        f"PostgreSQL {postgres}, Python {platform.python_version()}"
    )


def options(description: str | None) -> argparse.ArgumentParser:
    """What every benchmark can be told."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/performance.md")
    return parser


def publish(section: str, tables: Sequence[Table], where: str, *, write: bool) -> None:
    """Print the tables, and write them into the section of the page if asked to."""
    for table in tables:
        table.show()
    console.print(where)
    if write:
        text = "\n\n".join([where + ".", *(table.markdown() for table in tables)])
        PAGE.write_text(replaced(PAGE.read_text(), section, text))


def replaced(page: str, section: str, text: str) -> str:
    """The page with another text between the marks of a section; ValueError where it has no such marks."""
    begin, end = f"<!-- {section}: measured -->", f"<!-- {section}: end -->"
    made, count = re.subn(f"{begin}.*?{end}", lambda _found: f"{begin}\n{text}\n{end}", page, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{section} has no place in the page")
    return made
