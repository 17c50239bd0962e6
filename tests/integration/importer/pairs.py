"""The same versions of a file brought to two organisations, one of which reads each of them whole."""

from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg_pool import ConnectionPool

from shared.contracts import SyncFailed, SyncSucceeded
from shared.database import Db, Row
from tests.integration.importer.builders import Imports

_OWNED = ("lead_keys", "contacts", "deals")
_HIDDEN = {"id", "org_id", "lead_id", "created_at", "updated_at"}
_TOLD = {"organisation_id", "connector_id", "run_id", "in_reply_to", "reject_blob", "next_check_at"}


class Pair:
    """Two organisations alike: `one` imports what changed, `other` has always forgotten what it imported before."""

    def __init__(
        self,
        connections: ConnectionPool[Db],
        folder: Path,
        fields: dict[str, str],
        batch_rows: int = 5_000,
        **mapping: Any,
    ) -> None:
        self.one = Imports(connections, folder, told_rejects=1_000, batch_rows=batch_rows)
        self.other = Imports(connections, folder, told_rejects=1_000, batch_rows=batch_rows)
        for side in (self.one, self.other):
            side.save_mapping(fields, **mapping)
        self._connectors = {side: side.connector() for side in (self.one, self.other)}

    def bring(self, content: bytes) -> None:
        """Import the next version in both; all that they write and tell is the same."""
        one, other = self.brought(content)
        assert one == other

    def brought(self, content: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
        """Import the next version in both; what they write and tell."""
        forget(self.other)
        return self._brought(self.one, content), self._brought(self.other, content)

    def _brought(self, side: Imports, content: bytes) -> dict[str, Any]:
        side.taken()
        side.imported(content, self._connectors[side])
        events = [_event(side, event) for event in side.owed() if isinstance(event, SyncSucceeded | SyncFailed)]
        return {"told": events, "leads": leads(side)}


def forget(imports: Imports) -> None:
    """Have the organisation's next imports read their files whole."""
    imports.all("delete from fingerprints where org_id = %(org)s", org=imports.org_id)


def leads(imports: Imports) -> list[dict[str, Any]]:
    """The organisation's leads, each with all that belongs to it, without ids and times."""
    owned: dict[UUID, dict[str, list[Row]]] = defaultdict(lambda: {table: [] for table in _OWNED})
    for table in _OWNED:
        for row in _rows(imports, table):
            owned[row["lead_id"]][table].append(_plain(row))
    return sorted((_plain(lead) | _sorted(owned[lead["id"]]) for lead in _rows(imports, "leads")), key=str)


def _sorted(tables: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return {table: sorted(rows, key=str) for table, rows in tables.items()}


def _rows(imports: Imports, table: str) -> list[Row]:
    return imports.all(f"select * from {table} where org_id = %(org)s", org=imports.org_id)


def _plain(row: Row) -> Row:
    return {name: value for name, value in row.items() if name not in _HIDDEN}


def _event(side: Imports, event: SyncSucceeded | SyncFailed) -> dict[str, Any]:
    """What is told, under names that both organisations have."""
    told = event.model_dump(exclude=_TOLD)
    if isinstance(event, SyncFailed):
        return told
    told["rows"].pop("missing", None)  # of which who forgot everything knows nothing
    names = {str(row["id"]): row["name"] for row in _rows(side, "leads")}
    for warning in told["warnings"]:
        for lead_id, name in names.items():
            warning["reason"] = warning["reason"].replace(lead_id, name)
    return told | {"reject_file": side.rejected(event) if event.reject_blob else []}
