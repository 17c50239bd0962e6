"""The table of connection tests. Each method is one statement or two, inside the caller's transaction."""

from uuid import UUID

from services.scheduler.statements import Statements
from shared.contracts import ConnectionTestAsked
from shared.database import Row


class ConnectionTestStore(Statements):
    """Reads and writes within one transaction."""

    def open_of(self, org_id: UUID) -> int:
        """How many tests of the organisation wait for their answers; none is added by others meanwhile."""
        self._do("lock_tests", org_id=org_id)
        count: int = self._required("open_tests", org_id=org_id)["open"]
        return count

    def insert(self, test_id: UUID, asked: ConnectionTestAsked, reply_to: str) -> None:
        """A connection test that waits for its answer."""
        self._do(
            "insert_test",
            id=test_id,
            org_id=asked.organisation_id,
            connector_id=asked.connector_id,
            reply_to=reply_to,
            host=asked.host,
            port=asked.port,
        )

    def answer(self, test_id: UUID, *, ok: bool, host_key: str | None) -> Row | None:
        """The test, with its answer noted; None when it has one already. The key, if any, is one to accept."""
        return self._one("answer_test", test_id=test_id, ok=ok, host_key=host_key)

    def overdue(self, timeout: float, batch_size: int) -> list[UUID]:
        """Tests that nobody answered in time, locked."""
        return [row["id"] for row in self._all("overdue_tests", timeout=timeout, batch_size=batch_size)]
