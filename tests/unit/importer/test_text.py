"""Bytes become lines that end at LF, CRLF and CR only, however the bytes were cut."""

import io
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.importer.text import FileRefused, lines

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


def split(text: str) -> list[str]:
    """The whole text at once, by another way than the code's."""
    return [line for line in re.split(r"(?<=\n)|(?<=\r)(?!\n)", text) if line]


def refusal(*chunks: bytes) -> tuple[str, str]:
    with pytest.raises(FileRefused) as caught:
        list(lines(chunks))
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
    ("chunks", "line"),
    [
        ([b"caf\xe9\n"], 1),
        ([b"a\nb\ncaf\xe9,x\n"], 3),
        ([b"a\n", b"b\n", b"\xff"], 3),
        ([b"a\nb\n", b"c\xe2\x82"], 3),
        (["\ud800".encode("utf-8", "surrogatepass")], 1),
        ([b"\xff\xfea\0\n\0"], 1),
        ([b"a\n\xc0\xaf\n"], 2),
    ],
)
def test_a_byte_that_is_no_utf_8_refuses_the_file_and_names_its_line(chunks: list[bytes], line: int) -> None:
    code, reason = refusal(*chunks)

    assert code == "not_utf8"
    assert reason.endswith(f"line {line}.")


def test_the_lines_before_a_bad_byte_have_already_come() -> None:
    found: list[str] = []
    with pytest.raises(FileRefused):
        found.extend(lines([b"a\nb\n", b"\xff"]))

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
