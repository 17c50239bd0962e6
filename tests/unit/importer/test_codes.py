"""The page about files lists every code that a record can get, and none besides."""

import re
from pathlib import Path

from services import importer

CODE = Path(importer.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "files.md"
# Codes stand as text after the name of what they belong to, in tables of reasons, and where records are flagged.
PLACES = (
    r'Doubt\(\s*"(\w+)"',
    r'(?:Reject|Warning_|_reject|_rejected)\([^"()]*"(\w+)"',
    r'_checked\(\s*[\w.]+,\s*"(bad_\w+)"',
    r'too_long(?:: str)? ?= ?"(\w+)"',
    r'flag = "(\w+)" if',
    r'"(short_row|stray_quote|repeated_header|footer|extra_cells|cell_too_large|record_too_large)"',
)


def in_the_code() -> set[str]:
    text = "\n".join(path.read_text(encoding="utf-8") for path in CODE.rglob("*.py"))
    reasons = re.search(r"^REASONS = \{(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert reasons is not None
    found = {code for place in PLACES for code in re.findall(place, text)}
    return found | set(re.findall(r'^    "(\w+)":', reasons[1], re.MULTILINE))


def on_the_page() -> set[str]:
    section = PAGE.read_text(encoding="utf-8").partition("## Codes of records")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


def test_the_page_lists_every_code() -> None:
    assert on_the_page() == in_the_code()
