"""The folder for temporary files, in which imports keep what does not belong into memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

from shared.errors import Unavailable
from shared.telemetry import passes


class ScratchUnavailable(Unavailable):
    """The folder for temporary files is full, read-only or missing."""


def writable() -> bool:
    """Whether a page can be written there; OSError otherwise."""
    with TemporaryFile(buffering=0) as file:
        return file.write(bytes(4096)) == 4096


@contextmanager
def needed() -> Iterator[None]:
    """ScratchUnavailable in place of an OSError: within an import nothing else raises one.

    The import's own files are gone by then: where there is room again, it was this file that needed too much.
    """
    try:
        yield
    except OSError as error:
        if passes(writable):
            raise
        raise ScratchUnavailable(f"temporary files: {os.strerror(error.errno or 0)}") from None
