"""Unpacks gzip while it streams: several members, as `cat a.gz b.gz` makes them, and padding of zeros at the end."""

import zlib
from collections.abc import Iterable, Iterator

from services.fetcher.sftp.failure import LookFailed

_PIECE = 16 * 1024  # packed bytes taken at once: what is left of them is copied at the end of each member
_MOST = 256 * 1024  # unpacked bytes made at once
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The unpacked bytes, in bounded memory whatever they unpack to; LookFailed when the archive is no whole one."""
    member = zlib.decompressobj(_GZIP)
    at_end = False
    for piece in _pieces(chunks):
        rest = piece
        while rest := rest.lstrip(b"\0") if at_end else rest:
            if at_end:
                member = zlib.decompressobj(_GZIP)
            yield from _inflated(member, rest)
            rest, at_end = member.unused_data, member.eof
    if not at_end:
        raise LookFailed("file", "archive_damaged", "the archive ends too early")


def _inflated(member: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    """All that these bytes unpack to, a bounded part at a time."""
    try:
        while data := member.decompress(packed, _MOST):
            yield data
            packed = member.unconsumed_tail
    except zlib.error:
        raise LookFailed("file", "archive_damaged") from None


def _pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), _PIECE):
            yield chunk[at : at + _PIECE]
