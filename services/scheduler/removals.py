"""The end of an organisation: nothing of it is looked at any more, and importers remove everything."""

from uuid import UUID

from services.scheduler.asked import Refusal
from services.scheduler.endings import cancel_runs
from services.scheduler.statements import Statements
from services.scheduler.store import Store
from shared.contracts import OrganisationDeletedAsked, RemovalRequested
from shared.database import Db
from shared.outbox import put_job

# An importer says again and again that it is at work; a removal that was silent for so long is sent again.
_LEASE_SECONDS = 300.0


class RemovalStore(Statements):
    """The table of removals, within one transaction."""

    def begin(self, org_id: UUID, reply_to: str) -> bool:
        """Note that the organisation is to be removed; False when that is known. Waits for its events in hand."""
        self._do("lock_organisation_alone", org_id=org_id)
        return self._one("begin_removal", org_id=org_id, reply_to=reply_to, lease=_LEASE_SECONDS) is not None

    def begun(self, org_id: UUID) -> bool:
        """Whether the organisation is to be removed, or was; that does not change until the transaction ends."""
        self._do("lock_organisation", org_id=org_id)
        return self._one("removal", org_id=org_id) is not None

    def overdue(self, batch_size: int) -> list[UUID]:
        """The removals that nobody has in hand; they count as sent again."""
        return [row["org_id"] for row in self._all("overdue_removals", lease=_LEASE_SECONDS, batch_size=batch_size)]


def delete_organisation(store: Store, asked: OrganisationDeletedAsked, event_id: str) -> None:
    """Forget every login and end what is running, at once; the rest is removed afterwards."""
    org_id = asked.organisation_id
    if not RemovalStore(store.db).begin(org_id, event_id):
        raise Refusal("organisation_deleted")
    for connector in store.connectors_of(org_id):
        store.delete_connector(connector.id)
        cancel_runs(store, connector)
    put_job(store.db, RemovalRequested(org_id=org_id))


def send_removals_again(db: Db, batch_size: int) -> None:
    """Send what was lost again."""
    for org_id in RemovalStore(db).overdue(batch_size):
        put_job(db, RemovalRequested(org_id=org_id))
