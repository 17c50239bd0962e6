"""What the command prints: a line is a line, whatever stands in the values."""

import pytest

from deploy.command.output import facts, say

HOSTILE = "a\nrun: ended\r\x1b[2J\u2028\u202eb"


def test_no_value_forges_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"detail: {HOSTILE}")
    facts({"name": HOSTILE})

    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0].split()[0] for line in lines] == ["detail", "name"]
    assert not any(character in "".join(lines) for character in "\r\x1b\u2028\u202e")
