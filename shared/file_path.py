"""The File Path of a connector: one file, or a pattern with a date or a star that leads to the newest of several."""

import re
from datetime import date

_DATE = re.compile(r"\{date:([^{}*]+)\}")
# Those that read alike in every language.
_KNOWN = frozenset({"%Y", "%y", "%m", "%d", "%j"})
_UNFINISHED = (".part", ".filepart", ".tmp", ".partial", ".crdownload")
_SAMPLE = date(2026, 1, 31)


def check(path: str) -> None:
    """ValueError, in words for the form, when this is neither the full path of a file nor a pattern for one."""
    if not path.startswith("/"):
        raise ValueError("must be a full path that begins with /, for example /exports/leads.csv")
    if path.endswith("/"):
        raise ValueError("must name a file, not a folder")
    for form in _DATE.findall(path):
        _check_form(form)
    if "{date" in _DATE.sub("", path).lower():
        raise ValueError("has a date that is not understood; write it like {date:%Y-%m-%d}")
    folder, _, name = dated(path, _SAMPLE).rpartition("/")
    if "*" in folder or name.count("*") > 1:
        raise ValueError("may have one * only, in the name of the file")
    if is_unfinished(name):
        raise ValueError("names a hidden or unfinished file; give the name that the file has when it is complete")


def _check_form(form: str) -> None:
    used = re.findall("%.?", form)
    if not used or not _KNOWN.issuperset(used):
        raise ValueError("has a date that is not understood; it may hold %Y, %y, %m, %d and %j")


def is_pattern(path: str) -> bool:
    """Whether the path stands for one of several files."""
    return "*" in path or _DATE.search(path) is not None


def dated(path: str, day: date) -> str:
    """The path with this day in the place of each date."""
    return _DATE.sub(lambda found: day.strftime(found[1]), path)


def matches(pattern: str, name: str) -> bool:
    """Whether a file name fits one with at most one star, and is that of a file that is complete."""
    start, star, end = pattern.partition("*")
    if not star:
        return name == pattern
    fits = len(name) >= len(start) + len(end) and name.startswith(start) and name.endswith(end)
    return fits and not is_unfinished(name)


def is_unfinished(name: str) -> bool:
    """Whether a file of this name is hidden, or is renamed by its writer once it is complete."""
    return name.startswith((".", "~")) or name.lower().endswith(_UNFINISHED)
