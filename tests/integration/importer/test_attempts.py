"""Attempts are counted against files that fail their importers, not against what was only away."""

import psycopg
import pytest

from shared.errors import Unavailable
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
    assert isinstance(raised.value, Unavailable) == state.startswith(("4", "53", "54", "25"))
    # and it is imported as soon as the database can
    imports.handler.on_import(request)
    run = imports.run(request.run_id)
    assert (run["outcome"], run["rows_created"], run["attempt"]) == ("succeeded", 1, counts + 1)
