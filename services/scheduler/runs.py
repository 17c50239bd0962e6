"""Opens runs: a look at the server, the stored file once more, or a dry run."""

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.scheduler.core import cadence
from services.scheduler.core.planning import AFRESH, Connector, Fetch, Reimport, plan
from services.scheduler.endings import cancel_runs
from services.scheduler.requests import request_for
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared.contracts import SyncQueued
from shared.outbox import put_event, put_job

log = structlog.get_logger()


class Runs:
    """Works within the caller's transaction, which holds the connector's lock."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._full_check_every = timedelta(seconds=settings.full_check_seconds)

    def open(
        self, store: Store, connector: Connector, mapping_version: int, trigger: str, reply_to: str | None = None
    ) -> None:
        """Queue what the connector needs. An open run stands for it, so there are never two; a dry one gives way."""
        cancel_runs(store, connector, only_dry=True)
        step = plan(connector, mapping_version, datetime.now(UTC), self._full_check_every)
        trigger = "mapping" if isinstance(step, Reimport) else trigger
        run_id = self._insert(store, connector, step, trigger, reply_to)
        store.schedule(connector.id, cadence.after_success(connector.interval_seconds, random.random()).delay)
        open_id = run_id or store.open_run_of(connector.id)
        assert open_id is not None  # noqa: S101 - the caller holds the connector's lock
        queued = _queued(connector, open_id, trigger, reply_to)
        put_event(store.db, queued.model_copy(update={"already_running": run_id is None}))
        if run_id is not None:
            _send(store, connector, step, run_id)

    def open_dry(self, store: Store, connector: Connector, reply_to: str) -> bool:
        """Queue a dry run of the file as it is now; False when a run is open already. The schedule stays."""
        run_id = self._insert(store, connector, AFRESH, "manual", reply_to, dry_run=True)
        if run_id is None:
            return False
        queued = _queued(connector, run_id, "manual", reply_to)
        put_event(store.db, queued.model_copy(update={"dry_run": True}))
        _send(store, connector, AFRESH, run_id)
        return True

    def _insert(
        self,
        store: Store,
        connector: Connector,
        step: Fetch | Reimport,
        trigger: str,
        reply_to: str | None,
        *,
        dry_run: bool = False,
    ) -> UUID | None:
        stage, lease, file = "queued", self._settings.queue_lease_seconds, None
        if isinstance(step, Reimport):
            stage, lease, file = "stored", self._settings.stored_lease_seconds, step.file
        return store.open_run(connector, trigger, stage, lease, reply_to=reply_to, file=file, dry_run=dry_run)


def _queued(connector: Connector, run_id: UUID, trigger: str, reply_to: str | None) -> SyncQueued:
    return SyncQueued(
        organisation_id=connector.org_id,
        in_reply_to=reply_to,
        connector_id=connector.id,
        run_id=run_id,
        trigger=trigger,
    )


def _send(store: Store, connector: Connector, step: Fetch | Reimport, run_id: UUID) -> None:
    put_job(store.db, request_for(connector, step, run_id), run_id)
    log.info("run.queued", run_id=str(run_id), step=type(step).__name__)
