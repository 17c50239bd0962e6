"""Physical lines end at LF, CRLF and CR, and at nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.lines import line_end, split_lines


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
