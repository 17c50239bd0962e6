"""Finds the file that a File Path leads to: the file itself, or the newest one that fits a pattern."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from services.fetcher.core.changes import Look, unmarked
from services.fetcher.core.choice import newest
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Session
from shared import file_path

# In UTC: tomorrow has begun where time zones are ahead, and an export of Friday is the newest one on Monday.
_DAYS_FROM_TODAY = range(1, -7, -1)


class Found(NamedTuple):
    """A file and what the server says of it."""

    path: str
    look: Look


def find(session: Session, pattern: str, *, most_entries: int) -> Found:
    """The file that the path leads to; LookFailed when there is none, or when its folder holds more entries."""
    if not file_path.is_pattern(pattern):
        return Found(pattern, session.look(pattern))
    tried = _candidates(pattern)
    entries = cache(lambda folder: [(found.name, found.look) for found in session.entries(folder, most_entries)])
    for candidate in tried:
        with _absence_allowed():
            path = _chosen(candidate, entries) if "*" in candidate else candidate
            return Found(path, session.look(path))
    detail = f"no file fits {pattern}" + (f"; the newest that was tried is {tried[0]}" if len(tried) > 1 else "")
    raise LookFailed("file", "file_not_found", detail)


def check_marker(session: Session, marker: str, found: Found) -> None:
    """LookFailed with `not_settled` unless the done-marker, if one is asked for, says that the file is complete."""
    if not marker:
        return
    path = marker if marker.startswith("/") else found.path + marker
    look = None
    with _absence_allowed():
        look = session.look(path)
    if reason := unmarked(found.look, look):
        raise LookFailed("file", "not_settled", f"the done-marker {path} {reason}")


def _candidates(pattern: str) -> list[str]:
    today = datetime.now(UTC).date()
    return list(dict.fromkeys(file_path.dated(pattern, today + timedelta(days)) for days in _DAYS_FROM_TODAY))


def _chosen(pattern: str, entries: Callable[[str], list[tuple[str, Look]]]) -> str:
    folder, _, name = pattern.rpartition("/")
    chosen = newest(name, entries(folder or "/"))
    if chosen is None:
        raise LookFailed("file", "file_not_found")
    return f"{folder}/{chosen}"


@contextmanager
def _absence_allowed() -> Iterator[None]:
    """Go on after the block when a file in it is not there; every other failure is one."""
    try:
        yield
    except LookFailed as failure:
        if failure.code != "file_not_found":
            raise
