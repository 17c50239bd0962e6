"""Bytes of a file to physical lines."""

import codecs
from collections.abc import Iterable, Iterator

from services.importer.core.lines import Block, block_of_bytes, block_of_text, split_lines
from services.importer.core.record import Refusal

_BLOCK = 1024 * 1024
# A file without line ends is no CSV; this much of it is held before saying so.
_LINE_CHARS = 16 * 1024 * 1024
# In these no byte of a character of several bytes is one of a line end, damaged or not.
_SEVERAL_BYTES = frozenset(
    ("utf-8", "cp932", "shift_jis", "euc_jp", "gbk", "gb2312", "gb18030", "big5", "cp950", "euc_kr", "cp949")
)


class FileRefused(Exception):
    """The whole file cannot be imported."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def blocks(chunks: Iterable[bytes], encoding: str = "utf-8-sig") -> Iterator[Block]:
    """The file's lines, split at LF, CRLF and CR only, about 1 MiB at a time, as soon as they are whole.

    A byte that is no text in this encoding becomes a lone surrogate, which costs its own record alone. FileRefused
    when the encoding does not go together with the file at all.
    """
    name = codecs.lookup(encoding).name
    pieces = (chunk[at : at + _BLOCK] for chunk in chunks for at in range(0, len(chunk), _BLOCK))
    if name == "utf-8-sig":
        return _blocks_of_bytes(_unmarked(pieces), "utf-8")
    return _blocks_of_bytes(pieces, name) if _lines_show(name) else _blocks_of_text(pieces, name)


def _lines_show(name: str) -> bool:
    """Whether lines can be told in the bytes of this encoding, and each be decoded alone."""
    if name in _SEVERAL_BYTES:
        return True
    if name.startswith("iso2022"):
        return False
    try:
        text = bytes(range(256)).decode(name, "surrogateescape")
    except UnicodeError:
        return False
    ends = [place for place, char in enumerate(text) if char in "\r\n"]
    return len(text) == 256 and ends == [10, 13] and text[10] == "\n"


def _unmarked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces without a byte order mark at their beginning."""
    source, head = iter(pieces), b""
    for piece in source:
        head += piece
        if len(head) >= len(codecs.BOM_UTF8):
            break
    yield head.removeprefix(codecs.BOM_UTF8)
    yield from source


def _blocks_of_bytes(pieces: Iterable[bytes], encoding: str) -> Iterator[Block]:
    rest, count = b"", 0
    for piece in pieces:
        data = rest + piece
        # A CR at the end may be the first half of a CRLF.
        whole = max(data.rfind(b"\n"), data.rfind(b"\r", 0, -1)) + 1
        rest = data[whole:]
        if whole:
            block = block_of_bytes(data[:whole], encoding)
            yield block
            count += len(block)
        _check_length(rest, count)
    if rest:
        yield block_of_bytes(rest, encoding)


def _blocks_of_text(pieces: Iterable[bytes], encoding: str) -> Iterator[Block]:
    decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
    rest, count = "", 0
    for piece, last in _with_last(pieces):
        found = _split(rest + _decoded(decoder, piece, count, last=last), last=last)
        rest = found.pop()
        if found:
            yield block_of_text(found)
        count += len(found)
        _check_length(rest, count)


def _check_length(rest: bytes | str, count: int) -> None:
    if len(rest) > _LINE_CHARS:
        raise FileRefused(Refusal("too_large", f"Line {count + 1} is longer than {_LINE_CHARS} characters."))


def _with_last(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    for piece in pieces:
        yield piece, False
    yield b"", True


def _decoded(decoder: codecs.IncrementalDecoder, piece: bytes, count: int, *, last: bool) -> str:
    try:
        return decoder.decode(piece, last)
    except UnicodeError:
        reason = f"At or after line {count + 1} the file is no text in its encoding. Set the right one, or use UTF-8."
        raise FileRefused(Refusal("decode_failed", reason)) from None


def _split(text: str, *, last: bool) -> list[str]:
    """The lines, and at the end what may go on in the next piece."""
    found = split_lines(text)
    if last:
        return [*found, ""]
    # A CR at the end may be the first half of a CRLF.
    if found and not found[-1].endswith("\n"):
        return found
    return [*found, ""]
