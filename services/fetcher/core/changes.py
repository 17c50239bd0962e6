"""Did the file change, and did it hold still while it was read?"""

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


def decide(known: Known | None, look: Look, *, full_check: bool) -> Unchanged | Download:
    """Whether size and mtime already prove that the file is as it was at the previous look."""
    if known is None:
        return Download("seen for the first time")
    if look.size is None or look.mtime is None:
        return Download("the server gives no size or no time")
    if (look.size, look.mtime) != (known.size, known.mtime):
        return Download("size or time differ")
    if look.mtime + _MARGIN_SECONDS > known.looked_at.timestamp():
        return Download("written too close to the previous look")
    if full_check:
        return Download("full check")
    return Unchanged("size and time as before")


def unsettled(before: Look, after: Look, received: int) -> str | None:
    """Why the bytes just read may be a mixture of two versions; None when they are not."""
    if before != after:
        return "the file changed while it was read"
    if before.size is not None and before.size != received:
        return f"the server announced {before.size} bytes and sent {received}"
    return None
