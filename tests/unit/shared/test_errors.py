"""Every code that is used is listed, with plain words; and no log line carries a library's own text."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared import errors
from shared.errors import CODES, BadMessage, ConnectorError, SecretUnreadable, TryAgain, advice, describe

ROOT = Path(errors.__file__).parents[1]
SOURCES = sorted(path for name in ("services", "shared") for path in (ROOT / name).rglob("*.py"))
QUERIES = sorted(path for name in ("services", "shared") for path in (ROOT / name).rglob("*.sql"))
# Which argument of a call is a code; the faults of single fields and rows have codes of their own.
CODE_ARGUMENTS = {
    "LookFailed": 1,
    "Refusal": 0,
    "advice": 0,
    "note_trouble": 2,
    "failed": 2,
    "paused_by_itself": 1,
    "refused": 3,
}
CODED_CALLS = {"FetchReported", "Step", "SyncFailed", "SyncHeld", "Paused", "Refused", "Ending"}


def codes_of(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            place = CODE_ARGUMENTS.get(name)
            if place is not None and len(node.args) > place:
                yield from strings(node.args[place])
            if name in CODED_CALLS:
                yield from (
                    code for keyword in node.keywords if keyword.arg == "code" for code in strings(keyword.value)
                )
        elif isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "code" for to in node.targets):
            yield from strings(node.value)


def strings(node: ast.expr) -> Iterator[str]:
    """The texts that an expression can be; both branches of a condition, but not the condition."""
    if isinstance(node, ast.IfExp):
        yield from strings(node.body)
        yield from strings(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from strings(value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
        yield node.value


def used_codes() -> set[str]:
    in_code = {code for source in SOURCES for code in codes_of(source)}
    in_sql = {code for path in QUERIES for code in re.findall(r"\bcode = '(\w+)'", path.read_text(encoding="utf-8"))}
    return in_code | in_sql


def test_the_search_for_codes_finds_them_in_each_service() -> None:
    assert used_codes() >= {
        "dns_failed",
        "not_ssh",
        "transfer_broken",
        "gave_up",
        "admin_only",
        "not_text",
        "cancelled",
    }


def test_every_code_that_is_used_is_listed() -> None:
    assert used_codes() - set(CODES) == set()


def test_every_listed_code_is_used() -> None:
    elsewhere = [path for path in (*SOURCES, *QUERIES) if path != Path(errors.__file__)]
    text = "".join(path.read_text(encoding="utf-8") for path in elsewhere)

    assert [code for code in CODES if not re.search(rf"""["']{code}["']""", text)] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_code_says_what_is_wrong_and_what_to_do(code: str) -> None:
    message, action, try_again = advice(code)

    assert re.fullmatch(r"[a-z0-9_]{3,40}", code)
    for sentence in (message, action):
        assert re.fullmatch(r"[A-Z].{5,140}[A-Za-z0-9)]\.", sentence), sentence
    assert isinstance(try_again, TryAgain)


def test_a_code_of_a_newer_version_has_general_words_and_is_tried_again_later() -> None:
    message, action, try_again = advice("no_such_code")

    assert (message, try_again) == ("Something went wrong that this version of Leadbay cannot name.", TryAgain.LATER)
    assert action == "Nothing to do unless it goes on; then ask Leadbay."


def test_our_own_exceptions_are_described_with_their_text() -> None:
    assert describe(SecretUnreadable("damaged")) == "SecretUnreadable: damaged"


def test_the_text_of_a_library_is_left_out() -> None:
    assert describe(ValueError("jane@acme.com")) == "ValueError"
    assert describe(KeyError("p4ssw0rd")) == "KeyError"


def test_an_error_of_the_database_is_described_by_its_state() -> None:
    assert describe(psycopg.errors.UniqueViolation("Key (email)=(jane@acme.com)")) == "UniqueViolation (23505)"


def test_every_exception_of_ours_has_one_root_and_says_what_it_means() -> None:
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert BadMessage in own
    for kind in own:
        assert issubclass(kind, ConnectorError)
        assert (kind.__doc__ or "").endswith(".")
