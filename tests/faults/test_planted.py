"""The checks see what is wrong in a real stack: each deviation is planted, found by the check for it, and undone."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.faults.check import deviations
from tests.faults.drill import DEAD, Drill
from tests.faults.looking import look

ROWS = {
    "update leads set city = 'Rome' where org_id = %s": "1: lead",
    "update leads set status = 'LOST' where org_id = %s": "1: lead",
    "update leads set name = 'Other' where org_id = %s": "1: lead",
    "update leads set crm_id = 'C' where org_id = %s": "1: lead",
    "delete from leads where org_id = %s": "1: lead",
    "insert into leads (id, org_id, name) select gen_random_uuid(), %s, 'One more'": "1: lead",
    "delete from contacts where org_id = %s": "1: contact",
    "update deals set crm_id = 'x' || crm_id where org_id = %s": "1: deal",
    "insert into deals select org_id, 'x' || crm_id, lead_id from deals where org_id = %s": "1: deal",
    "update contacts set org_id = '{other}' where org_id = %s": "5: a contact of no lead",
    "update runs set checksum = 'x' || checksum where org_id = %s": "2: version",
    "update deals set org_id = '{other}', crm_id = 'x' || crm_id where org_id = %s": "5: a deal of no lead",
    "delete from lead_keys where org_id = %s": "5: a lead without its keys",
    "delete from rejects where org_id = %s": "3: run",
    "update runs set rows_read = rows_read + 1, rows_created = rows_created + 1 where org_id = %s": "3: run",
    "update runs set rows_created = rows_created - 1, rows_updated = 1 where org_id = %s": "3: the imports of",
    "update rejects set reason = '{other}' where org_id = %s": "5: what is kept of",
    "update runs set detail = '{other}' where org_id = %s": "5: what is kept of",
    "update decisions set detail = '{other}' where org_id = %s": "5: what is kept of",
    "update connectors set name = '{other}' where org_id = %s": "5: what is kept of",
    "update runs set outcome = 'unchanged' where org_id = %s": "4: the end of run",
    "update runs set attempt = 6 where org_id = %s": "9: run",
}

DATABASE = "SFTP_CONNECTOR_DATABASE_URL"
# What is told a second time of the end of an import, with this changed.
EVENTS = {
    '{"id": "again"}': "4: the end of run",
    '{"id": "again", "type": "sftp_connector.sync_unchanged"}': "4: the end of run",
    "{}": "4: event",
    '{"id": "x", "type": "x"}': "5: an event of organisation",
    '{"id": "x", "type": "x", "data": {}}': "5: an event of no organisation",
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
    importer = conninfo_to_dict(drill.stack.environment("importer")[DATABASE])
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
    # or in a message that is owed
    with undone(drill):
        drill.rows("insert into outbox (kind, name, body) values ('event', 'x', to_jsonb(%s::text))", drill.password)
        assert any(line.startswith("6: a secret is in tables") for line in told())

    # or rows are not as the files say
    for statement, expected in ROWS.items():
        with undone(drill):
            drill.rows(statement.replace("{other}", str(other)), org)
            assert any(line.startswith(expected) for line in told()), statement

    # or the file of rejected rows holds what is another organisation's, and one row less
    with changed(drill, f"rejects/{org}") as path:
        text = path.read_text()
        path.write_text(text[: text.rindex("\n", 0, -1)] + f"{other}\n")
        lines = told()
    for expected in ("5: what is kept of", "3: run"):
        assert any(line.startswith(expected) for line in lines), expected

    # or a blob is gone that is needed
    for kind in ("org", "rejects", "fingerprints"):
        with changed(drill, f"{kind}/{org}") as path:
            path.unlink()
            assert f"7: left behind: the blob {kind}/{org}/{path.name} is missing" in told()
    assert told() == []

    # or an event says what is not so
    for change, expected in EVENTS.items():
        drill.events, kept = json.loads(json.dumps(drill.events)), drill.events
        event = next(event for event in drill.events if event["type"] == "sftp_connector.sync_succeeded")
        drill.events.append(event | {"data": event["data"] | {"path": str(other)}} | json.loads(change))
        assert any(line.startswith(expected) for line in told()), change
        drill.events = kept

    # or a process gathers what it does not give back, or dies
    with ExitStack() as opened:
        for _ in range(60):
            opened.enter_context(socket.create_connection(("127.0.0.1", int(str(drill.services["importer"].port)))))
        session = opened.enter_context(psycopg.connect(drill.stack.environment("importer")[DATABASE]))
        session.execute("select 1")
        lines = told()
    for what in ("open files", "threads", "sessions in a transaction"):
        assert any(line.startswith("7: left behind: ") and what in line for line in lines), what
    drill.services["fetcher"].stop()
    assert "9: fetcher is not well" in told()
    drill.revive()
    drill.settle()
    assert told() == []

    # or a letter that was given up holds a secret
    with drill.channel() as channel:
        channel.basic_publish("", DEAD[0], drill.password.encode())  # without a reason
    drill.until(lambda: drill.depths(DEAD[:1])[DEAD[0]] == 1, "the letter")
    assert any(line.startswith("9: 1 messages in") for line in told())
    lines = told(parked=True)
    assert any(line.startswith("6: a secret is in dead letters") for line in lines)
    assert f"9: 1 messages in {DEAD[0]} do not say why" in lines


@contextmanager
def undone(drill: Drill) -> Iterator[None]:
    """What is changed is seen by the checks, and by nobody else, and undone afterwards."""
    drill.rows("begin")
    try:
        yield
    finally:
        drill.rows("rollback")


@contextmanager
def changed(drill: Drill, folder: str) -> Iterator[Path]:
    """One of the blobs of a folder, which is as it was afterwards."""
    path = next((drill.stack.blobs / folder).iterdir())
    content = path.read_bytes()
    try:
        yield path
    finally:
        path.write_bytes(content)
