"""Attempts are counted against files that fail their importers, not against what was only away."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from services.importer import scratch
from services.importer.scratch import ScratchUnavailable
from shared.errors import Unavailable
from shared.telemetry import passes
from tests.integration.importer.builders import Imports, csv_of


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        ("40P01", 0),  # deadlock
        ("40001", 0),  # serialization failure
        ("53100", 0),  # disk full
        ("25006", 0),  # read-only
        ("53200", 1),  # out of memory
        ("54001", 1),  # statement too complex
        ("25P03", 1),  # idle in a transaction for too long
        ("53400", 1),  # more temporary files than the role may have
        ("57014", 1),  # a statement that takes too long
        ("22003", 1),  # what only the file can be to blame for
    ],
)
def test_only_what_the_file_may_be_to_blame_for_costs_an_attempt(imports: Imports, state: str, counts: int) -> None:
    # Given a database that fails in the midst of a merge
    imports.all(
        "create function broken() returns trigger language plpgsql as"
        f" $$ begin raise exception 'broken' using errcode = '{state}'; end $$"
    )
    imports.all("create trigger broken before insert on leads for each row execute function broken()")
    request = imports.request(csv_of([{"Company": "Acme"}]))
    try:
        with pytest.raises((Unavailable, psycopg.Error)) as raised:
            imports.handler.on_import(request)
    finally:
        imports.all("drop function broken cascade")

    assert imports.run(request.run_id)["attempt"] == counts
    assert isinstance(raised.value, Unavailable) == state.startswith(("4", "53", "54", "57", "25"))
    # and it is imported as soon as the database can
    imports.handler.on_import(request)
    run = imports.run(request.run_id)
    assert (run["outcome"], run["rows_created"], run["attempt"]) == ("succeeded", 1, counts + 1)


@contextmanager
def no_file_larger_than(limit: int) -> Iterator[None]:
    """As on a disk that is full; also SIGXFSZ is as it is in a service: Python ignores it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_folder_for_temporary_files_that_is_full_costs_no_attempt(imports: Imports) -> None:
    # Given a file whose fingerprints are larger than what can be written
    request = imports.request(csv_of([{"Company": f"Acme {number}"} for number in range(4_000)]))
    with no_file_larger_than(1024), pytest.raises(ScratchUnavailable, match="temporary files: File too large"):
        imports.handler.on_import(request)

    assert imports.run(request.run_id)["attempt"] == 0
    assert imports.all("select from leads") == []
    # and it is imported when there is room
    imports.handler.on_import(request)
    assert imports.run(request.run_id)["rows_created"] == 4_000


def test_a_file_that_needs_more_room_than_there_is_costs_an_attempt(imports: Imports) -> None:
    # Given a file whose fingerprints alone fill the folder: without them there is room
    request = imports.request(csv_of([{"Company": f"Acme {number}"} for number in range(4_000)]))
    with no_file_larger_than(64 * 1024), pytest.raises(OSError, match="File too large"):
        imports.handler.on_import(request)

    assert imports.run(request.run_id)["attempt"] == 1


def test_an_importer_that_cannot_write_temporary_files_is_not_ready() -> None:
    assert passes(scratch.writable)
    with no_file_larger_than(0), pytest.raises(OSError, match="File too large"):
        scratch.writable()
