"""What happens to a connector when one of its runs brings nothing, however the run ended."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import structlog

from services.scheduler import told
from services.scheduler.connection_test_store import ConnectionTestStore
from services.scheduler.core import cadence
from services.scheduler.core.cadence import Patience
from services.scheduler.core.planning import Connector
from services.scheduler.host_key_store import HostKeyStore
from services.scheduler.store import Store
from shared.contracts import ConnectionTested, SyncCancelled
from shared.database import AWAY, Db
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()


def note_trouble(
    store: Store,
    connector: Connector,
    code: str,
    patience: Patience,
    metrics: Metrics,
    *,
    dry_run: bool,
    address: str | None = None,
) -> Connector:
    """Set the next look further off, warn, or pause; the connector as it is afterwards."""
    if not cadence.counts(code, dry_run=dry_run):
        return connector
    if cadence.passes_soon(code):
        delay = cadence.after_unsettled(connector.unsettled + 1, random.random()).delay
        return store.connector_unsettled(connector.id, code, delay, address=address)
    after = _note_failure(store, connector, code, patience, address)
    if connector.state == "active" and after.state == "paused":
        metrics.pauses.labels(code).inc()
    return after


def _note_failure(store: Store, connector: Connector, code: str, patience: Patience, address: str | None) -> Connector:
    now = datetime.now(UTC)
    trouble = _trouble(connector, code, now)
    step = cadence.after_trouble(trouble, connector.interval_seconds, patience, random.random())
    active = connector.state == "active"
    warn = active and step.pauses_in is not None
    after = store.connector_troubled(
        connector.id, code, trouble.failures, step.delay, pause=step.pause, warn=warn, address=address
    )
    if warn and step.pauses_in is not None:
        put_event(store.db, told.pause_warned(after, code, now + step.pauses_in))
    if active and step.pause:
        put_event(store.db, told.paused_by_itself(after, code))
    return after


def _trouble(connector: Connector, code: str, now: datetime) -> cadence.Trouble:
    return cadence.trouble(
        code,
        failures=connector.failures,
        before=connector.last_code,
        since=connector.failing_since,
        warned_at=connector.warned_at,
        now=now,
    )


def cancel_runs(store: Store, connector: Connector, *, only_dry: bool = False) -> None:
    """End what is open for the connector and tell it; whoever still works on it is fenced off."""
    for run in store.cancel_runs(connector.id, only_dry=only_dry):
        cancelled = SyncCancelled(
            organisation_id=connector.org_id,
            in_reply_to=run["reply_to"],
            connector_id=connector.id,
            run_id=run["id"],
            detail=run["detail"],
        )
        for event in (cancelled, *told.bell_quieted(connector, run)):
            put_event(store.db, event)


def answer_test(db: Db, report: ConnectionTested, metrics: Metrics) -> None:
    """Tell the admin how a connection test went, once."""
    strange = any(step.name == "host_key" and not step.ok for step in report.steps)
    host_key = None if strange else report.host_key
    test = ConnectionTestStore(db).answer(report.test_id, ok=report.ok, host_key=host_key)
    if test is None:
        metrics.stale.labels("test_report").inc()
        return
    if report.host_key is not None:
        HostKeyStore(db).note(test["org_id"], test["host"], test["port"], report.host_key)
    put_event(db, told.tested(report, test))


@contextmanager
def isolated(db: Db) -> Iterator[None]:
    """What fails for one connector is undone and logged; the others go on."""
    try:
        with db.transaction():
            yield
    except (*AWAY, BusUnavailable):
        raise
    except Exception:
        log.exception("connector.skipped")
