"""Finds the file that a File Path leads to: the file itself, or the newest one that fits a pattern."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

from services.fetcher.core.changes import Look, unmarked
from services.fetcher.core.choice import newest
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Entry, Session
from shared import file_path

_MOST_LINKS = 50  # each costs a round trip
_NO_FILE = frozenset({"file_not_found", "permission_denied", "is_a_directory", "not_a_file"})
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
    entries = cache(lambda folder: session.entries(folder, most_entries))
    for candidate in tried:
        with _absence_allowed():
            path = _chosen(session, candidate, entries) if "*" in candidate else candidate
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


def _chosen(session: Session, pattern: str, entries: Callable[[str], list[Entry]]) -> str:
    folder, _, name = pattern.rpartition("/")
    fitting = [entry for entry in entries(folder or "/") if file_path.matches(name, entry.name)]
    links = [entry for entry in fitting if entry.is_link]
    if len(links) > _MOST_LINKS:
        raise LookFailed("file", "too_many_files", f"more than {_MOST_LINKS} links fit {name}")
    looks = [(entry.name, entry.look) for entry in fitting if not entry.is_link]
    looks += [(link.name, look) for link in links if (look := _behind(session, f"{folder}/{link.name}"))]
    chosen = newest(looks)
    if chosen is None:
        raise LookFailed("file", "file_not_found")
    return f"{folder}/{chosen}"


def _behind(session: Session, link: str) -> Look | None:
    """What the server says of the file that a link leads to; None when it leads to none."""
    try:
        return session.look(link)
    except LookFailed as failure:
        if failure.code not in _NO_FILE:
            raise
        return None


@contextmanager
def _absence_allowed() -> Iterator[None]:
    """Go on after the block when a file in it is not there; every other failure is one."""
    try:
        yield
    except LookFailed as failure:
        if failure.code != "file_not_found":
            raise
