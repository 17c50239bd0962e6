"""W3C trace context, as it stands in messages: what is valid is taken, everything else counts as left out."""

import re
import secrets
from dataclasses import dataclass
from uuid import uuid4

_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})")
_MEMBER = re.compile(r"([a-z0-9][a-z0-9_*/@-]{0,255})=[ -+\--<>-~]{0,255}[!-+\--<>-~]")
_PARENT_LENGTH = 55
_MOST_MEMBERS = 32
_MOST_STATE = 512


@dataclass(frozen=True, slots=True)
class Trace:
    """Where in which trace the work began: both as they stand in messages, the state often empty."""

    parent: str
    state: str = ""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return self.parent[3:35]


def parse(parent: object, state: object = None) -> Trace | None:
    """The trace that these values name; None when `parent` is no valid one. A state that is not valid is left out."""
    if not isinstance(parent, str):
        return None
    found = _PARENT.fullmatch(parent[:_PARENT_LENGTH])
    rest = parent[_PARENT_LENGTH:]
    # A version that comes after ours may say more.
    if found is None or (rest and (parent.startswith("00") or not rest.startswith("-"))):
        return None
    trace_id, span_id, flags = found.groups()
    return Trace(f"00-{trace_id}-{span_id}-{int(flags, 16) & 1:02x}", _valid_state(state))


def _valid_state(state: object) -> str:
    if not isinstance(state, str) or len(state) > _MOST_STATE:
        return ""
    members = [member for part in state.split(",") if (member := part.strip(" \t"))]
    keys = {found[1] for member in members if (found := _MEMBER.fullmatch(member))}
    return ",".join(members) if len(keys) == len(members) <= _MOST_MEMBERS else ""


def new_trace(*, sampled: bool) -> Trace:
    """A trace that begins here."""
    return Trace(f"00-{uuid4().hex}-{secrets.randbelow(2**64 - 1) + 1:016x}-{sampled:02x}")
