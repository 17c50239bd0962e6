"""A dry run looks at the file as it is now and changes nothing, but where the customer's server must be protected."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import (
    FetchProgressed,
    FetchReported,
    FetchRequested,
    HostKeyChanged,
    ImportRequested,
    Paused,
    Refused,
    StoredFile,
    SyncCancelled,
    SyncFailed,
    SyncHeld,
    SyncQueued,
    SyncUnchanged,
)
from shared.database import Db
from tests.integration.scheduler.builders import CHECKSUM, HOST_KEY, OTHER_KEY, Desk, at_once, kinds, only

LOOKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def connector_id(desk: Desk) -> UUID:
    """A connector with an imported file that is not due for hours."""
    made = desk.insert_connector(host_keys=[HOST_KEY])
    desk.give_file(made)
    desk.all("update connectors set due_at = now() + interval '5 hours'")
    return made


def dry_run(desk: Desk, connector_id: UUID) -> FetchRequested:
    """Ask for a dry run; the job that is owed."""
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
    return only(desk.taken(), FetchRequested)


def answer(desk: Desk, run_id: UUID, verdict: str, code: str | None, **fields: Any) -> None:
    report = fields | {"run_id": run_id, "verdict": verdict, "code": code}
    desk.handler.on_report(FetchReported.model_validate(report))


def test_the_file_is_brought_whatever_is_known_of_it_and_the_schedule_stays(desk: Desk, connector_id: UUID) -> None:
    before = desk.connector(connector_id)
    # When a dry run is asked for
    event_id = desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
    # Then it is told as one, and the whole file is asked for
    queued, job = desk.taken()
    assert isinstance(queued, SyncQueued)
    assert isinstance(job, FetchRequested)
    assert (queued.in_reply_to, queued.trigger, queued.dry_run, queued.already_running) == (
        event_id,
        "manual",
        True,
        False,
    )
    assert (job.run_id, job.known, job.full_check) == (queued.run_id, None, True)
    assert desk.run(job.run_id)["dry_run"]
    # And nothing of the connector changed
    assert desk.connector(connector_id) == before


def test_a_dry_run_is_refused_while_a_sync_is_open(desk: Desk, connector_id: UUID) -> None:
    for dry in (False, True):
        desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=dry)
        open_runs = desk.open_runs(connector_id)
        desk.taken()
        # When a dry run is asked for meanwhile
        desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
        # Then it is refused, and the open one goes on
        (refused,) = desk.taken()
        assert isinstance(refused, Refused)
        assert refused.code == "sync_running"
        assert desk.open_runs(connector_id) == open_runs
        desk.all("update runs set stage = 'done', outcome = 'unchanged'")


def test_of_eight_asked_for_at_once_one_runs(desk: Desk, connector_id: UUID) -> None:
    at_once(8, lambda _number: desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True))
    owed = desk.taken()
    assert kinds(owed).count(FetchRequested) == 1
    assert kinds(owed).count(Refused) == 7


def test_a_sync_does_not_wait_for_a_dry_run_but_takes_its_place(desk: Desk, connector_id: UUID) -> None:
    dry = dry_run(desk, connector_id)
    # When a sync is asked for
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
    # Then the dry run is over, and the sync is in earnest
    cancelled, queued, job = desk.taken()
    assert isinstance(cancelled, SyncCancelled)
    assert isinstance(queued, SyncQueued)
    assert isinstance(job, FetchRequested)
    assert cancelled.run_id == dry.run_id
    assert (queued.already_running, queued.dry_run, queued.run_id) == (False, False, job.run_id)
    assert not desk.run(job.run_id)["dry_run"]
    assert job.known is not None


def test_a_due_connector_waits_for_the_end_of_a_dry_run(desk: Desk, connector_id: UUID) -> None:
    dry = dry_run(desk, connector_id)
    desk.all("update connectors set due_at = now()")
    desk.handler.tick()
    assert desk.owed() == []
    answer(desk, dry.run_id, "failed", "connect_timeout")
    desk.taken()
    assert desk.tick().connector_id == connector_id


@pytest.mark.parametrize(
    ("verdict", "code", "told"),
    [
        ("failed", "connect_timeout", SyncFailed),
        ("failed", "file_not_found", SyncFailed),
        ("failed", "secret_unreadable", SyncFailed),
        ("not_settled", "not_settled", SyncHeld),
        ("unchanged", None, SyncUnchanged),
    ],
)
def test_how_it_ends_is_told_and_changes_nothing_of_the_connector(
    desk: Desk, connector_id: UUID, verdict: str, code: str | None, told: type
) -> None:
    before = desk.connector(connector_id)
    run_id = dry_run(desk, connector_id).run_id
    answer(desk, run_id, verdict, code, looked_at=LOOKED_AT, host_key=OTHER_KEY)
    assert kinds(desk.taken()) == [told]
    assert desk.run(run_id)["outcome"] is not None
    assert desk.connector(connector_id) == before


def test_a_refused_login_counts_because_servers_lock_accounts(desk: Desk, connector_id: UUID) -> None:
    answer(desk, dry_run(desk, connector_id).run_id, "failed", "login_refused")
    assert kinds(desk.taken()) == [SyncFailed]
    assert desk.connector(connector_id)["failures"] == 1
    answer(desk, dry_run(desk, connector_id).run_id, "failed", "login_refused")
    assert set(kinds(desk.taken())) == {Paused, SyncFailed}
    assert desk.connector(connector_id)["paused_code"] == "login_refused"


def test_another_host_key_pauses_the_connector_at_once(desk: Desk, connector_id: UUID) -> None:
    answer(desk, dry_run(desk, connector_id).run_id, "failed", "host_key_changed", host_key=OTHER_KEY)
    assert set(kinds(desk.taken())) == {Paused, SyncFailed, HostKeyChanged}
    assert desk.connector(connector_id)["state"] == "paused"


def test_a_lost_dry_run_is_sent_again_as_what_it_was(desk: Desk, connector_id: UUID) -> None:
    job = dry_run(desk, connector_id)
    desk.let_leases_end()
    desk.sweep.step()
    assert desk.taken() == [job]


def test_a_dry_run_that_is_given_up_is_told_and_its_file_is_not_remembered(
    connections: ConnectionPool[Db],
) -> None:
    # Given a dry run whose file is stored, and over which importers fell silent
    desk = Desk(connections, max_attempts=1)
    connector_id = desk.insert_connector()
    before = desk.connector(connector_id)
    run_id = dry_run(desk, connector_id).run_id
    file = StoredFile(checksum=CHECKSUM, blob=f"org/{desk.org_id}/{CHECKSUM}", size=7, looked_at=LOOKED_AT)
    desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=file))
    desk.let_leases_end()
    desk.sweep.step()
    assert only(desk.taken(), ImportRequested).run_id == run_id
    desk.all("update runs set stage = 'importing', attempt = 1")
    # When that is noticed
    desk.let_leases_end()
    desk.sweep.step()
    # Then it is told, and the connector is as it was
    assert only(desk.taken(), SyncFailed).code == "gave_up"
    assert desk.connector(connector_id) == before
