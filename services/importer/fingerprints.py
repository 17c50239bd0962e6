"""The fingerprints of a file's records: written when they were merged, kept as a blob, read by the next import."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

import numpy as np
import structlog

from services.importer.core.delta import ENTRY, Entries, Places
from shared.blobs import Blobs
from shared.errors import BlobCorrupt, BlobMissing

log = structlog.get_logger()

# Another number whenever the same line comes to mean something else: then everything is read again.
VERSION = 1
_MAGIC = b"prints%02d" % VERSION
_CHUNK = 1024 * 1024
# Between the first and the last of the entries asked for, so many times their number are read in one go.
_SPREAD = 8
_BLOCK = 250_000


class Fingerprints(AbstractContextManager["Fingerprints"]):
    """Entries on disk, in file order; they are added one batch after the other, or came from a blob."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._count = 0
        self._write(_MAGIC)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, entries: Entries) -> None:
        """Add entries at the end."""
        self._count += len(entries)
        self._write(entries.tobytes())

    def part(self, start: int, stop: int) -> Entries:
        """Those from one position up to another."""
        size = ENTRY.itemsize
        data = os.pread(self._file.fileno(), (stop - start) * size, len(_MAGIC) + start * size)
        return np.frombuffer(data, ENTRY)

    def at(self, places: Places) -> Entries:
        """Those at these positions."""
        if not len(places):
            return np.empty(0, ENTRY)
        first, last = int(places.min()), int(places.max())
        if last - first < _SPREAD * len(places):
            found = self.part(first, last + 1)
            return found if (np.diff(places) == 1).all() else found[places - first]
        # Mapped pages would count as memory of ours.
        scattered = np.empty(len(places), ENTRY)
        blocks = places // _BLOCK
        for block in np.unique(blocks).tolist():
            inside = blocks == block
            start = block * _BLOCK
            scattered[inside] = self.part(start, min(start + _BLOCK, self._count))[places[inside] - start]
        return scattered

    def blur(self, places: Places) -> None:
        """Have the entries at these places match no record: these are read, and their leads merged, each time."""
        for place in places.tolist():
            entry = self.part(place, place + 1).copy()
            entry["raw"], entry["content"] = 0, ~entry["content"]
            os.pwrite(self._file.fileno(), entry.tobytes(), len(_MAGIC) + place * ENTRY.itemsize)

    def keep(self, blobs: Blobs, key: str) -> str:
        """Keep them as a blob; its SHA-256."""
        digest = hashlib.sha256()
        blobs.keep(blobs.stage(self._chunks(digest.update)), key)
        return digest.hexdigest()

    def _chunks(self, see: Callable[[bytes], None]) -> Iterator[bytes]:
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            see(chunk)
            yield chunk

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()

    def _take(self, chunks: Iterable[bytes]) -> bool:
        """Hold what was kept; False when it is no such thing."""
        self._file.seek(0)
        for chunk in chunks:
            self._file.write(chunk)
        self._file.flush()
        self._count, rest = divmod(self._file.tell() - len(_MAGIC), ENTRY.itemsize)
        return self._count >= 0 and rest == 0 and os.pread(self._file.fileno(), len(_MAGIC), 0) == _MAGIC


def load(blobs: Blobs, kept: Mapping[str, Any]) -> Fingerprints | None:
    """What was kept under `blob`, with its `checksum`; None and a warning where that is lost, damaged or too old."""
    reason = "they are of another version"
    found = Fingerprints()
    try:
        if found._take(blobs.read(kept["blob"], kept["checksum"])):
            return found
    except (BlobMissing, BlobCorrupt) as error:
        reason = str(error)
    except BaseException:
        found.__exit__(None, None, None)
        raise
    found.__exit__(None, None, None)
    log.warning("fingerprints.unusable", reason=reason)
    return None
