"""A log line is one JSON object, whatever is logged, and quotes no row, key or password of a library's exception.

Logging belongs to a whole process, so a process of its own logs here, once, and the tests read what it wrote.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared import telemetry

Line = dict[str, Any]

PROGRAM = r"""
import logging, warnings
import psycopg, structlog
from shared.errors import BlobCorrupt
from shared.telemetry import configure_logging

configure_logging("importer", "INFO")
log = structlog.get_logger("ours")
library = logging.getLogger("library")

log.debug("below the level")
log.info("run.ended", outcome="succeeded", rows=3)
log.info("line one\nline two\r\x1b[31mred\u2028\x00", path="/a\nb")
library.warning("from a library: %s", "one\ntwo\x1b[2J")
library.info("50% of nothing")
warnings.warn("deprecated\nthing", DeprecationWarning, stacklevel=1)
with structlog.contextvars.bound_contextvars(run_id="r-1"):
    log.info("with.context")
    library.error("library with context")
try:
    raise psycopg.errors.UniqueViolation("DETAIL: Key (email)=(canary@acme.com) already exists.")
except psycopg.Error as error:
    log.exception("database")
    library.exception("foreign")
    log.error("passed", exc_info=error)
    try:
        raise RuntimeError("canary while handling") from error
    except RuntimeError:
        log.exception("chained")
try:
    raise BlobCorrupt("a blob's bytes changed at rest")
except BlobCorrupt:
    log.exception("own")
log.exception("nothing was raised")
log.info("odd.values", thing=object(), number=float("inf"), raw=b"\xff", key={"a": {1, 2}})
"""


@pytest.fixture(scope="module")
def written() -> str:
    """What the program wrote to standard error; standard output stays empty."""
    root = Path(telemetry.__file__).parents[1]
    done = subprocess.run([sys.executable, "-W", "always", "-c", PROGRAM], cwd=root, capture_output=True, check=True)
    assert done.stdout == b""
    return done.stderr.decode()


@pytest.fixture(scope="module")
def lines(written: str) -> list[Line]:
    """Its lines."""
    return [json.loads(line) for line in written.removesuffix("\n").split("\n")]


def one(lines: list[Line], message: str) -> Line:
    (found,) = [line for line in lines if message in line["message"]]
    return found


def test_every_line_is_an_object_with_the_same_four_fields(lines: list[Line]) -> None:
    assert len(lines) == 14
    for line in lines:
        assert {"message", "level", "timestamp", "service", "logger"} <= set(line)
        assert line["service"] == "importer"
        assert line["timestamp"].endswith("Z")
        assert line["level"] in {"info", "warning", "error"}


def test_no_control_character_reaches_the_terminal(written: str, lines: list[Line]) -> None:
    assert written.replace("\n", "").isprintable()
    assert one(lines, "line one")["message"] == "line one\nline two\r\x1b[31mred\u2028\x00"
    assert one(lines, "line one")["path"] == "/a\nb"


def test_fields_stay_what_they_are(lines: list[Line]) -> None:
    line = one(lines, "run.ended")

    assert (line["outcome"], line["rows"], line["logger"]) == ("succeeded", 3, "ours")


def test_a_value_that_is_no_json_does_not_lose_the_line(lines: list[Line]) -> None:
    assert one(lines, "odd.values")["raw"]


def test_what_lies_below_the_level_is_not_written(lines: list[Line]) -> None:
    assert not [line for line in lines if "below" in line["message"]]


def test_lines_and_warnings_of_libraries_take_the_same_form(lines: list[Line]) -> None:
    assert one(lines, "from a library")["message"] == "from a library: one\ntwo\x1b[2J"
    assert one(lines, "from a library")["level"] == "warning"
    assert one(lines, "50%")["logger"] == "library"
    assert one(lines, "deprecated")["logger"] == "py.warnings"


def test_the_context_stands_on_every_line(lines: list[Line]) -> None:
    assert one(lines, "with.context")["run_id"] == "r-1"
    assert one(lines, "library with context")["run_id"] == "r-1"


@pytest.mark.parametrize("message", ["database", "foreign", "passed"])
def test_an_exception_of_a_library_is_logged_without_its_text(message: str, lines: list[Line]) -> None:
    line = one(lines, message)

    assert line["exception"] == "UniqueViolation (23505)"
    assert line["frames"][-1].endswith("<module>")


def test_what_an_exception_came_from_is_not_quoted_either(lines: list[Line]) -> None:
    assert one(lines, "chained")["exception"] == "RuntimeError"


def test_no_row_is_in_the_log(written: str) -> None:
    assert "canary" not in written


def test_an_exception_of_ours_is_logged_with_its_text(lines: list[Line]) -> None:
    assert one(lines, "own")["exception"] == "BlobCorrupt: a blob's bytes changed at rest"


def test_a_line_that_expects_an_exception_stands_also_without_one(lines: list[Line]) -> None:
    assert "exception" not in one(lines, "nothing was raised")
