"""How the importer's process deals with memory: rows come by the million, threads come and go."""

import ctypes
import gc

_M_ARENA_MAX = -8  # malloc.h of glibc
_ARENAS = 2


def tune() -> None:
    """Collect garbage seldom, and give back what threads freed; to be called at start, before threads are made."""
    # Rows are made by the thousand and form no cycles: looking for some among them took a fifth of an import's time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    # Each thread would have an arena of its own that keeps what it freed: 200 MB after a few imports.
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _ARENAS)
