"""A connector logs in with a password or with a private key, and whatever it is, it is sealed for its one place."""

import json
from typing import Any
from uuid import UUID

import pytest

from shared.contracts import ConnectionTestRequested, Created, Endpoint, FetchRequested, Refused, Updated
from shared.sealing import Place, unpack_key
from tests.integration.scheduler.builders import CANARY, FORM, OTHER_HOST, PASSWORD, Desk, only

PRIVATE_KEY = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY}\n-----END OPENSSH PRIVATE KEY-----\n"
PASSPHRASE = f"correct horse {CANARY}"
PLACE = {name: value for name, value in FORM.items() if name != "password"}
KEY_FORM = PLACE | {"private_key": PRIVATE_KEY, "passphrase": PASSPHRASE}


def opened(desk: Desk, subject_id: UUID, endpoint: Endpoint) -> tuple[str, str | None]:
    """Private key and passphrase as a fetcher opens them; there is no password beside them."""
    assert endpoint.sealed_password == ""
    place = Place(desk.org_id, subject_id, endpoint.host, endpoint.port, endpoint.username)
    return unpack_key(desk.opener.open(endpoint.sealed_key, place))


def refused_fields(desk: Desk, code: str) -> list[str]:
    (refused,) = desk.taken()
    assert isinstance(refused, Refused)
    assert refused.code == code
    return [error.field for error in refused.errors]


def test_a_form_with_a_private_key_becomes_a_connector_that_logs_in_with_it(desk: Desk) -> None:
    # When the admin connects with a private key and its passphrase
    desk.ask("sftp_connector.create", **KEY_FORM)
    # Then the fetcher gets both, sealed, and the UI hears which kind of login it is
    owed = desk.owed()
    job, created = only(owed, FetchRequested), only(owed, Created)
    assert opened(desk, job.connector_id, job.endpoint) == (PRIVATE_KEY, PASSPHRASE)
    assert created.connector.login == "private_key"
    # And neither stands anywhere in plain words
    assert CANARY not in json.dumps(desk.dump())


def test_a_key_without_a_passphrase_is_a_login_too(desk: Desk) -> None:
    desk.ask("sftp_connector.create", **(KEY_FORM | {"passphrase": None}))
    job = only(desk.taken(), FetchRequested)
    assert opened(desk, job.connector_id, job.endpoint) == (PRIVATE_KEY, None)


@pytest.mark.parametrize(
    ("login", "field"),
    [
        ({"password": PASSWORD, "private_key": PRIVATE_KEY}, "private_key"),
        ({"password": PASSWORD, "passphrase": PASSPHRASE}, "passphrase"),
        ({"private_key": "x" * 16_385}, "private_key"),
        ({"private_key": ""}, "private_key"),
    ],
    ids=str,
)
def test_a_login_that_makes_no_sense_is_named_and_not_repeated(desk: Desk, login: dict[str, str], field: str) -> None:
    desk.ask("sftp_connector.create", **PLACE, **login)
    assert CANARY not in json.dumps(desk.dump())
    assert refused_fields(desk, "invalid_fields") == [field]


def test_a_connector_cannot_be_made_without_a_login(desk: Desk) -> None:
    for login in ({}, {"password": None}, {"private_key": None}):
        desk.ask("sftp_connector.create", **PLACE, **login)
        assert refused_fields(desk, "password_required") == ["password"]
    assert desk.value("select count(*) from connectors") == 0


def test_a_key_takes_the_place_of_the_password_and_the_other_way_round(desk: Desk) -> None:
    connector_id = desk.created()
    # When a key is given, then the password is forgotten
    desk.ask("sftp_connector.update", connector_id=str(connector_id), private_key=PRIVATE_KEY)
    owed = desk.taken()
    assert only(owed, Updated).connector.login == "private_key"
    assert opened(desk, connector_id, only(owed, FetchRequested).endpoint) == (PRIVATE_KEY, None)
    assert desk.connector(connector_id)["sealed_password"] is None
    # When a password is given, then the key is
    desk.ask("sftp_connector.update", connector_id=str(connector_id), password="new")
    assert only(desk.taken(), Updated).connector.login == "password"
    assert desk.connector(connector_id)["sealed_key"] is None


@pytest.mark.parametrize("change", [{"host": OTHER_HOST}, {"port": 2222}, {"username": "other"}], ids=str)
def test_another_server_or_user_needs_password_or_key_again(desk: Desk, change: dict[str, Any]) -> None:
    connector_id = desk.created(password=None, private_key=PRIVATE_KEY)
    desk.ask("sftp_connector.update", connector_id=str(connector_id), **change)
    assert refused_fields(desk, "password_required") == ["password"]
    desk.ask("sftp_connector.update", connector_id=str(connector_id), **change, private_key="another")
    job = only(desk.taken(), FetchRequested)
    assert opened(desk, connector_id, job.endpoint) == ("another", None)


def test_a_deleted_connector_forgets_its_key(desk: Desk) -> None:
    connector_id = desk.created(password=None, private_key=PRIVATE_KEY)
    desk.ask("sftp_connector.delete", connector_id=str(connector_id))
    row = desk.connector(connector_id)
    assert (row["sealed_key"], row["sealed_password"]) == (None, None)


def test_a_test_takes_the_key_of_the_form_or_the_one_that_is_stored(desk: Desk) -> None:
    # When a new form is tested, then its key opens for this test only
    desk.ask("sftp_connector.test", **KEY_FORM, done_marker=".done")
    job = only(desk.taken(), ConnectionTestRequested)
    assert opened(desk, job.test_id, job.endpoint) == (PRIVATE_KEY, PASSPHRASE)
    assert (job.subject_id, job.endpoint.done_marker) == (job.test_id, ".done")
    # When a connector is tested without a login, then its own is used
    connector_id = desk.created(password=None, private_key=PRIVATE_KEY)
    desk.ask("sftp_connector.test", **PLACE, connector_id=str(connector_id))
    job = only(desk.taken(), ConnectionTestRequested)
    assert job.subject_id == connector_id
    assert opened(desk, connector_id, job.endpoint) == (PRIVATE_KEY, None)


def test_another_done_marker_has_the_file_looked_at_anew_but_not_forgotten(desk: Desk) -> None:
    connector_id = desk.created(done_marker=".done")
    desk.give_file(connector_id)
    (old_run,) = desk.open_runs(connector_id)
    # When the marker changes
    desk.ask("sftp_connector.update", connector_id=str(connector_id), done_marker="/exports/ready")
    # Then the run that looked for the old one is over, and the file is still known
    owed = desk.taken()
    job = only(owed, FetchRequested)
    assert desk.run(old_run)["outcome"] == "cancelled"
    assert (job.endpoint.done_marker, job.known is not None) == ("/exports/ready", True)
    assert only(owed, Updated).connector.done_marker == "/exports/ready"
    # And it can be taken away, while another change leaves it
    desk.ask("sftp_connector.update", connector_id=str(connector_id), name="Leads")
    assert desk.connector(connector_id)["done_marker"] == "/exports/ready"
    desk.ask("sftp_connector.update", connector_id=str(connector_id), done_marker="")
    assert desk.connector(connector_id)["done_marker"] == ""
