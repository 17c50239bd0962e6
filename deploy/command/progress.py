"""A progress bar for what goes over many things; on a terminal alone."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def progress(words: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """A bar on standard error; what is yielded is called after each thing."""
    shown = sys.stderr.isatty() and not quiet
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task(words, total=total)
        yield lambda: bar.advance(task)
