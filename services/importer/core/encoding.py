"""In which encoding a file's bytes are text: declared, else by its mark, else strict UTF-8, else by a detector."""

import codecs
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import chardet
import numpy as np

from services.importer.core.record import Refusal

SAMPLE_BYTES = 256 * 1024
_EVIDENCE_BYTES = 128 * 1024
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARIES = (
    (b"PK\x03\x04", "It looks like an Excel or ZIP file"),
    (b"\xd0\xcf\x11\xe0", "It looks like an old Excel file"),
    (b"%PDF", "It looks like a PDF file"),
    (b"\x89PNG", "It looks like a picture"),
    (b"GIF8", "It looks like a picture"),
    (b"\xff\xd8\xff", "It looks like a picture"),
    (b"\x7fELF", "It looks like a program"),
    (b"\x1f\x8b", "It looks like a compressed file"),
    (b"SQLite format 3\0", "It looks like a database"),
    (b"{\\rtf", "It looks like a Word document"),
)
_MARKUP = re.compile(rb"\s*<(?:!doctype html|html|\?xml)\b", re.IGNORECASE)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1b\x1c\x1d\x1e\x1f\x01\x1a"))
_ESCAPES = (b"\x1b$", b"\x1b(", b"~{")  # ISO-2022 and HZ write other scripts in ASCII
_UNDECODED = re.compile("[\udc80-\udcff]")
_ACUTE = "éÉ"
_FRENCH = frozenset("àâçèéêëîïôœùûüÀÂÇÈÉÊËÎÏÔŒÙÛÜ«»°²·‘’“”–—…€\u00a0")
# Of lists of names in other languages, read as Windows-1252, 0.7 at most are French, Latvian apart: it has no acute.
_NEARLY_ALL = 0.9
_MUCH_MORE = 10  # good bytes for one bad, in a file that is UTF-8 all the same
_LONGEST_MARK = 4
_FEW = 3  # bytes
_HARDLY_TEXT = frozenset(b"\x81\x8d\x8f\x90\x9d\xfe\xff")  # in Windows-1252
_UNSURE = 50


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec of Python that decodes the file, and how sure that is, from 0 to 100."""

    name: str
    confidence: int


@dataclass(slots=True)
class Survey:
    """What one pass over a file's bytes tells about its encoding; `see` takes them chunk by chunk."""

    head: bytes = b""
    foreign: bytes = b""  # lines with bytes beyond ASCII, for the detector
    good: int = 0  # bytes of well-formed UTF-8 that go on with a character
    bad: int = 0  # bytes that are no UTF-8
    whole: bool = False  # the file was seen up to its end
    _feeds: int = 0
    _returns: int = 0
    _open: bytes = b""  # the beginning of a character, whose other bytes are still to come

    @property
    def lines(self) -> int:
        """How many line ends the file has, LF or else CR; 0 where not all of it was seen."""
        return (self._feeds or self._returns) if self.whole else 0

    def see(self, chunk: bytes, *, last: bool = False) -> bool:
        """Take one chunk; whether more of the file can still change the answer."""
        self.head += chunk[: SAMPLE_BYTES - len(self.head)]
        self._feeds += _count(chunk, b"\n")
        self._returns += 0 if self._feeds else _count(chunk, b"\r")
        # What the chunk before left open is told by this one, be it plain ASCII or the end.
        data = self._open + chunk if self._open else chunk
        good, bad, taken = _weighed(data, last=last)
        self.good += good
        self.bad += bad
        self._open = data[taken:]
        if not chunk.isascii():
            self._keep(chunk)
        # UTF-32 begins as UTF-16 does.
        return (len(self.head) < _LONGEST_MARK or marked(self.head) is None) and not self._is_hopeless()

    def _is_hopeless(self) -> bool:
        return len(self.head) >= SAMPLE_BYTES and self.bad > 100 and self.bad * _MUCH_MORE > self.good

    def _keep(self, chunk: bytes) -> None:
        room = _EVIDENCE_BYTES - len(self.foreign)
        if room > 0:
            lines = (line for line in chunk[: 4 * SAMPLE_BYTES].splitlines(keepends=True) if not line.isascii())
            self.foreign += b"".join(lines)[:room]


def watched(chunks: Iterable[bytes], found: Survey) -> Iterator[bytes]:
    """Pass a file's bytes on, and look at them on the way."""
    more = True
    for chunk in chunks:
        more = more and found.see(chunk)
        yield chunk
    if more:
        found.see(b"", last=True)
        found.whole = True


def survey(chunks: Iterable[bytes], *, cut: bool = False) -> Survey:
    """Look at a file's bytes until they have told what they can; a file that was `cut` may end within a character."""
    found = Survey()
    for chunk in chunks:
        if not found.see(chunk):
            return found
    if not cut:
        found.see(b"", last=True)
    found.whole = not cut
    return found


def decide(found: Survey, declared: str | None = None) -> Encoding | Refusal:
    """Name the encoding, or refuse what is no text. A declared encoding is taken as it is."""
    if refusal := _binary(found.head):
        return refusal
    if declared:
        return Encoding(declared, 100)
    if mark := marked(found.head):
        return Encoding(mark, 100)
    zeros = found.head.count(0) > 0.05 * len(found.head)
    escaped = not found.good and not found.bad and any(escape in found.head for escape in _ESCAPES)
    if not zeros and not escaped and (not found.bad or found.good > _MUCH_MORE * found.bad):
        return Encoding("utf-8", 100)
    whole = zeros or escaped
    told = None if whole else _few(found) or _french(found.foreign)
    return told or _detected(found, whole=whole) or _refusal(found, escaped=escaped)


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark names."""
    return next((name for mark, name in _MARKS if head.startswith(mark)), None)


def _count(chunk: bytes, char: bytes) -> int:
    """The same as `chunk.count`, several times as fast where there are many."""
    return int(np.count_nonzero(np.frombuffer(chunk, np.uint8) == char[0]))


def _weighed(data: bytes, *, last: bool) -> tuple[int, int, int]:
    """How many bytes of the data go on with a character, how many are none, and how many were looked at."""
    if data.isascii():
        return 0, 0, len(data)
    try:
        text, taken = codecs.utf_8_decode(data, "strict", last)
    except UnicodeDecodeError:
        text, taken = codecs.utf_8_decode(data, "surrogateescape", last)
        return taken - len(text), len(_UNDECODED.findall(text)), taken
    return taken - len(text), 0, taken


def _binary(head: bytes) -> Refusal | None:
    what = next((words for magic, words in _BINARIES if head.startswith(magic)), None)
    if what is None and _MARKUP.match(head):
        what = "It looks like a web page or XML"
    if what is None and marked(head) is None and b"\0" not in head[:4096]:
        controls = len(head) - len(head.translate(None, _CONTROLS))
        what = "It holds too many control characters for text" if controls > 0.1 * len(head) else None
    return Refusal("not_text", f"{what}, not like a CSV file.") if what else None


def _detected(found: Survey, *, whole: bool) -> Encoding | None:
    sample = found.head if whole else found.foreign
    told = chardet.detect(sample, max_bytes=len(sample) + 1)
    if told["encoding"] is None:
        return None
    try:
        name = codecs.lookup(told["encoding"]).name
    except LookupError:
        return None
    # What is ASCII in the sample may go on as UTF-8.
    return Encoding("utf-8" if name == "ascii" else name, round(100 * told["confidence"]))


def _few(found: Survey) -> Encoding | None:
    """A few bytes say nothing of a language: they are Windows-1252, or damage where that hardly has them.

    Among well-formed UTF-8, which does not come about by chance, they are damage, too.
    """
    if found.bad > _FEW:
        return None
    damage = found.good or not _HARDLY_TEXT.isdisjoint(found.foreign)
    return Encoding("utf-8" if damage else "cp1252", _UNSURE)


def _french(sample: bytes) -> Encoding | None:
    """Windows-1252 where nearly all beyond ASCII is what French writes, with its many `é`.

    A detector takes short lists of French names for Hungarian or Polish as soon as not.
    """
    foreign = [char for char in sample.decode("cp1252", "replace") if not char.isascii()]
    letters = [char for char in foreign if char.isalpha()]
    share = sum(char in _FRENCH for char in foreign) / max(1, len(foreign))
    acute = sum(char in _ACUTE for char in letters)
    return Encoding("cp1252", round(90 * share)) if share >= _NEARLY_ALL and 4 * acute >= len(letters) else None


def _refusal(found: Survey, *, escaped: bool) -> Encoding | Refusal:
    if escaped:
        return Encoding("utf-8", 100)
    if b"\0" in found.head:
        return Refusal("not_text", "It holds too many zero bytes for text, not like a CSV file.")
    return Refusal("encoding_unknown", "Its bytes are text in no encoding that could be told.")
