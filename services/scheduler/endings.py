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
from shared.contracts import ConnectionTested
from shared.database import Db
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.outbox import put_event

log = structlog.get_logger()


def note_trouble(store: Store, connector: Connector, code: str) -> Connector:
    """Set the next look further off, or pause; the connector as it is afterwards."""
    failures = connector.failures + 1
    step = cadence.after_trouble(
        code, failures, connector.interval_seconds, random.random(), before=connector.last_code
    )
    after = store.connector_troubled(connector.id, code, failures, step.delay, pause=step.pause)
    if step.pause and connector.state == "active":
        put_event(store.db, told.paused_by_itself(after, code))
    return after


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
