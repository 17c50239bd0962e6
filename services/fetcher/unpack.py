"""A file's content: what an archive holds, and any other file as it is."""

from collections.abc import Iterable, Iterator
from itertools import chain

from services.fetcher.core.packing import TELLING_BYTES, packing
from services.fetcher.download import Download
from services.fetcher.gunzip import gunzip
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.unzip import unzip

_UNPACKERS = {"gzip": gunzip, "zip": unzip}
_FREE_BYTES = 1024 * 1024  # a small file may be nearly all alike


class Content:
    """The content of a file that comes as `chunks`, unpacked while it streams."""

    def __init__(self, chunks: Iterable[bytes], most_bytes: int, most_ratio: int) -> None:
        self._chunks = chunks
        self._most_bytes = most_bytes
        self._most_ratio = most_ratio
        self._packed: Download | None = None

    @property
    def packed_checksum(self) -> str | None:
        """The SHA-256 of the archive, once it was read; None when the file is none."""
        return None if self._packed is None else self._packed.checksum()

    def __iter__(self) -> Iterator[bytes]:
        """The bytes; LookFailed for an archive that is damaged, larger than allowed, or of another kind."""
        kind, chunks = _told(self._chunks)
        if kind is None:
            yield from chunks
        elif kind in _UNPACKERS:
            self._packed = Download(chunks)
            inner, content = _told(self._bounded(_UNPACKERS[kind](self._packed), self._packed))
            if inner is not None:
                raise LookFailed("file", "archive_unsupported", f"the archive holds another one ({inner})")
            yield from content
        else:
            raise LookFailed("file", "archive_unsupported", f"the file is packed as {kind}")

    def _bounded(self, chunks: Iterable[bytes], packed: Download) -> Iterator[bytes]:
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self._most_bytes:
                raise LookFailed("file", "archive_too_large", f"it unpacks to more than {self._most_bytes} bytes")
            if size > max(_FREE_BYTES, self._most_ratio * packed.received):
                times = f"it unpacks to more than {self._most_ratio} times its size"
                raise LookFailed("file", "archive_too_large", times)
            yield chunk


def _told(chunks: Iterable[bytes]) -> tuple[str | None, Iterator[bytes]]:
    """How the bytes are packed, and all of them."""
    rest = iter(chunks)
    first: list[bytes] = []
    while sum(map(len, first)) < TELLING_BYTES and (chunk := next(rest, None)) is not None:
        first.append(chunk)
    return packing(b"".join(first)[:TELLING_BYTES]), chain(first, rest)
