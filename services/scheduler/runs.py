"""Opens runs: a look at the server, the stored file once more, or a dry run."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.scheduler.admission import Admission, Turn
from services.scheduler.admission_store import AdmissionStore
from services.scheduler.core import cadence
from services.scheduler.core.planning import AFRESH, Connector, Fetch, NewRun, Reimport, look, plan
from services.scheduler.endings import cancel_runs
from services.scheduler.requests import request_for
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared import tracing
from shared.contracts import SyncQueued
from shared.decisions import note
from shared.failpoints import failpoint
from shared.outbox import put_event, put_job

log = structlog.get_logger()


class Runs:
    """Works within the caller's transaction, which holds the connector's lock.

    What an admin asks for is always queued, and told so; where there is no room at the server, it waits until a tick
    finds some.
    """

    def __init__(self, settings: Settings, admission: Admission) -> None:
        self._settings = settings
        self._admission = admission
        self._full_check_every = timedelta(seconds=settings.full_check_seconds)

    def take_turn(self, store: Store, turn: Turn) -> None:
        """Open the run of a connector that is due, or send the one that waited."""
        if turn.waiting_id is None:
            self.open(store, turn.connector, turn.mapping_version, "schedule", admitted=True)
            failpoint("tick.opened")
        elif AdmissionStore(store.db).let_in(
            turn.waiting_id, turn.connector.server, self._settings.queue_lease_seconds
        ):
            note(store.db, turn.waiting_id, "let in")
            now = datetime.now(UTC)
            step = AFRESH if turn.waiting_dry else look(turn.connector, now, self._full_check_every)
            with tracing.of(store.trace_of(turn.waiting_id)):
                _send(store, turn.connector, step, turn.waiting_id)

    def open(
        self,
        store: Store,
        connector: Connector,
        mapping_version: int,
        trigger: str,
        reply_to: str | None = None,
        *,
        admitted: bool = False,
    ) -> None:
        """Queue what the connector needs. An open run stands for it, so there are never two; a dry one gives way."""
        cancel_runs(store, connector, only_dry=True)
        step = plan(connector, mapping_version, datetime.now(UTC), self._full_check_every)
        trigger = "mapping" if isinstance(step, Reimport) else trigger
        new = NewRun(step, self._stage(store, connector, step, admitted=admitted), trigger, reply_to)
        run_id = self._open(store, connector, new)
        store.schedule(connector.id, cadence.after_success(connector.interval_seconds, random.random()).delay)
        if run_id is None:
            open_id = store.open_run_of(connector.id)
            assert open_id is not None  # noqa: S101 - the caller holds the connector's lock
            note(store.db, open_id, "asked again", ", ".join(filter(None, (trigger, reply_to))))
            put_event(store.db, _queued(connector, open_id, new, already_running=True))

    def open_dry(self, store: Store, connector: Connector, reply_to: str) -> bool:
        """Queue a dry run of the file as it is now; False when a run is open already. The schedule stays."""
        stage = self._stage(store, connector, AFRESH)
        return self._open(store, connector, NewRun(AFRESH, stage, "manual", reply_to, dry_run=True)) is not None

    def _stage(self, store: Store, connector: Connector, step: Fetch | Reimport, *, admitted: bool = False) -> str:
        """Where the run begins; a stored file needs no room at a server."""
        if isinstance(step, Reimport):
            return "stored"
        return "queued" if admitted or self._admission.has_room(store.db, connector) else "waiting"

    def _open(self, store: Store, connector: Connector, new: NewRun) -> UUID | None:
        """Open the run, tell it, and send its job unless it has to wait; None when one is open already."""
        settings = self._settings
        lease = settings.stored_lease_seconds if new.stage == "stored" else settings.queue_lease_seconds
        with tracing.begun("sync", sampled=settings.trace_sampled):
            run_id = store.open_run(connector, new, lease)
            if run_id is None:
                return None
            put_event(store.db, _queued(connector, run_id, new))
            if new.stage == "waiting":
                note(store.db, run_id, "waits", f"for room at {connector.server} or for the organisation")
            else:
                _send(store, connector, new.step, run_id)
        return run_id


def _queued(connector: Connector, run_id: UUID, new: NewRun, *, already_running: bool = False) -> SyncQueued:
    return SyncQueued(
        organisation_id=connector.org_id,
        in_reply_to=new.reply_to,
        connector_id=connector.id,
        run_id=run_id,
        trigger=new.trigger,
        already_running=already_running,
        dry_run=new.dry_run,
    )


def _send(store: Store, connector: Connector, step: Fetch | Reimport, run_id: UUID) -> None:
    put_job(store.db, request_for(connector, step, run_id), run_id)
    log.info("run.queued", run_id=str(run_id), step=type(step).__name__)
