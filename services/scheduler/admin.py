"""What an admin may ask for: each UI event is checked, carried out and answered in one transaction."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import structlog
from psycopg_pool import ConnectionPool
from pydantic import SecretStr, ValidationError

from services.scheduler import told
from services.scheduler.core.planning import Connector
from services.scheduler.handler import Handler
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared.contracts import (
    UI_EVENTS,
    AcceptHostKeyAsked,
    Asked,
    CloudEvent,
    ConnectionTestAsked,
    ConnectionTestRequested,
    CreateAsked,
    Created,
    DeleteAsked,
    Deleted,
    Endpoint,
    FieldProblem,
    MappingSaved,
    MappingSavedAsked,
    PauseAsked,
    Paused,
    ResumeAsked,
    Resumed,
    SyncCancelled,
    SyncNowAsked,
    Told,
    UpdateAsked,
    Updated,
)
from shared.database import Db, reachable
from shared.errors import BadMessage
from shared.ids import new_id
from shared.mapping import mapping_problems, shown
from shared.metrics import Metrics
from shared.outbox import put_event, put_job
from shared.sealing import Place, public_key, seal

log = structlog.get_logger()

# Shorter than RabbitMQ's patience with a consumer that sends no heartbeat meanwhile.
_PATIENCE_SECONDS = 5.0


class Refusal(Exception):
    """The event is answered with this code and changes nothing."""

    def __init__(self, code: str, errors: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors


class Admin:
    """Carries out UI events."""

    def __init__(self, pool: ConnectionPool[Db], runs: Handler, settings: Settings, metrics: Metrics) -> None:
        self._pool = pool
        self._runs = runs
        self._seal_key = public_key(settings.seal_public_key)
        self._min_interval = settings.min_interval_seconds
        self._metrics = metrics
        self._actions: dict[type[Asked], Callable[[Store, Any, str], None]] = {
            ConnectionTestAsked: self._test,
            CreateAsked: self._create,
            UpdateAsked: self._update,
            DeleteAsked: self._delete,
            SyncNowAsked: self._sync_now,
            PauseAsked: self._pause,
            ResumeAsked: self._resume,
            AcceptHostKeyAsked: self._accept_host_key,
            MappingSavedAsked: self._mapping_saved,
        }

    def handle(self, event: CloudEvent) -> None:
        """Carry out one event, once; BadMessage when not even the organisation can be read from it."""
        with reachable():
            self._handle(event)

    def _handle(self, event: CloudEvent) -> None:
        # Shorter than RabbitMQ's patience with a consumer that sends no heartbeat meanwhile.
        with (
            self._pool.connection(timeout=_PATIENCE_SECONDS) as db,
            structlog.contextvars.bound_contextvars(event_id=event.id),
        ):
            if not Store(db).first_time(event.source, event.id):
                log.info("ui_event.repeated", type=event.type)
                return
            asked = _asker(event)
            try:
                with db.transaction():
                    self._carry_out(Store(db), event)
                result = "done"
            except Refusal as refusal:
                put_event(db, told.refused(asked, _named(event), event.id, refusal.code, refusal.errors))
                result = refusal.code
        self._metrics.ui_events.labels(event.type, result).inc()
        log.info("ui_event.handled", type=event.type, result=result, org_id=str(asked.organisation_id))

    def _carry_out(self, store: Store, event: CloudEvent) -> None:
        if _asker(event).role != "ADMIN":
            raise Refusal("admin_only")
        asked = _parse(event)
        self._actions[type(asked)](store, asked, event.id)

    def _test(self, store: Store, asked: ConnectionTestAsked, event_id: str) -> None:
        connector = self._known(store, asked, asked.connector_id) if asked.connector_id else None
        test_id = new_id()
        if asked.password is not None:
            subject_id = test_id
            sealed = self._seal(
                asked.password, Place(asked.organisation_id, subject_id, asked.host, asked.port, asked.username)
            )
        elif connector is not None and _login(connector) == (asked.host, asked.port, asked.username):
            subject_id, sealed = connector.id, connector.endpoint.sealed_password
        else:
            raise _missing_password()
        same_server = connector is not None and _login(connector)[:2] == (asked.host, asked.port)
        endpoint = Endpoint(
            host=asked.host,
            port=asked.port,
            username=asked.username,
            path=asked.path,
            sealed_password=sealed,
            host_keys=connector.endpoint.host_keys if connector and same_server else (),
        )
        store.insert_test(test_id, asked, event_id)
        put_job(
            store.db,
            ConnectionTestRequested(
                test_id=test_id, org_id=asked.organisation_id, subject_id=subject_id, endpoint=endpoint
            ),
        )

    def _create(self, store: Store, asked: CreateAsked, event_id: str) -> None:
        self._check_interval(asked.interval_seconds)
        connector_id = new_id()
        host_key = store.tested_host_key(asked.organisation_id, asked.host, asked.port)
        connector = store.insert_connector(
            id=connector_id,
            org_id=asked.organisation_id,
            sealed_password=self._seal(
                asked.password, Place(asked.organisation_id, connector_id, asked.host, asked.port, asked.username)
            ),
            host_keys=[host_key] if host_key else [],
            **asked.model_dump(include={"name", "host", "port", "username", "path", "interval_seconds"}),
        )
        self._tell(
            store, Created(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector))
        )
        self._run(store, connector, "first", event_id)

    def _update(self, store: Store, asked: UpdateAsked, event_id: str) -> None:
        self._check_interval(asked.interval_seconds)
        before = self._known(store, asked, asked.connector_id)
        now = before.endpoint
        host, port = asked.host or now.host, asked.port or now.port
        username, path = asked.username or now.username, asked.path or now.path
        if asked.password is None and (host, port, username) != _login(before):
            raise _missing_password()
        sealed = now.sealed_password
        if asked.password is not None:
            sealed = self._seal(asked.password, Place(before.org_id, before.id, host, port, username))
        tested_key = store.tested_host_key(before.org_id, host, port)
        moved = (host, port) != _login(before)[:2]
        connector = store.update_connector(
            id=before.id,
            name=before.name if asked.name is None else asked.name,
            host=host,
            port=port,
            username=username,
            path=path,
            sealed_password=sealed,
            host_keys=([tested_key] if tested_key else []) if moved else list(now.host_keys),
            interval_seconds=asked.interval_seconds or before.interval_seconds,
            other_file=moved or path != now.path,
        )
        self._tell(
            store, Updated(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector))
        )
        if connector.endpoint != now:
            # A run that is open was started with the old fields.
            self._cancel_runs(store, connector)
        if connector.state == "active":
            self._run(store, connector, "manual", event_id)

    def _delete(self, store: Store, asked: DeleteAsked, event_id: str) -> None:
        connector = self._known(store, asked, asked.connector_id)
        store.delete_connector(connector.id)
        self._cancel_runs(store, connector)
        self._tell(store, Deleted(organisation_id=connector.org_id, in_reply_to=event_id, connector_id=connector.id))

    def _sync_now(self, store: Store, asked: SyncNowAsked, event_id: str) -> None:
        self._run(store, self._known(store, asked, asked.connector_id), "manual", event_id)

    def _pause(self, store: Store, asked: PauseAsked, event_id: str) -> None:
        self._known(store, asked, asked.connector_id)
        connector = store.set_state(asked.connector_id, "paused")
        self._tell(
            store, Paused(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector))
        )

    def _resume(self, store: Store, asked: ResumeAsked, event_id: str) -> None:
        self._known(store, asked, asked.connector_id)
        connector = store.set_state(asked.connector_id, "active")
        self._tell(
            store, Resumed(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector))
        )
        self._run(store, connector, "manual", event_id)

    def _accept_host_key(self, store: Store, asked: AcceptHostKeyAsked, event_id: str) -> None:
        self._known(store, asked, asked.connector_id)
        connector = store.accept_host_key(asked.connector_id, asked.host_key)
        self._tell(
            store, Updated(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector))
        )
        if connector.state == "active":
            self._run(store, connector, "manual", event_id)

    def _mapping_saved(self, store: Store, asked: MappingSavedAsked, event_id: str) -> None:
        problems = mapping_problems(asked.fields, asked.statuses, asked.default_status)
        if problems:
            raise Refusal("invalid_fields", tuple(problems))
        version = store.insert_mapping(asked)
        self._tell(store, MappingSaved(organisation_id=asked.organisation_id, in_reply_to=event_id, version=version))

    def _cancel_runs(self, store: Store, connector: Connector) -> None:
        for run in store.cancel_runs(connector.id):
            cancelled = SyncCancelled(
                organisation_id=connector.org_id,
                in_reply_to=run["reply_to"],
                connector_id=connector.id,
                run_id=run["id"],
            )
            self._tell(store, cancelled)

    def _check_interval(self, seconds: int | None) -> None:
        if seconds is not None and seconds < self._min_interval:
            message = f"must be at least {self._min_interval} seconds"
            raise Refusal(
                "invalid_fields", (FieldProblem(field="interval_seconds", code="too_short", message=message),)
            )

    def _known(self, store: Store, asked: Asked, connector_id: UUID) -> Connector:
        connector = store.connector(asked.organisation_id, connector_id)
        if connector is None:
            raise Refusal("connector_not_found")
        return connector

    def _run(self, store: Store, connector: Connector, trigger: str, event_id: str) -> None:
        version = store.mapping_version(connector.org_id)
        self._runs.open_run(store, connector, version, trigger, reply_to=event_id)

    def _seal(self, password: SecretStr, place: Place) -> str:
        return seal(password.get_secret_value(), place, self._seal_key)

    def _tell(self, store: Store, event: Told) -> None:
        put_event(store.db, event)


def _login(connector: Connector) -> tuple[str, int, str]:
    return connector.endpoint.host, connector.endpoint.port, connector.endpoint.username


def _missing_password() -> Refusal:
    problem = FieldProblem(field="password", code="password_required", message="Enter the password.")
    return Refusal("password_required", (problem,))


def _asker(event: CloudEvent) -> Asked:
    try:
        return Asked.model_validate(event.data)
    except ValidationError:
        raise BadMessage("the event names no organisation, user and role") from None


def _named(event: CloudEvent) -> UUID | None:
    """The connector that the event is about, if it names one."""
    try:
        return UUID(str(event.data.get("connector_id")))
    except ValueError:
        return None


def _parse(event: CloudEvent) -> Asked:
    asked_type = UI_EVENTS.get(event.type)
    if asked_type is None:
        raise BadMessage("no such event type")
    try:
        return asked_type.model_validate(event.data)
    except ValidationError as error:
        raise Refusal("invalid_fields", tuple(_problems(error))) from None


def _problems(error: ValidationError) -> list[FieldProblem]:
    """One problem a field; the value itself is never repeated."""
    return [
        FieldProblem(
            field=".".join(shown(str(part)) for part in problem["loc"]),
            code=problem["type"],
            message=problem["msg"].removeprefix("Value error, "),
        )
        for problem in error.errors(include_input=False, include_url=False, include_context=False)
    ]
