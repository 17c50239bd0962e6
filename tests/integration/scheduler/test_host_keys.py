"""The first host key is pinned; when each was first seen is remembered, so that an admin can judge a change of it."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.importer.outcome import Ending
from services.importer.store import Store as ImporterStore
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    HostKeyChanged,
    ImportRequested,
    Paused,
    Step,
    StoredFile,
)
from tests.integration.scheduler.builders import CHECKSUM, FORM, HOST, HOST_KEY, OTHER_KEY, Desk, kinds, only

LONG_AGO = datetime(2020, 1, 2, tzinfo=UTC)
NOW = datetime.now(UTC)


def seen(desk: Desk) -> list[str]:
    rows = desk.all("select org_id, host, port, host_key from host_keys_seen order by host_key")
    assert all((row["org_id"], row["host"], row["port"]) == (desk.org_id, HOST, 22) for row in rows)
    return [row["host_key"] for row in rows]


def make_old(desk: Desk) -> None:
    desk.all("update host_keys_seen set first_seen_at = %(then)s", then=LONG_AGO)


@pytest.mark.parametrize("ok", [True, False])
def test_a_test_shows_a_key(desk: Desk, *, ok: bool) -> None:
    desk.ask("sftp_connector.test", **FORM)
    test_id = only(desk.taken(), ConnectionTestRequested).test_id
    desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=ok, steps=(), host_key=HOST_KEY))
    assert seen(desk) == [HOST_KEY]


@pytest.mark.parametrize(
    ("verdict", "code"), [("unchanged", None), ("not_settled", "not_settled"), ("failed", "login_refused")]
)
def test_a_look_shows_a_key_however_it_ends(desk: Desk, verdict: str, code: str | None) -> None:
    desk.looked(desk.insert_connector(), verdict, code, looked_at=NOW, host_key=HOST_KEY)
    assert seen(desk) == [HOST_KEY]


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_first_key_of_an_imported_file_is_noted_and_pinned(desk: Desk, *, dry_run: bool) -> None:
    # Given a connector that has accepted no key yet
    connector_id = desk.insert_connector()
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=dry_run)
    run_id = only(desk.taken(), FetchRequested).run_id
    # When its file is stored and imported
    file = StoredFile(checksum=CHECKSUM, blob=f"org/{CHECKSUM}", size=7, looked_at=NOW, host_key=HOST_KEY)
    desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=file))
    request = ImportRequested(run_id=run_id, org_id=desk.org_id, connector_id=connector_id, **file.model_dump())
    with desk.connections.connection() as db:
        claim = ImporterStore(db).claim(request, 60)
        assert claim is not None
        ImporterStore(db).finish(claim, Ending("succeeded", 1))
    # Then the key of that server is the one to come
    assert seen(desk) == [HOST_KEY]
    assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]


def test_a_key_that_is_pinned_is_not_written_at_each_look(desk: Desk) -> None:
    connector_id = desk.insert_connector(host_keys=[HOST_KEY])
    desk.looked(connector_id, "unchanged", looked_at=NOW, host_key=HOST_KEY)
    file = StoredFile(checksum=CHECKSUM, blob="org/x", size=7, looked_at=NOW, host_key=HOST_KEY)
    desk.handler.on_progress(FetchProgressed(run_id=desk.look_again(connector_id).run_id, phase="stored", file=file))
    assert seen(desk) == []


LOOKS = [("unchanged", None), ("not_settled", "not_settled"), ("failed", "login_refused"), ("failed", "file_not_found")]


@pytest.mark.parametrize(("verdict", "code"), LOOKS)
def test_the_first_key_is_pinned_however_the_look_ends(desk: Desk, verdict: str, code: str | None) -> None:
    # Given a connector that has accepted no key yet
    connector_id = desk.insert_connector()
    # When a look shows one, then it is the one to come, and the next look asks for it
    desk.looked(connector_id, verdict, code, looked_at=NOW, host_key=HOST_KEY)
    assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]
    assert desk.look_again(connector_id).endpoint.host_keys == (HOST_KEY,)


@pytest.mark.parametrize(("verdict", "code"), LOOKS)
def test_a_dry_run_pins_it_too(desk: Desk, verdict: str, code: str | None) -> None:
    connector_id = desk.insert_connector()
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
    report = {"run_id": only(desk.taken(), FetchRequested).run_id, "verdict": verdict, "code": code}
    desk.handler.on_report(FetchReported.model_validate(report | {"looked_at": NOW, "host_key": HOST_KEY}))
    assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]


@pytest.mark.parametrize("pinned", [[], [HOST_KEY]])
def test_a_strange_key_is_never_pinned(desk: Desk, pinned: list[str]) -> None:
    connector_id = desk.insert_connector(host_keys=pinned)
    desk.looked(connector_id, "failed", "host_key_changed", host_key=OTHER_KEY)
    assert desk.connector(connector_id)["host_keys"] == pinned


@pytest.mark.parametrize(("verdict", "code"), LOOKS)
def test_a_pinned_key_is_not_replaced(desk: Desk, verdict: str, code: str | None) -> None:
    connector_id = desk.insert_connector(host_keys=[HOST_KEY])
    desk.looked(connector_id, verdict, code, looked_at=NOW, host_key=OTHER_KEY)
    assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]


def tried(desk: Desk, host_key: str, *steps: Step) -> None:
    """A connection test of the form's server, answered."""
    desk.ask("sftp_connector.test", **FORM)
    test_id = only(desk.taken(), ConnectionTestRequested).test_id
    ok = all(step.ok for step in steps)
    desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=ok, steps=steps, host_key=host_key))
    desk.taken()


def test_a_test_that_failed_after_the_host_key_counts_like_a_good_one(desk: Desk) -> None:
    tried(desk, OTHER_KEY)
    tried(desk, HOST_KEY, Step(name="host_key", ok=True), Step(name="login", ok=False, code="login_refused"))
    assert desk.connector(desk.created())["host_keys"] == [HOST_KEY]


def test_a_test_that_ended_at_the_host_key_counts_for_nothing(desk: Desk) -> None:
    tried(desk, HOST_KEY)
    tried(desk, OTHER_KEY, Step(name="connect", ok=True), Step(name="host_key", ok=False, code="host_key_changed"))
    assert desk.connector(desk.created())["host_keys"] == [HOST_KEY]
    assert seen(desk) == [HOST_KEY, OTHER_KEY]


def test_an_old_look_does_not_pause_a_connector_whose_new_key_was_accepted(desk: Desk) -> None:
    # Given a look that was begun before the admin accepts the new key
    connector_id = desk.insert_connector(host_keys=[HOST_KEY])
    old = desk.started()
    desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=OTHER_KEY)
    # Then a new one that knows the key stands for it
    job = only(desk.taken(), FetchRequested)
    assert job.run_id != old
    assert OTHER_KEY in job.endpoint.host_keys
    # When the old one reports the key as a strange one, then nothing comes of it
    desk.handler.on_report(FetchReported(run_id=old, verdict="failed", code="host_key_changed", host_key=OTHER_KEY))
    assert Paused not in kinds(desk.taken())
    assert desk.connector(connector_id)["state"] == "active"


def test_a_key_is_dated_by_its_first_time(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    desk.looked(connector_id, "failed", "login_refused", host_key=HOST_KEY)
    make_old(desk)
    desk.looked(connector_id, "failed", "dns_failed", host_key=HOST_KEY)
    assert desk.value("select first_seen_at from host_keys_seen") == LONG_AGO


def test_a_changed_key_is_told_with_the_time_at_which_each_was_first_seen(desk: Desk) -> None:
    # Given a server whose key was seen long ago, and another organisation that saw it just now
    connector_id = desk.insert_connector()
    desk.looked(connector_id, "unchanged", looked_at=NOW, host_key=HOST_KEY)
    make_old(desk)
    desk.all(
        "insert into host_keys_seen (org_id, host, port, host_key) values (%(org)s, %(host)s, 22, %(key)s)",
        org=uuid4(),
        host=HOST,
        key=HOST_KEY,
    )
    # When it shows the other one
    owed = desk.looked(connector_id, "failed", "host_key_changed", host_key=OTHER_KEY)
    # Then the old one is old, and the new one new
    told = only(owed, HostKeyChanged)
    assert set(told.first_seen) == {HOST_KEY, OTHER_KEY}
    assert told.first_seen[HOST_KEY] == LONG_AGO
    assert told.first_seen[OTHER_KEY] >= NOW


def test_a_key_that_an_admin_accepts_unseen_counts_from_now_on(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=OTHER_KEY)
    assert seen(desk) == [OTHER_KEY]
    make_old(desk)
    desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=OTHER_KEY)
    assert desk.value("select first_seen_at from host_keys_seen") == LONG_AGO
