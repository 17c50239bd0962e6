"""The outbox: messages are written in the transaction that owes them, and relayed after it committed."""

from datetime import UTC, datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from shared.contracts import CloudEvent, Job, Told
from shared.database import Db
from shared.ids import new_id
from shared.tracing import carried, current

SOURCE = "leadbay/sftp-connector"
_PUT = "insert into outbox (kind, name, run_id, body) values (%s, %s, %s, %s)"


def put_job(db: Db, job: Job, run_id: UUID | None = None) -> None:
    """Owe a job to its queue; it is part of the trace of the work in hand, unless it names another."""
    db.execute(_PUT, ["job", type(job).__name__, run_id, Jsonb(carried(job.model_dump(mode="json")))])


def put_event(db: Db, told: Told) -> None:
    """Owe an event to the UI; its id is fixed here, so that a repeated publication is recognised."""
    trace = current()
    event = CloudEvent(
        id=str(new_id()),
        source=SOURCE,
        type=told.type,
        time=datetime.now(UTC),
        data=told.model_dump(mode="json"),
        traceparent=trace.parent if trace else None,
        tracestate=trace.state if trace else None,
    )
    db.execute(_PUT, ["event", told.type, None, Jsonb(event.model_dump(mode="json"))])
