"""The checks see what is wrong in a real stack: each deviation is planted, found by the check for it, and undone."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.faults.check import deviations
from tests.faults.drill import DEAD, Drill
from tests.faults.looking import look

ROWS = {
    "update leads set city = 'Rome' where org_id = %s": "1: lead",
    "update leads set status = 'LOST' where org_id = %s": "1: lead",
    "delete from contacts where org_id = %s": "1: contact",
    "update deals set crm_id = 'x' || crm_id where org_id = %s": "1: deal",
    "delete from lead_keys where org_id = %s": "5: a lead without its keys",
    "delete from rejects where org_id = %s": "3: run",
    "update runs set rows_read = rows_read + 1, rows_created = rows_created + 1 where org_id = %s": "3: run",
    "update rejects set reason = '{other}' where org_id = %s": "5: what is kept of",
    "update runs set detail = '{other}' where org_id = %s": "5: what is kept of",
    "update decisions set detail = '{other}' where org_id = %s": "5: what is kept of",
    "update runs set attempt = 6 where org_id = %s": "9: run",
}


@pytest.mark.timeout(180)
def test_every_deviation_is_found_by_the_check_for_it(drill: Drill) -> None:
    # Given a stack in which all is well
    drill.begin(1)
    drill.settle()
    handles = drill.handles()

    def told(*, parked: bool = False) -> list[str]:
        return deviations(drill.ledger, look(drill, handles, parked=parked))

    assert told() == []
    org, other = drill.ledger.org_ids

    # When a secret stands in a log, in whatever form
    log = drill.stack.home / "planted.log"
    importer = conninfo_to_dict(drill.stack.environment("importer")["SFTP_CONNECTOR_DATABASE_URL"])
    for text in (
        drill.password,
        repr(drill.password),
        json.dumps({"frames": repr({"password": drill.password})}),
        json.dumps({"body": json.dumps({"password": drill.password})}),
        str(importer["password"]),
    ):
        log.write_text(text)
        assert any(line.startswith("6: a secret is in logs") for line in told()), text
    log.unlink()

    # or rows are not as the files say
    for statement, expected in ROWS.items():
        with undone(drill):
            drill.rows(statement.replace("{other}", str(other)), org)
            assert any(line.startswith(expected) for line in told()), statement

    # or a blob is gone that is needed
    for kind in ("org", "rejects", "fingerprints"):
        path = next(iter((drill.stack.blobs / kind / str(org)).iterdir()))
        content = path.read_bytes()
        path.unlink()
        assert f"7: left behind: the blob {kind}/{org}/{path.name} is missing" in told()
        path.write_bytes(content)
    assert told() == []

    # or a letter that was given up holds a secret
    with drill.channel() as channel:
        channel.basic_publish("", DEAD[0], drill.password.encode())
    drill.until(lambda: drill.depths(DEAD[:1])[DEAD[0]] == 1, "the letter")
    assert any(line.startswith("9: 1 messages in") for line in told())
    assert any(line.startswith("6: a secret is in dead letters") for line in told(parked=True))


@contextmanager
def undone(drill: Drill) -> Iterator[None]:
    """What is changed is seen by the checks, and by nobody else, and undone afterwards."""
    drill.rows("begin")
    try:
        yield
    finally:
        drill.rows("rollback")
