"""A connector that fails for long is warned of, then paused; a look that succeeds after all resumes it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

from services.importer.outcome import Ending
from services.importer.store import Store as ImporterStore
from shared.contracts import (
    FetchReported,
    FetchRequested,
    ImportRequested,
    Paused,
    PauseWarned,
    Resumed,
    SyncFailed,
    SyncHeld,
)
from shared.database import Db
from tests.integration.scheduler.builders import CHECKSUM, HOST_KEY, Desk, kinds, only

NOW = datetime.now(UTC)
WARNED: list[type[BaseModel]] = [PauseWarned, SyncFailed]


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler that pauses after four failures in two days."""
    return Desk(connections, pause_failures=4, pause_days=2)


def days_pass(desk: Desk, days: float) -> None:
    """As if that had been so long ago."""
    desk.all(
        "update connectors set failing_since = failing_since - make_interval(secs => %(seconds)s),"
        " warned_at = warned_at - make_interval(secs => %(seconds)s)",
        seconds=days * 86_400,
    )


def failed(desk: Desk, connector_id: UUID, code: str = "connect_timeout") -> list[type[BaseModel]]:
    return kinds(desk.looked(connector_id, "failed", code))


def synced(desk: Desk, connector_id: UUID, verdict: str, code: str | None = None) -> UUID:
    """A sync that an admin asked for, answered."""
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
    run_id = only(desk.taken(), FetchRequested).run_id
    report = {"run_id": run_id, "verdict": verdict, "code": code, "looked_at": NOW}
    desk.handler.on_report(FetchReported.model_validate(report))
    return run_id


class TestPause:
    def test_a_server_that_is_gone_for_days_is_warned_of_and_paused_later(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        # Given a first failure, a day ago
        assert failed(desk, connector_id) == [SyncFailed]
        days_pass(desk, 1)
        # When half of the patience is over, then the admin is warned, once
        owed = desk.looked(connector_id, "failed", "dns_failed")
        assert kinds(owed) == WARNED
        warned = only(owed, PauseWarned)
        row = desk.connector(connector_id)
        assert (warned.code, warned.failures, warned.failing_since) == ("dns_failed", 2, row["failing_since"])
        assert timedelta(hours=23, minutes=59) < warned.pauses_at - datetime.now(UTC) <= timedelta(days=1)
        assert warned.connector.state == "active"
        assert failed(desk, connector_id) == [SyncFailed]
        # When all of it is over, then the connector is paused, and says why
        days_pass(desk, 1)
        owed = desk.looked(connector_id, "failed", "connect_timeout")
        paused = only(owed, Paused)
        assert (paused.code, paused.connector.state) == ("connect_timeout", "paused")
        assert desk.connector(connector_id)["paused_code"] == "connect_timeout"

    def test_who_was_not_warned_is_not_paused(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        assert failed(desk, connector_id) == [SyncFailed]
        days_pass(desk, 30)
        assert failed(desk, connector_id) == WARNED
        for _ in range(3):
            assert failed(desk, connector_id) == [SyncFailed]

    def test_a_file_that_is_always_being_written_is_not_paused(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        for _ in range(6):
            days_pass(desk, 30)
            assert kinds(desk.looked(connector_id, "not_settled", "not_settled")) == [SyncHeld]

    def test_a_server_that_fails_between_looks_at_a_file_that_is_being_written_is_not_spared(self, desk: Desk) -> None:
        # Given a connector whose looks time out and find the file being written, in turn
        connector_id = desk.insert_connector(interval_seconds=900)
        for number, told in enumerate([[SyncFailed], WARNED, [SyncFailed]]):
            # Then it backs off, and is warned, as if the latter had not been
            assert failed(desk, connector_id) == told
            assert desk.seconds_until_due(connector_id) == pytest.approx(1800 * 2**number, rel=0.11)
            assert kinds(desk.looked(connector_id, "not_settled", "not_settled")) == [SyncHeld]
            assert desk.seconds_until_due(connector_id) == pytest.approx(10 * 2**number, rel=0.1, abs=3)
            days_pass(desk, 1)
        # And at last it is paused
        assert failed(desk, connector_id) == [Paused, SyncFailed]

    def test_a_success_begins_anew_how_soon_an_unfinished_file_is_looked_at(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        for _ in range(3):
            desk.looked(connector_id, "not_settled", "not_settled")
        desk.looked(connector_id, "unchanged", looked_at=NOW)
        assert desk.connector(connector_id)["unsettled"] == 0
        desk.looked(connector_id, "not_settled", "not_settled")
        assert desk.seconds_until_due(connector_id) == pytest.approx(10, rel=0.1, abs=3)

    def test_an_admin_who_paused_it_is_not_warned_of_a_pause(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(
            state="paused", failures=3, last_code="dns_failed", failing_since=NOW - timedelta(days=30)
        )
        synced(desk, connector_id, "failed", "dns_failed")
        assert PauseWarned not in kinds(desk.taken())
        assert desk.connector(connector_id)["warned_at"] is None

    def test_a_success_begins_the_count_and_the_time_anew(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        failed(desk, connector_id)
        days_pass(desk, 1)
        assert PauseWarned in failed(desk, connector_id)
        desk.looked(connector_id, "unchanged", looked_at=NOW)
        row = desk.connector(connector_id)
        assert (row["failures"], row["failing_since"], row["warned_at"]) == (0, None, None)
        days_pass(desk, 30)
        for _ in range(5):
            assert failed(desk, connector_id) == [SyncFailed]

    @pytest.mark.parametrize(
        ("event", "fields"),
        [
            ("sftp_connector.resume", {}),
            ("sftp_connector.update", {"name": "Leads"}),
            ("sftp_connector.accept_host_key", {"host_key": HOST_KEY}),
        ],
    )
    def test_whatever_an_admin_does_begins_it_anew(self, desk: Desk, event: str, fields: dict[str, str]) -> None:
        connector_id = desk.insert_connector(
            state="paused",
            paused_code="dns_failed",
            failures=9,
            unsettled=9,
            last_code="dns_failed",
            failing_since=NOW,
            warned_at=NOW,
        )
        desk.ask(event, connector_id=str(connector_id), **fields)
        row = desk.connector(connector_id)
        assert (row["state"], row["failures"], row["unsettled"]) == ("active", 0, 0)
        assert (row["failing_since"], row["warned_at"]) == (None, None)

    def test_a_dry_run_counts_nothing(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
        run_id = only(desk.taken(), FetchRequested).run_id
        desk.handler.on_report(FetchReported(run_id=run_id, verdict="failed", code="dns_failed"))
        assert desk.connector(connector_id)["failing_since"] is None


class TestRecovery:
    def test_a_sync_that_succeeds_resumes_what_leadbay_had_paused(self, desk: Desk) -> None:
        # Given a connector that Leadbay paused by itself
        connector_id = desk.insert_connector(state="paused", paused_code="login_refused", failures=2)
        desk.give_file(connector_id)
        # When an admin has it looked at, and the look succeeds
        synced(desk, connector_id, "unchanged")
        desk.taken()
        desk.sweep.step()
        # Then it goes on, which is told once
        (told,) = desk.taken()
        assert isinstance(told, Resumed)
        assert (told.connector.id, told.connector.state) == (connector_id, "active")
        desk.sweep.step()
        assert desk.owed() == []
        row = desk.connector(connector_id)
        assert (row["state"], row["paused_code"]) == ("active", None)

    def test_an_import_resumes_it_too(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(
            state="paused", paused_code="dns_failed", failures=20, unsettled=3, failing_since=NOW, warned_at=NOW
        )
        desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
        run_id = only(desk.taken(), FetchRequested).run_id
        request = ImportRequested(
            run_id=run_id,
            org_id=desk.org_id,
            connector_id=connector_id,
            checksum=CHECKSUM,
            blob=f"org/{CHECKSUM}",
            size=7,
            looked_at=NOW,
        )
        with desk.connections.connection() as db:
            claim = ImporterStore(db).claim(request, 60)
            assert claim is not None
            ImporterStore(db).finish(claim, Ending("succeeded", 1))
        row = desk.connector(connector_id)
        assert (row["failures"], row["unsettled"], row["failing_since"], row["warned_at"]) == (0, 0, None, None)
        desk.sweep.step()
        assert kinds(desk.taken()) == [Resumed]

    @pytest.mark.parametrize(("verdict", "code"), [("failed", "login_refused"), ("not_settled", "not_settled")])
    def test_a_sync_that_does_not_succeed_leaves_it_paused(self, desk: Desk, verdict: str, code: str) -> None:
        connector_id = desk.insert_connector(state="paused", paused_code="login_refused", failures=2)
        synced(desk, connector_id, verdict, code)
        desk.taken()
        desk.sweep.step()
        assert desk.owed() == []
        assert desk.connector(connector_id)["state"] == "paused"

    def test_what_an_admin_paused_stays_paused_whatever_a_sync_finds(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.ask("sftp_connector.pause", connector_id=str(connector_id))
        # When syncs are refused twice, which would pause an active connector, and one succeeds
        for verdict, code in (("failed", "login_refused"), ("failed", "login_refused"), ("unchanged", None)):
            synced(desk, connector_id, verdict, code)
        assert Paused not in kinds(desk.taken())
        desk.sweep.step()
        # Then it is as the admin left it
        assert desk.owed() == []
        row = desk.connector(connector_id)
        assert (row["state"], row["paused_code"]) == ("paused", None)
