"""Builds the events that the scheduler owes the UI."""

from datetime import UTC, datetime
from uuid import UUID

from services.scheduler.core.planning import Connector
from shared.contracts import (
    Asked,
    BulkProgress,
    ConnectionTested,
    ConnectorView,
    FieldProblem,
    HostKeyChanged,
    NotificationPushed,
    Paused,
    PauseWarned,
    Refused,
    Resumed,
    Step,
    SyncFailed,
    SyncHeld,
    Tested,
)
from shared.database import Row
from shared.errors import advice


def view(connector: Connector) -> ConnectorView:
    """The connector as the admin sees it."""
    return ConnectorView(
        id=connector.id,
        name=connector.name,
        host=connector.endpoint.host,
        port=connector.endpoint.port,
        username=connector.endpoint.username,
        path=connector.endpoint.path,
        interval_seconds=connector.interval_seconds,
        state=connector.state,
        host_keys=connector.endpoint.host_keys,
        next_check_at=connector.due_at if connector.state == "active" else None,
        csv=connector.csv,
        login="private_key" if connector.endpoint.sealed_key else "password",
        done_marker=connector.endpoint.done_marker,
    )


def refused(
    asked: Asked, connector_id: UUID | None, event_id: str, code: str, errors: tuple[FieldProblem, ...] = ()
) -> Refused:
    """The answer to an event that changed nothing."""
    return Refused(
        organisation_id=asked.organisation_id,
        in_reply_to=event_id,
        connector_id=connector_id,
        code=code,
        message=advice(code).message,
        action=advice(code).action,
        errors=errors,
    )


def tested(report: ConnectionTested, test: Row) -> Tested:
    """The outcome of a connection test."""
    return Tested(
        organisation_id=test["org_id"],
        in_reply_to=test["reply_to"],
        test_id=report.test_id,
        connector_id=test["connector_id"],
        ok=report.ok,
        steps=report.steps,
        host_key=report.host_key,
        size=report.size,
        mtime=datetime.fromtimestamp(report.mtime, UTC) if report.mtime is not None else None,
        took_ms=report.took_ms,
    )


def unanswered(test_id: UUID) -> ConnectionTested:
    """The answer to a test that no fetcher took in time."""
    step = Step(name="connect", ok=False, code="timed_out", message=advice("timed_out").message)
    return ConnectionTested(test_id=test_id, ok=False, steps=(step,))


def failed(connector: Connector, run: Row, code: str, detail: str = "") -> SyncFailed:
    """A run that ended without an import."""
    return SyncFailed(
        organisation_id=connector.org_id,
        in_reply_to=run["reply_to"],
        connector_id=connector.id,
        run_id=run["id"],
        code=code,
        message=advice(code).message,
        action=advice(code).action,
        detail=detail,
        next_check_at=connector.due_at if connector.state == "active" else None,
    )


def bell_quieted(connector: Connector, run: Row) -> list[NotificationPushed]:
    """What the notification bell is owed when an import of which it shows the progress comes to nothing."""
    pushed = NotificationPushed(
        organisation_id=connector.org_id,
        title=f"{connector.name or connector.endpoint.path} was not imported",
        content="The import was ended before its time. Nothing of it was kept.",
        in_progress=False,
        file_import_id=run["id"],
        bulk_progress=BulkProgress(total_count=0, success_count=0, failure_count=0),
    )
    return [pushed] if run["progress_told"] else []


def held(connector: Connector, run: Row, detail: str) -> SyncHeld:
    """A file that is being written."""
    return SyncHeld(
        organisation_id=connector.org_id,
        in_reply_to=run["reply_to"],
        connector_id=connector.id,
        run_id=run["id"],
        code="not_settled",
        message=advice("not_settled").message,
        action=advice("not_settled").action,
        detail=detail,
        next_check_at=connector.due_at,
    )


def paused_by_itself(connector: Connector, code: str) -> Paused:
    """Leadbay stopped looking, because going on would do harm."""
    return Paused(
        organisation_id=connector.org_id,
        connector=view(connector),
        code=code,
        message=advice(code).message,
        action=advice(code).action,
    )


def pause_warned(connector: Connector, code: str, pauses_at: datetime) -> PauseWarned:
    """Leadbay will stop looking unless a look succeeds before."""
    assert connector.failing_since is not None  # noqa: S101 - a look has just failed
    return PauseWarned(
        organisation_id=connector.org_id,
        connector=view(connector),
        code=code,
        message=advice(code).message,
        action=advice(code).action,
        failures=connector.failures,
        failing_since=connector.failing_since,
        pauses_at=pauses_at,
    )


def resumed_by_itself(connector: Connector) -> Resumed:
    """A look succeeded, so Leadbay goes on looking."""
    return Resumed(organisation_id=connector.org_id, connector=view(connector))


def host_key_changed(connector: Connector, seen: str, first_seen: dict[str, datetime]) -> HostKeyChanged:
    """Another host key than the accepted ones."""
    return HostKeyChanged(
        organisation_id=connector.org_id,
        connector_id=connector.id,
        accepted=connector.endpoint.host_keys,
        seen=seen,
        first_seen=first_seen,
    )
