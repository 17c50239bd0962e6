"""Why a cell is left out, as a value."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Doubt:
    """A cell that is left out; `advice` says what to do in one or two plain sentences and never holds its value."""

    code: str
    advice: str
