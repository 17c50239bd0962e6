"""Bytes of a file to physical lines of text."""

import codecs
import io
from collections.abc import Iterable, Iterator

from services.importer.core.record import Refusal

# A file without line ends is no CSV; this much of it is held before saying so.
_LINE_CHARS = 16 * 1024 * 1024


class FileRefused(Exception):
    """The whole file cannot be imported."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The text's lines with their ends, split at LF, CRLF and CR only. FileRefused when it is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    rest, count = "", 0
    for chunk, last in _with_last(chunks):
        found = _split(rest + _decoded(decoder, chunk, count, last=last), last=last)
        rest = found.pop()
        yield from found
        count += len(found)
        if len(rest) > _LINE_CHARS:
            raise FileRefused(Refusal("too_large", f"Line {count + 1} is longer than {_LINE_CHARS} characters."))


def _with_last(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for chunk in chunks:
        yield chunk, False
    yield b"", True


def _decoded(decoder: codecs.IncrementalDecoder, chunk: bytes, count: int, *, last: bool) -> str:
    try:
        return decoder.decode(chunk, last)
    except UnicodeDecodeError as error:
        line = count + 1 + error.object[: error.start].count(b"\n")
        raise FileRefused(Refusal("not_utf8", f"There is a byte that is not UTF-8 at or after line {line}.")) from None


def _split(text: str, *, last: bool) -> list[str]:
    """The lines, and at the end what may go on in the next chunk."""
    found = list(io.StringIO(text, newline=""))
    if last:
        return [*found, ""]
    # A CR at the end may be the first half of a CRLF.
    if found and not found[-1].endswith("\n"):
        return found
    return [*found, ""]
