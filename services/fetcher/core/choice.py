"""Which of several files is meant."""

from collections.abc import Iterable

from services.fetcher.core.changes import Look


def newest(files: Iterable[tuple[str, Look]]) -> str | None:
    """The name of the file with the latest mtime, of several the last one in the alphabet; None when there is none."""
    dated = [(-1 if look.mtime is None else look.mtime, name) for name, look in files]
    return max(dated)[1] if dated else None
