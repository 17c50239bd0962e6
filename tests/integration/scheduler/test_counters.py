"""What a scheduler counts of troubles: pauses of its own, new host keys, tests that nobody answered."""

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import FetchReported
from shared.database import Db
from tests.integration.scheduler.builders import FORM, HOST_KEY, OTHER_KEY, Desk


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler that pauses after failures of two days, and warns after one."""
    return Desk(connections, pause_failures=2, pause_days=2)


def test_a_pause_of_its_own_is_counted_once_by_its_code(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    for _ in range(3):
        assert desk.sample("sftp_connector_pauses_total", code="dns_failed") is None
        desk.looked(connector_id, "failed", "dns_failed")
        desk.all(
            "update connectors set failing_since = failing_since - interval '1 day',"
            " warned_at = warned_at - interval '1 day'"
        )
    assert desk.connector(connector_id)["paused_code"] == "dns_failed"
    assert desk.sample("sftp_connector_pauses_total", code="dns_failed") == 1
    # A look that an admin asks for at one that is paused already
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
    (run_id,) = desk.open_runs(connector_id)
    desk.handler.on_report(FetchReported(run_id=run_id, verdict="failed", code="dns_failed"))
    assert desk.sample("sftp_connector_pauses_total", code="dns_failed") == 1


def test_a_pause_by_an_admin_is_not(desk: Desk) -> None:
    connector_id = desk.created()
    desk.ask("sftp_connector.pause", connector_id=str(connector_id))
    assert desk.connector(connector_id)["state"] == "paused"
    assert not any(desk.sample("sftp_connector_pauses_total", code=code) for code in ("", "other", "cancelled"))


def test_another_host_key_is_counted(desk: Desk) -> None:
    connector_id = desk.insert_connector(host_keys=[HOST_KEY])
    desk.looked(connector_id, "failed", "connect_timeout")
    assert desk.sample("sftp_connector_host_key_changes_total") == 0
    desk.looked(connector_id, "failed", "host_key_changed", host_key=OTHER_KEY)
    assert desk.sample("sftp_connector_host_key_changes_total") == 1


def test_a_test_that_nobody_answered_is_counted_once(desk: Desk) -> None:
    desk.ask("sftp_connector.test", **FORM)
    desk.sweep.step()
    assert desk.sample("sftp_connector_unanswered_tests_total") == 0
    desk.all("update connection_tests set asked_at = now() - interval '31 seconds'")
    for _ in range(2):
        desk.sweep.step()
    assert desk.sample("sftp_connector_unanswered_tests_total") == 1


def test_a_code_of_a_newer_fetcher_adds_no_series_of_its_own(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    desk.looked(connector_id, "failed", "moon_in_the_way")
    assert desk.sample("sftp_connector_runs_total", outcome="failed", code="other") == 1
    assert desk.sample("sftp_connector_runs_total", outcome="failed", code="moon_in_the_way") is None


def test_an_event_of_a_made_up_type_adds_no_series_of_its_own(desk: Desk) -> None:
    desk.ask("made.up", role="MEMBER")
    assert desk.sample("sftp_connector_ui_events_total", type="other", result="admin_only") == 1
    assert desk.sample("sftp_connector_ui_events_total", type="made.up", result="admin_only") is None
