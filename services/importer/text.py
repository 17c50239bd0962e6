"""Bytes of a file to physical lines of text."""

import codecs
from collections.abc import Iterable, Iterator

from services.importer.core.lines import split_lines
from services.importer.core.record import Refusal

# A file without line ends is no CSV; this much of it is held before saying so.
_LINE_CHARS = 16 * 1024 * 1024


class FileRefused(Exception):
    """The whole file cannot be imported."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def lines(chunks: Iterable[bytes], encoding: str = "utf-8-sig") -> Iterator[str]:
    """The text's lines with their ends, split at LF, CRLF and CR only.

    A byte that is no text in this encoding becomes a lone surrogate, which costs its own record alone. FileRefused
    when the encoding does not go together with the file at all.
    """
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
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
    except UnicodeError:
        reason = f"At or after line {count + 1} the file is no text in its encoding. Set the right one, or use UTF-8."
        raise FileRefused(Refusal("decode_failed", reason)) from None


def _split(text: str, *, last: bool) -> list[str]:
    """The lines, and at the end what may go on in the next chunk."""
    found = split_lines(text)
    if last:
        return [*found, ""]
    # A CR at the end may be the first half of a CRLF.
    if found and not found[-1].endswith("\n"):
        return found
    return [*found, ""]
