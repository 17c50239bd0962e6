"""What an admin does with connectors: the form, pauses, syncs and dry runs."""

from dataclasses import asdict
from uuid import UUID

from services.scheduler import told
from services.scheduler.asked import Refusal
from services.scheduler.core.planning import Connector
from services.scheduler.endings import cancel_runs
from services.scheduler.host_key_store import HostKeyStore
from services.scheduler.logins import Logins, login_place, missing_login
from services.scheduler.mapping_store import MappingStore
from services.scheduler.reach import Reach
from services.scheduler.runs import Runs
from services.scheduler.settings import Settings
from services.scheduler.store import Store
from shared.contracts import (
    AcceptHostKeyAsked,
    Asked,
    ConnectorTold,
    CreateAsked,
    Created,
    DeleteAsked,
    Deleted,
    Endpoint,
    FieldProblem,
    PauseAsked,
    Paused,
    ResumeAsked,
    Resumed,
    SyncNowAsked,
    UpdateAsked,
    Updated,
)
from shared.ids import new_id
from shared.outbox import put_event
from shared.sealing import Place


class Connectors:
    """Each method carries out one event, within the caller's transaction; a Refusal undoes it."""

    def __init__(self, settings: Settings, runs: Runs, logins: Logins, reach: Reach) -> None:
        self._runs = runs
        self._logins = logins
        self._reach = reach
        self._min_interval = settings.min_interval_seconds

    def create(self, store: Store, asked: CreateAsked, event_id: str) -> None:
        """Make the connector and queue its first sync."""
        self._check_interval(asked.interval_seconds)
        connector_id = new_id()
        place = Place(asked.organisation_id, connector_id, asked.host, asked.port, asked.username)
        login = self._logins.sealed(asked, place)
        if login is None:
            raise missing_login()
        self._reach.check(asked.host, asked.port)
        connector = store.insert_connector(
            id=connector_id,
            org_id=asked.organisation_id,
            host_keys=list(_tested_keys(store, asked.organisation_id, asked.host, asked.port)),
            csv=asked.csv,
            **asdict(login),
            **asked.model_dump(include={"name", "host", "port", "username", "path", "done_marker", "interval_seconds"}),
        )
        _tell(store, Created, connector, event_id)
        self._sync(store, connector, "first", event_id)

    def update(self, store: Store, asked: UpdateAsked, event_id: str) -> None:
        """Change what the form changes, and try it at once."""
        self._check_interval(asked.interval_seconds)
        before = known(store, asked, asked.connector_id)
        after = self._change(store, before, asked)
        _tell(store, Updated, after, event_id)
        if (after.endpoint, after.csv) != (before.endpoint, before.csv):
            # A run that is open was started with the old fields.
            cancel_runs(store, after)
        if after.state == "active":
            self._sync(store, after, "manual", event_id)

    def _change(self, store: Store, before: Connector, asked: UpdateAsked) -> Connector:
        now, endpoint = before.endpoint, self._changed_endpoint(store, before, asked)
        csv = before.csv if asked.csv is None else asked.csv
        read_again = csv != before.csv
        return store.update_connector(
            id=before.id,
            name=before.name if asked.name is None else asked.name,
            interval_seconds=asked.interval_seconds or before.interval_seconds,
            csv=csv,
            # With the stored file at hand, nobody would try the fields that changed beside the options.
            other_file=_source(endpoint) != _source(now) or (read_again and endpoint != now),
            read_again=read_again,
            **endpoint.model_dump(exclude={"host_keys"}),
            host_keys=list(endpoint.host_keys),
        )

    def _changed_endpoint(self, store: Store, before: Connector, asked: UpdateAsked) -> Endpoint:
        """Where the file is from now on; another server or user needs password or key again."""
        now = before.endpoint
        changes = asked.model_dump(include={"host", "port", "username", "path", "done_marker"}, exclude_none=True)
        endpoint = now.model_copy(update=changes)
        login = self._logins.sealed(asked, Place(before.org_id, before.id, *login_place(endpoint)))
        if login is not None:
            endpoint = endpoint.model_copy(update=asdict(login))
        elif login_place(endpoint) != login_place(now):
            raise missing_login()
        if (endpoint.host, endpoint.port) == (now.host, now.port):
            return endpoint
        self._reach.check(endpoint.host, endpoint.port)
        host_keys = _tested_keys(store, before.org_id, endpoint.host, endpoint.port)
        return endpoint.model_copy(update={"host_keys": host_keys})

    def delete(self, store: Store, asked: DeleteAsked, event_id: str) -> None:
        """Forget the password and end what is running."""
        connector = known(store, asked, asked.connector_id)
        store.delete_connector(connector.id)
        cancel_runs(store, connector)
        gone = Deleted(organisation_id=connector.org_id, in_reply_to=event_id, connector_id=connector.id)
        put_event(store.db, gone)

    def sync_now(self, store: Store, asked: SyncNowAsked, event_id: str) -> None:
        """Look at the file at once, in earnest or dry."""
        connector = known(store, asked, asked.connector_id)
        if not asked.dry_run:
            self._sync(store, connector, "manual", event_id)
        elif not self._runs.open_dry(store, connector, event_id):
            raise Refusal("sync_running")

    def pause(self, store: Store, asked: PauseAsked, event_id: str) -> None:
        """Look at the file no more; a run that is open goes on."""
        connector = known(store, asked, asked.connector_id)
        _tell(store, Paused, store.set_state(connector.id, "paused"), event_id)

    def resume(self, store: Store, asked: ResumeAsked, event_id: str) -> None:
        """Look at the file again, at once."""
        connector = store.set_state(known(store, asked, asked.connector_id).id, "active")
        _tell(store, Resumed, connector, event_id)
        self._sync(store, connector, "manual", event_id)

    def accept_host_key(self, store: Store, asked: AcceptHostKeyAsked, event_id: str) -> None:
        """Trust one more key, and try it at once."""
        known(store, asked, asked.connector_id)
        connector = store.accept_host_key(asked.connector_id, asked.host_key)
        _tell(store, Updated, connector, event_id)
        # A run that is open was started without the key, and would report it as a strange one.
        cancel_runs(store, connector)
        HostKeyStore(store.db).note_at(connector, asked.host_key)
        if connector.state == "active":
            self._sync(store, connector, "manual", event_id)

    def _sync(self, store: Store, connector: Connector, trigger: str, event_id: str) -> None:
        self._runs.open(store, connector, MappingStore(store.db).version(connector.org_id), trigger, event_id)

    def _check_interval(self, seconds: int | None) -> None:
        if seconds is not None and seconds < self._min_interval:
            message = f"must be at least {self._min_interval} seconds"
            problem = FieldProblem(field="interval_seconds", code="too_short", message=message)
            raise Refusal("invalid_fields", (problem,))


def known(store: Store, asked: Asked, connector_id: UUID) -> Connector:
    """The organisation's connector, locked; a Refusal when it has no such one."""
    connector = store.connector(asked.organisation_id, connector_id)
    if connector is None:
        raise Refusal("connector_not_found")
    return connector


def _tested_keys(store: Store, org_id: UUID, host: str, port: int) -> tuple[str, ...]:
    """What a connector accepts at first: the key that was tested."""
    key = HostKeyStore(store.db).tested(org_id, host, port)
    return () if key is None else (key,)


def _source(endpoint: Endpoint) -> tuple[str, int, str]:
    return endpoint.host, endpoint.port, endpoint.path


def _tell(store: Store, kind: type[ConnectorTold], connector: Connector, event_id: str) -> None:
    put_event(store.db, kind(organisation_id=connector.org_id, in_reply_to=event_id, connector=told.view(connector)))
