"""Which of several files is meant."""

from collections.abc import Iterable

from services.fetcher.core.changes import Look
from shared.file_path import matches


def newest(pattern: str, entries: Iterable[tuple[str, Look]]) -> str | None:
    """The name that fits the pattern and has the latest mtime, then the last one in the alphabet; None if none fits."""
    fitting = [(-1 if look.mtime is None else look.mtime, name) for name, look in entries if matches(pattern, name)]
    return max(fitting)[1] if fitting else None
