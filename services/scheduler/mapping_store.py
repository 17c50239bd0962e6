"""The tables of mappings and custom fields. Each method is one statement or two, inside the caller's transaction."""

from uuid import UUID

from psycopg.types.json import Jsonb

from services.scheduler.statements import Statements
from shared.contracts import CustomFieldSavedAsked
from shared.database import Row


class MappingStore(Statements):
    """Reads and writes within one transaction."""

    def version(self, org_id: UUID) -> int:
        """The version of the organisation's current mapping; 0 when it has none."""
        version: int = self._required("mapping_version", org_id=org_id)["version"]
        return version

    def lock(self, org_id: UUID) -> None:
        """Let changes of the organisation's mapping and custom fields come one after the other."""
        self._do("lock_mappings", org_id=org_id)

    def current(self, org_id: UUID) -> Row | None:
        """The organisation's current mapping; its custom fields are those of when it was saved."""
        return self._one("mapping", org_id=org_id)

    def insert(self, org_id: UUID, saved_by: UUID, mapping: Row) -> int:
        """Keep the mapping under the next version, and make files due that were read with an older one."""
        version = self.version(org_id) + 1
        self._do(
            "insert_mapping",
            org_id=org_id,
            version=version,
            default_status=mapping["default_status"],
            saved_by=saved_by,
            **{name: Jsonb(mapping[name]) for name in ("fields", "statuses", "custom_fields")},
        )
        self._do("make_due", org_id=org_id)
        return version

    def custom_fields(self, org_id: UUID) -> dict[str, Row]:
        """The definitions of the organisation's custom fields, by id; deleted ones are not among them."""
        rows = self._all("custom_fields", org_id=org_id)
        return {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in rows}

    def save_custom_field(self, asked: CustomFieldSavedAsked) -> None:
        """Keep a custom field, also one that was deleted before."""
        self._do("save_custom_field", **asked.model_dump(exclude={"user_id", "role"}))

    def delete_custom_field(self, org_id: UUID, field_id: str) -> None:
        """Note that a custom field is gone."""
        self._do("delete_custom_field", org_id=org_id, field_id=field_id)
