"""Bytes become lines that end at LF, CRLF and CR only, however the bytes were cut."""

import io
import re
import time
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.importer.text import FileRefused, blocks

BOM = "\ufeff".encode()
TEXT = st.text(
    alphabet=st.sampled_from('ab,"\n\r\u00e9\u20ac\U0001f600\u2028\u2029\x0b\x0c\x1c\x1e\x85\ufeff'), max_size=40
)
SIZES = st.lists(st.integers(0, 5), max_size=30)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """The data in chunks of these sizes, in turn, and in one more when they do not suffice."""
    source = io.BytesIO(data)
    yield from map(source.read, sizes)
    yield source.read()


def lines(chunks: Iterable[bytes], encoding: str = "utf-8-sig") -> Iterator[str]:
    return (line for block in blocks(chunks, encoding) for line in block.texts(0, len(block)))


def split(text: str) -> list[str]:
    """The whole text at once, by another way than the code's."""
    return [line for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text) if line]


def refusal(*chunks: bytes, encoding: str = "utf-8-sig") -> tuple[str, str]:
    with pytest.raises(FileRefused) as caught:
        list(lines(chunks, encoding))
    return caught.value.refusal.code, caught.value.refusal.reason


@given(text=TEXT, sizes=SIZES)
@example(text="a\r\nb", sizes=[5])
@example(text="a\r", sizes=[5])
@example(text="\r\r\n\n\r", sizes=[3, 1, 1, 1, 1])
@example(text="\u20ac\r\n", sizes=[4, 1, 1, 1])
def test_any_chunks_give_the_lines_of_the_whole_text(text: str, sizes: list[int]) -> None:
    found = list(lines(cut(BOM + text.encode(), sizes)))

    assert found == split(text)


@given(text=st.text(), sizes=SIZES)
def test_no_character_is_lost_or_added(text: str, sizes: list[int]) -> None:
    assert "".join(lines(cut(text.encode(), sizes))) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
def test_other_separators_of_unicode_stay_inside_their_line(char: str) -> None:
    assert list(lines([f"a{char}b\nc".encode()])) == [f"a{char}b\n", "c"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_each_line_end_ends_a_line_and_is_kept(end: str) -> None:
    assert list(lines([f"a{end}{end}b{end}".encode()])) == [f"a{end}", end, f"b{end}"]


def test_a_byte_order_mark_is_left_out_at_the_beginning_only() -> None:
    assert list(lines([BOM[:1], BOM[1:2], BOM[2:] + b"a\n", BOM + b"b"])) == ["a\n", "\ufeffb"]


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""], [BOM]])
def test_no_text_has_no_lines(chunks: list[bytes]) -> None:
    assert list(lines(chunks)) == []


@pytest.mark.parametrize(
    "data", [b"caf\xe9\n", b"a\nb\ncaf\xe9,x\n", b"a\nb\n\xff", b"a\nb\nc\xe2\x82", b"\xed\xa0\x80", b"\xff\xfea\0\n\0"]
)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_byte_that_is_no_text_becomes_a_lone_surrogate_and_the_others_stay(data: bytes, size: int) -> None:
    text = "".join(lines(cut(data, [size] * 10), "utf-8"))

    assert text.encode("utf-8", "surrogateescape") == data
    with pytest.raises(UnicodeEncodeError):
        text.encode()


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-16", "utf-16-le", "utf-32", "cp1252", "mac_roman", "cp932", "gb18030", "iso2022_jp", "hz"],
)
def test_any_chunks_of_any_encoding_give_the_same_lines(encoding: str) -> None:
    text = "a,b\r\n\u65e5,\u672c\n" if encoding in ("cp932", "gb18030", "iso2022_jp", "hz") else "a,b\r\n\u00e9,x\n"
    data = text.encode(encoding)

    assert {tuple(lines(cut(data, [size] * 40), encoding)) for size in (1, 2, 3, 7)} == {tuple(split(text))}


@pytest.mark.parametrize(("data", "encoding"), [(b"a\0\n\0b", "utf-16-le"), (b"a\nb", "utf-32"), (b"a\nb~{x", "hz")])
def test_bytes_that_do_not_go_with_their_encoding_at_all_refuse_the_file(data: bytes, encoding: str) -> None:
    code, reason = refusal(data, encoding=encoding)

    assert code == "decode_failed"
    assert reason.startswith("At or after line ")


def test_the_lines_before_a_bad_chunk_have_already_come() -> None:
    found: list[str] = []
    with pytest.raises(FileRefused):
        found.extend(lines([b"a\0\n\0b\0\n\0", b"c"], "utf-16-le"))

    assert found == ["a\n", "b\n"]


def test_a_file_without_line_ends_is_refused_before_it_fills_the_memory() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1024 * 1024

    with pytest.raises(FileRefused) as caught:
        list(lines(endless()))

    assert caught.value.refusal.code == "too_large"
    assert taken == 17


def test_lines_come_as_soon_as_they_are_whole() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"a\nb"
        raise AssertionError("the second chunk is not needed yet")

    assert next(lines(chunks())) == "a\n"


def test_two_hundred_thousand_lines_take_less_than_a_second() -> None:
    data = b"Acme,Paris,75001\r\n" * 200_000
    begun = time.perf_counter()

    count = sum(1 for _ in lines(cut(data, [100_000] * 36)))

    assert count == 200_000
    assert time.perf_counter() - begun < 1
