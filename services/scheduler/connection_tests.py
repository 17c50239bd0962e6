"""*Test connection*: a form is tried by a fetcher, with its own password or the one that is stored."""

from uuid import UUID

from nacl.public import PublicKey

from services.scheduler.connectors import known, login, missing_password
from services.scheduler.core.planning import Connector
from services.scheduler.store import Store
from shared.contracts import ConnectionTestAsked, ConnectionTestRequested, Endpoint
from shared.ids import new_id
from shared.outbox import put_job
from shared.sealing import Place, seal


class ConnectionTests:
    """Carries out the event, within the caller's transaction."""

    def __init__(self, seal_key: PublicKey) -> None:
        self._seal_key = seal_key

    def ask(self, store: Store, asked: ConnectionTestAsked, event_id: str) -> None:
        """Have the form's fields tried."""
        connector = known(store, asked, asked.connector_id) if asked.connector_id else None
        test_id = new_id()
        subject_id, sealed = self._password(asked, connector, test_id)
        same_server = connector is not None and login(connector.endpoint)[:2] == (asked.host, asked.port)
        endpoint = Endpoint(
            host=asked.host,
            port=asked.port,
            username=asked.username,
            path=asked.path,
            sealed_password=sealed,
            host_keys=connector.endpoint.host_keys if connector and same_server else (),
        )
        store.insert_test(test_id, asked, event_id)
        job = ConnectionTestRequested(
            test_id=test_id, org_id=asked.organisation_id, subject_id=subject_id, endpoint=endpoint
        )
        put_job(store.db, job)

    def _password(self, asked: ConnectionTestAsked, connector: Connector | None, test_id: UUID) -> tuple[UUID, str]:
        """Whom the password is sealed for, and the sealed password."""
        there = (asked.host, asked.port, asked.username)
        if asked.password is not None:
            place = Place(asked.organisation_id, test_id, *there)
            return test_id, seal(asked.password.get_secret_value(), place, self._seal_key)
        if connector is not None and login(connector.endpoint) == there:
            return connector.id, connector.endpoint.sealed_password
        raise missing_password()
