"""Physical lines end at LF, CRLF and CR, and at nothing else."""

import re

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.lines import block_of_bytes, block_of_text, line_end, split_lines


@given(text=st.text("ab\r\n\u2028\x85\x0b\x0c\x1c", max_size=30))
def test_no_character_is_lost_and_each_line_ends_once(text: str) -> None:
    found = split_lines(text)

    assert "".join(found) == text
    assert all(re.fullmatch(r"[^\r\n]*(?:\r\n|\r|\n)", line) for line in found[:-1])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "none"),
        ("a", "none"),
        ("a\u2028b\x85", "none"),
        ("a\nb", "LF"),
        ("a\r\nb\r\n", "CRLF"),
        ("a\rb\r", "CR"),
        ("a\r\nb\n", "mixed"),
        ("a\r\nb\r", "mixed"),
        ("a\n\rb", "mixed"),
    ],
)
def test_the_line_ends_of_a_text_have_a_name(text: str, name: str) -> None:
    assert line_end(text) == name


@given(data=st.text("a\u00e9\r\n\u2028\x85\x1c", max_size=30).map(str.encode) | st.binary(max_size=12), cut=st.data())
def test_a_block_of_bytes_has_the_lines_of_its_text(data: bytes, cut: st.DataObject) -> None:
    block = block_of_bytes(data, "utf-8")
    lines = split_lines(data.decode("utf-8", "surrogateescape"))
    first = cut.draw(st.integers(0, len(lines)))
    stop = cut.draw(st.integers(first, len(lines)))

    assert len(block) == len(lines)
    assert block.texts(first, stop) == lines[first:stop]
    assert block.part(first, stop).texts(0, len(lines)) == lines[first:stop]


def test_the_raw_hash_of_a_line_leaves_its_end_out_and_text_has_none() -> None:
    block = block_of_bytes(b"caf\xc3\xa9\r\na\n\xff\rcaf\xc3\xa9", "utf-8")

    wanted = [xxhash.xxh3_64_intdigest(line) for line in (b"caf\xc3\xa9", b"a", b"\xff", b"caf\xc3\xa9")]
    assert block.raws.tolist() == wanted
    assert block.part(1, 3).raws.tolist() == wanted[1:3]
    assert block_of_text(["a\n", "b"]).raws.tolist() == [0, 0]
