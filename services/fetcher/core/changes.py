"""Did the file change, did it hold still while it was read, and is its writer done with it?"""

from dataclasses import dataclass

from shared.contracts import Known

# Servers keep whole seconds, some of them even ones: a file written just before a look can be written again with
# the same mtime just after it.
_MARGIN_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Look:
    """What a server says of a file; either may be missing."""

    size: int | None  # bytes
    mtime: int | None  # seconds since 1970, the server's clock


@dataclass(frozen=True, slots=True)
class Unchanged:
    """There is no need to read the file."""

    detail: str


@dataclass(frozen=True, slots=True)
class Download:
    """Only the bytes can tell."""

    reason: str


def decide(known: Known | None, path: str, look: Look, *, full_check: bool) -> Unchanged | Download:
    """Whether place, size and mtime already prove that the file is as it was at the previous look.

    An mtime close to the previous look proves nothing, before or after it: the clocks may differ a little. One far
    from it does, in the future too, or a file with such a time would be brought at each look for ever. What stays
    open is a file written twice within a second, around a look, with the same size, on a server whose clock is wrong
    by more than the margin: the full check finds it.
    """
    if known is None:
        return Download("seen for the first time")
    if doubt := _doubt(known, path, look):
        return Download(doubt)
    return Download("full check") if full_check else Unchanged("size and time as before")


def _doubt(known: Known, path: str, look: Look) -> str | None:
    if known.path not in (None, path):
        return "another file than before"
    if look.size is None or look.mtime is None:
        return "the server gives no size or no time"
    if (look.size, look.mtime) != (known.size, known.mtime):
        return "size or time differ"
    if abs(known.looked_at.timestamp() - look.mtime) < _MARGIN_SECONDS:
        return "written too close to the previous look"
    return None


def unsettled(before: Look, after: Look, received: int | None) -> str | None:
    """Why the bytes just read may be a mixture of two versions; None when they are not.

    `received` is how many there were; None when not all were read.
    """
    if before != after:
        if before.size is not None and after.size is not None and before.size < after.size:
            return f"the file grew by {after.size - before.size} bytes while it was read"
        return "the file changed while it was read"
    if None not in (before.size, received) and before.size != received:
        return f"the server announced {before.size} bytes and sent {received}"
    return None


def can_continue(before: Look, again: Look) -> bool:
    """Whether size and mtime say that a download that broke off may go on where it was."""
    return before == again and None not in (before.size, before.mtime)


def unmarked(file: Look, marker: Look | None) -> str | None:
    """Why the done-marker does not say that the file is complete; None when it does."""
    if marker is None:
        return "is not there"
    if file.mtime is not None and marker.mtime is not None and marker.mtime < file.mtime:
        return "is older than the file"
    return None
