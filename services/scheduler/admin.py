"""What an admin may ask for: each UI event is checked, carried out and answered in one transaction."""

from collections.abc import Callable
from typing import Any

import structlog
from psycopg_pool import ConnectionPool

from services.scheduler import mappings, told
from services.scheduler.admission import Admission
from services.scheduler.asked import Refusal, asker, named, parse
from services.scheduler.connection_tests import ConnectionTests
from services.scheduler.connectors import Connectors
from services.scheduler.logins import Logins
from services.scheduler.reach import Reach
from services.scheduler.removals import RemovalStore, delete_organisation
from services.scheduler.runs import Runs
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared.contracts import (
    AcceptHostKeyAsked,
    Asked,
    CloudEvent,
    ConnectionTestAsked,
    CreateAsked,
    CustomFieldDeletedAsked,
    CustomFieldSavedAsked,
    DeleteAsked,
    MappingSavedAsked,
    OrganisationDeletedAsked,
    PauseAsked,
    ResumeAsked,
    SyncNowAsked,
    UpdateAsked,
)
from shared.database import Db, organisation, reachable
from shared.metrics import Metrics
from shared.outbox import put_event
from shared.sealing import public_key

log = structlog.get_logger()

# Shorter than RabbitMQ's patience with a consumer that sends no heartbeat meanwhile.
_PATIENCE_SECONDS = 5.0


class Admin:
    """Carries out UI events."""

    def __init__(self, pool: ConnectionPool[Db], settings: Settings, metrics: Metrics) -> None:
        self._pool = pool
        self._metrics = metrics
        logins, reach = Logins(public_key(settings.seal_public_key)), Reach(settings)
        connectors = Connectors(settings, Runs(settings, Admission(settings)), logins, reach)
        self._actions: dict[type[Asked], Callable[[Store, Any, str], None]] = {
            ConnectionTestAsked: ConnectionTests(logins, reach, settings.max_open_tests).ask,
            CreateAsked: connectors.create,
            UpdateAsked: connectors.update,
            DeleteAsked: connectors.delete,
            SyncNowAsked: connectors.sync_now,
            PauseAsked: connectors.pause,
            ResumeAsked: connectors.resume,
            AcceptHostKeyAsked: connectors.accept_host_key,
            MappingSavedAsked: mappings.save,
            CustomFieldSavedAsked: mappings.save_custom_field,
            CustomFieldDeletedAsked: mappings.delete_custom_field,
            OrganisationDeletedAsked: delete_organisation,
        }

    def handle(self, event: CloudEvent) -> None:
        """Carry out one event, once; BadMessage when not even the organisation can be read from it."""
        with reachable():
            self._handle(event)

    def _handle(self, event: CloudEvent) -> None:
        asked = asker(event)
        with (
            organisation(self._pool, asked.organisation_id, timeout=_PATIENCE_SECONDS) as db,
            structlog.contextvars.bound_contextvars(event_id=event.id),
        ):
            if not Store(db).first_time(event.source, event.id):
                log.info("ui_event.repeated", type=event.type)
                return
            try:
                with db.transaction():
                    self._carry_out(Store(db), event)
                result = "done"
            except Refusal as refusal:
                put_event(db, told.refused(asked, named(event), event.id, refusal.code, refusal.errors))
                result = refusal.code
        self._metrics.ui_events.labels(event.type, result).inc()
        log.info("ui_event.handled", type=event.type, result=result, org_id=str(asked.organisation_id))

    def _carry_out(self, store: Store, event: CloudEvent) -> None:
        if asker(event).role != "ADMIN":
            raise Refusal("admin_only")
        asked = parse(event)
        if not isinstance(asked, OrganisationDeletedAsked) and RemovalStore(store.db).begun(asked.organisation_id):
            raise Refusal("organisation_deleted")
        self._actions[type(asked)](store, asked, event.id)
