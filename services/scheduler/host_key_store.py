"""The table of host keys: when each was first seen at a server. Each method is one statement."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from services.scheduler.core.planning import Connector
from services.scheduler.statements import Statements


class HostKeyStore(Statements):
    """Reads and writes within one transaction. A key that was noted before is not written again."""

    def note(self, org_id: UUID, host: str, port: int, host_key: str) -> None:
        """The key was seen just now."""
        self._do("note_host_key", org_id=org_id, host=host, port=port, host_key=host_key)

    def note_at(self, connector: Connector, host_key: str) -> None:
        """The connector's server has shown the key, or its admin accepts it."""
        self.note(connector.org_id, connector.endpoint.host, connector.endpoint.port, host_key)

    def pin(self, connector: Connector, host_key: str) -> None:
        """Accept the key if the connector has accepted none yet."""
        self._do("pin_host_key", connector_id=connector.id, host_key=host_key)

    def note_of_run(self, run_id: UUID, host_key: str) -> None:
        """The run's server has shown the key; one that the connector has pinned is passed over."""
        self._do("note_host_key_of_run", run_id=run_id, host_key=host_key)

    def first_seen(self, connector: Connector, host_keys: Iterable[str]) -> dict[str, datetime]:
        """When the connector's server first showed each of the keys, as far as known."""
        endpoint = connector.endpoint
        place = {"org_id": connector.org_id, "host": endpoint.host, "port": endpoint.port}
        rows = self._all("host_keys_seen", host_keys=list(host_keys), **place)
        return {row["host_key"]: row["first_seen_at"] for row in rows}

    def tested(self, org_id: UUID, host: str, port: int) -> str | None:
        """The key that this server showed in the organisation's last test."""
        row = self._one("tested_host_key", org_id=org_id, host=host, port=port)
        return row["host_key"] if row else None
