"""What the scheduler tells the UI: plain words, what to do, and no secret."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from services.scheduler import told
from services.scheduler.core.planning import Connector
from shared.contracts import (
    Asked,
    ConnectionTested,
    CsvOptions,
    Endpoint,
    FieldProblem,
    Step,
)
from shared.errors import CODES

ORG, CONNECTOR_ID, RUN, TEST, USER = (UUID(int=number) for number in range(1, 6))
DUE = datetime(2025, 3, 1, 8, 15, tzinfo=UTC)
KEY, NEW_KEY = "ssh-ed25519 SHA256:" + "A" * 43, "ssh-ed25519 SHA256:" + "B" * 43
CONNECTOR = Connector(
    id=CONNECTOR_ID,
    org_id=ORG,
    name="CRM export",
    endpoint=Endpoint(
        host="sftp.acme.com",
        port=2222,
        username="crm",
        path="/exports/leads.csv",
        sealed_password="canary.sealed",
        host_keys=(KEY,),
    ),
    state="active",
    interval_seconds=900,
    failures=0,
    last_code=None,
    paused_code=None,
    due_at=DUE,
    file=None,
    csv=CsvOptions(delimiter=";"),
)
PAUSED = dataclasses.replace(CONNECTOR, state="paused")
RUN_ROW: dict[str, Any] = {"id": RUN, "reply_to": "event-1"}
TEST_ROW: dict[str, Any] = {"org_id": ORG, "reply_to": "event-2", "connector_id": None}


def test_a_connector_is_shown_without_its_password() -> None:
    shown = told.view(CONNECTOR).model_dump(mode="json")

    assert shown == {
        "id": str(CONNECTOR_ID),
        "name": "CRM export",
        "host": "sftp.acme.com",
        "port": 2222,
        "username": "crm",
        "path": "/exports/leads.csv",
        "interval_seconds": 900,
        "state": "active",
        "host_keys": [KEY],
        "next_check_at": "2025-03-01T08:15:00Z",
        "csv": {"encoding": None, "delimiter": ";", "quote": None},
        "login": "password",
        "done_marker": "",
    }
    assert "canary" not in json.dumps(shown)


@pytest.mark.parametrize("state", ["paused", "deleted"])
def test_a_connector_that_is_not_active_has_no_next_check(state: str) -> None:
    assert told.view(dataclasses.replace(CONNECTOR, state=state)).next_check_at is None


def test_a_refusal_answers_the_event_and_names_the_connector_if_it_is_known() -> None:
    asked = Asked(organisation_id=ORG, user_id=USER, role="MEMBER")
    problem = FieldProblem(field="port", code="too_big", message="at most 65535")

    with_connector = told.refused(asked, CONNECTOR_ID, "event-3", "admin_only")
    without = told.refused(asked, None, "event-4", "invalid_fields", (problem,))

    assert (with_connector.connector_id, with_connector.in_reply_to) == (CONNECTOR_ID, "event-3")
    assert (without.connector_id, without.errors) == (None, (problem,))
    assert (without.message, without.action) == CODES["invalid_fields"][:2]


def test_a_passed_test_tells_size_and_time_of_the_file() -> None:
    report = ConnectionTested(
        test_id=TEST, ok=True, steps=(Step(name="file", ok=True),), host_key=KEY, size=7, mtime=0, took_ms=120
    )

    event = told.tested(report, TEST_ROW)

    assert (event.ok, event.size, event.host_key, event.took_ms) == (True, 7, KEY, 120)
    assert event.mtime == datetime(1970, 1, 1, tzinfo=UTC)
    assert (event.organisation_id, event.in_reply_to, event.connector_id) == (ORG, "event-2", None)


def test_a_test_without_a_time_tells_none() -> None:
    report = ConnectionTested(test_id=TEST, ok=True, steps=(), mtime=None)

    assert told.tested(report, TEST_ROW).mtime is None


def test_a_test_that_nobody_took_failed_with_a_reason() -> None:
    event = told.tested(told.unanswered(TEST), TEST_ROW | {"connector_id": CONNECTOR_ID})

    assert not event.ok
    assert [step.code for step in event.steps] == ["timed_out"]
    assert event.steps[0].message == CODES["timed_out"].message
    assert event.connector_id == CONNECTOR_ID


def test_a_failure_that_only_a_newer_version_knows_is_told_with_its_own_code() -> None:
    event = told.failed(CONNECTOR, RUN_ROW, "no_such_code")

    assert event.code == "no_such_code"
    assert event.message
    assert event.action


@pytest.mark.parametrize("code", sorted(CODES))
def test_each_failure_is_told_with_words_and_advice(code: str) -> None:
    event = told.failed(CONNECTOR, RUN_ROW, code, "what was seen")

    assert (event.code, event.message, event.action) == (code, *CODES[code][:2])
    assert (event.run_id, event.in_reply_to, event.detail) == (RUN, "event-1", "what was seen")
    assert event.next_check_at == DUE


def test_a_failure_that_paused_the_connector_promises_no_next_check() -> None:
    assert told.failed(PAUSED, RUN_ROW, "login_refused").next_check_at is None


def test_a_file_that_is_being_written_is_held_until_the_next_check() -> None:
    event = told.held(CONNECTOR, RUN_ROW, "the done-marker is not there")

    assert (event.code, event.next_check_at) == ("not_settled", DUE)
    assert event.message == CODES["not_settled"].message


def test_a_pause_by_itself_says_why() -> None:
    event = told.paused_by_itself(PAUSED, "login_refused")

    assert (event.connector.state, event.code) == ("paused", "login_refused")
    assert (event.message, event.action) == CODES["login_refused"][:2]


def test_a_warning_says_since_when_it_fails_and_when_it_pauses() -> None:
    failing = dataclasses.replace(CONNECTOR, failures=5, failing_since=DUE - timedelta(days=4))

    event = told.pause_warned(failing, "connect_timeout", DUE + timedelta(days=3))

    assert (event.failures, event.failing_since, event.pauses_at) == (
        5,
        DUE - timedelta(days=4),
        DUE + timedelta(days=3),
    )
    assert (event.message, event.action) == CODES["connect_timeout"][:2]


def test_a_connector_with_a_private_key_says_so_and_does_not_show_it() -> None:
    endpoint = CONNECTOR.endpoint.model_copy(
        update={"sealed_password": "", "sealed_key": "canary.sealed", "done_marker": ".done"}
    )

    shown = told.view(dataclasses.replace(CONNECTOR, endpoint=endpoint))

    assert (shown.login, shown.done_marker) == ("private_key", ".done")
    assert "canary" not in shown.model_dump_json()


def test_a_changed_host_key_shows_what_was_accepted_what_was_seen_and_since_when() -> None:
    event = told.host_key_changed(CONNECTOR, NEW_KEY, {KEY: DUE - timedelta(days=100), NEW_KEY: DUE})

    assert (event.accepted, event.seen) == ((KEY,), NEW_KEY)
    assert event.first_seen == {KEY: DUE - timedelta(days=100), NEW_KEY: DUE}
