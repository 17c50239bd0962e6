"""What happens to a connector when one of its runs brings nothing, however the run ended."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import structlog

from services.scheduler import told
from services.scheduler.core import cadence
from services.scheduler.core.planning import Connector
from services.scheduler.store import Store
from shared.contracts import ConnectionTested, SyncCancelled
from shared.database import Db
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()


def note_trouble(store: Store, connector: Connector, code: str, *, dry_run: bool) -> Connector:
    """Set the next look further off, or pause; the connector as it is afterwards."""
    if not cadence.counts(code, dry_run=dry_run):
        return connector
    failures = connector.failures + 1
    step = cadence.after_trouble(
        code, failures, connector.interval_seconds, random.random(), before=connector.last_code
    )
    after = store.connector_troubled(connector.id, code, failures, step.delay, pause=step.pause)
    if step.pause and connector.state == "active":
        put_event(store.db, told.paused_by_itself(after, code))
    return after


def cancel_runs(store: Store, connector: Connector, *, only_dry: bool = False) -> None:
    """End what is open for the connector and tell it; whoever still works on it is fenced off."""
    for run in store.cancel_runs(connector.id, only_dry=only_dry):
        cancelled = SyncCancelled(
            organisation_id=connector.org_id,
            in_reply_to=run["reply_to"],
            connector_id=connector.id,
            run_id=run["id"],
        )
        put_event(store.db, cancelled)


def answer_test(store: Store, report: ConnectionTested, metrics: Metrics) -> None:
    """Tell the admin how a connection test went, once."""
    if test := store.answer_test(report.test_id, ok=report.ok, host_key=report.host_key):
        put_event(store.db, told.tested(report, test))
    else:
        metrics.stale.labels("test_report").inc()


@contextmanager
def isolated(db: Db) -> Iterator[None]:
    """What fails for one connector is undone and logged; the others go on."""
    try:
        with db.transaction():
            yield
    except (psycopg.OperationalError, BusUnavailable):
        raise
    except Exception:
        log.exception("connector.skipped")
