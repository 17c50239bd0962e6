"""Unpacks a zip that holds one file while it streams; the names in it are looked at, never used."""

from collections import deque
from collections.abc import Iterable, Iterator

import stream_unzip

from services.fetcher.core.packing import is_left_out
from services.fetcher.sftp.failure import LookFailed

_CHUNK = 256 * 1024
_MOST_MEMBERS = 1000  # folders and the like among them
_MOST_LEFT_OUT = 1024 * 1024  # bytes of these
_END = b"PK\x05\x06"
_LONGEST_END = 22 + 65_535  # with a comment
_WORKBOOK = b"[Content_Types].xml"
_SEVERAL = "the archive holds several files; an Excel workbook must be saved as CSV"


def unzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of the one file in the archive, in bounded memory; LookFailed when it is not whole or not the only one.

    What follows the first file is seen only after that: its bytes count once the iterator has come to its end.
    """
    read = _Tail(chunks)
    try:
        yield from _one_file(read)
        if _END not in read.last():
            raise _cut_off()
    except (stream_unzip.MissingPasswordError, stream_unzip.MissingAESExtraError):
        raise _unsupported("the archive needs a password") from None
    except stream_unzip.UnsupportedFeatureError:
        raise _unsupported("the archive is packed in a way that cannot be read") from None
    except stream_unzip.TruncatedDataError:
        raise _cut_off() from None
    except stream_unzip.UnzipError:
        raise LookFailed("file", "archive_damaged") from None


def _one_file(chunks: Iterable[bytes]) -> Iterator[bytes]:
    found, left_out = False, 0
    for number, (name, _size, data) in enumerate(stream_unzip.stream_unzip(chunks, chunk_size=_CHUNK)):
        if number == _MOST_MEMBERS or name == _WORKBOOK or (found and not is_left_out(name)):
            raise _unsupported(_SEVERAL)
        if not is_left_out(name):
            found = True
            yield from data
        for part in data:
            left_out += len(part)
            if left_out > _MOST_LEFT_OUT:
                raise _unsupported(_SEVERAL)
    if not found:
        raise _unsupported("the archive holds no file")


class _Tail:
    """Passes chunks on and remembers the last ones."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._kept: deque[bytes] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._kept.append(chunk)
            self._size += len(chunk)
            while self._size - len(self._kept[0]) >= _LONGEST_END:
                self._size -= len(self._kept.popleft())
            yield chunk

    def last(self) -> bytes:
        """The last bytes, as many as the end of a zip may take."""
        return b"".join(self._kept)[-_LONGEST_END:]


def _cut_off() -> LookFailed:
    return LookFailed("file", "archive_damaged", "the archive ends too early")


def _unsupported(detail: str) -> LookFailed:
    return LookFailed("file", "archive_unsupported", detail)
