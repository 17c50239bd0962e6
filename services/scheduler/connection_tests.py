"""*Test connection*: a form is tried by a fetcher, with its own login or the one that is stored."""

from dataclasses import asdict
from uuid import UUID

from services.scheduler.asked import Refusal
from services.scheduler.connection_test_store import ConnectionTestStore
from services.scheduler.connectors import known
from services.scheduler.core.planning import Connector
from services.scheduler.logins import Login, Logins, login_place, missing_login, stored_login
from services.scheduler.reach import Reach
from services.scheduler.store import Store
from shared.contracts import ConnectionTestAsked, ConnectionTestRequested, Endpoint
from shared.ids import new_id
from shared.outbox import put_job
from shared.sealing import Place


class ConnectionTests:
    """Carries out the event, within the caller's transaction."""

    def __init__(self, logins: Logins, reach: Reach, max_open: int) -> None:
        self._logins = logins
        self._reach = reach
        self._max_open = max_open

    def ask(self, store: Store, asked: ConnectionTestAsked, event_id: str) -> None:
        """Have the form's fields tried."""
        connector = known(store, asked, asked.connector_id) if asked.connector_id else None
        test_id = new_id()
        subject_id, login = self._login(asked, connector, test_id)
        tests = ConnectionTestStore(store.db)
        if tests.open_of(asked.organisation_id) >= self._max_open:
            raise Refusal("too_many_tests")
        self._reach.check(asked.host, asked.port)
        tests.insert(test_id, asked, event_id)
        job = ConnectionTestRequested(
            test_id=test_id,
            org_id=asked.organisation_id,
            subject_id=subject_id,
            endpoint=_endpoint(asked, connector, login),
        )
        put_job(store.db, job)

    def _login(self, asked: ConnectionTestAsked, connector: Connector | None, test_id: UUID) -> tuple[UUID, Login]:
        """Whom the login is sealed for, and the login."""
        there = (asked.host, asked.port, asked.username)
        if (login := self._logins.sealed(asked, Place(asked.organisation_id, test_id, *there))) is not None:
            return test_id, login
        if connector is not None and login_place(connector.endpoint) == there:
            return connector.id, stored_login(connector.endpoint)
        raise missing_login()


def _endpoint(asked: ConnectionTestAsked, connector: Connector | None, login: Login) -> Endpoint:
    """What is tried. The keys that were accepted for a server are not asked of another one."""
    same_server = connector is not None and login_place(connector.endpoint)[:2] == (asked.host, asked.port)
    return Endpoint(
        **asked.model_dump(include={"host", "port", "username", "path", "done_marker"}),
        **asdict(login),
        host_keys=connector.endpoint.host_keys if connector and same_server else (),
    )
