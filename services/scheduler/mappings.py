"""The organisation's import mapping, and the custom fields that it may name: each version says all there is to know."""

from services.scheduler.asked import Refusal
from services.scheduler.mapping_store import MappingStore
from services.scheduler.store import Store
from shared.contracts import (
    Asked,
    CustomFieldDeletedAsked,
    CustomFieldKept,
    CustomFieldSavedAsked,
    MappingSaved,
    MappingSavedAsked,
)
from shared.database import Row
from shared.mapping import custom_ids, mapping_problems
from shared.outbox import put_event


def save(store: Store, asked: MappingSavedAsked, event_id: str) -> None:
    """Keep the mapping under the next version, with the custom fields that it names."""
    mappings = _locked(store, asked)
    custom = mappings.custom_fields(asked.organisation_id)
    names = {field_id: definition["name"] for field_id, definition in custom.items()}
    problems = mapping_problems(asked.fields, asked.statuses, asked.default_status, names)
    if problems:
        raise Refusal("invalid_fields", tuple(problems))
    mapping = asked.model_dump(include={"fields", "statuses", "default_status"})
    _insert(mappings, asked, event_id, mapping | {"custom_fields": _named(custom, asked.fields)})


def save_custom_field(store: Store, asked: CustomFieldSavedAsked, event_id: str) -> None:
    """Keep a custom field; a mapping that names it gets a new version when its cells mean something else now."""
    mappings = _locked(store, asked)
    mappings.save_custom_field(asked)
    kept = CustomFieldKept(organisation_id=asked.organisation_id, in_reply_to=event_id, field_id=asked.field_id)
    put_event(store.db, kept)
    _renew(mappings, asked, event_id)


def delete_custom_field(store: Store, asked: CustomFieldDeletedAsked, event_id: str) -> None:
    """Note that a custom field is gone; a mapping that names it goes on without it, in a new version."""
    mappings = _locked(store, asked)
    mappings.delete_custom_field(asked.organisation_id, asked.field_id)
    gone = CustomFieldKept(
        organisation_id=asked.organisation_id, in_reply_to=event_id, field_id=asked.field_id, deleted=True
    )
    put_event(store.db, gone)
    _renew(mappings, asked, event_id)


def _locked(store: Store, asked: Asked) -> MappingStore:
    mappings = MappingStore(store.db)
    mappings.lock(asked.organisation_id)
    return mappings


def _renew(mappings: MappingStore, asked: Asked, event_id: str) -> None:
    """Save the current mapping anew if its custom fields are not what they were when it was saved."""
    mapping = mappings.current(asked.organisation_id)
    if mapping is None:
        return
    custom = _named(mappings.custom_fields(asked.organisation_id), mapping["fields"])
    if _meaning(custom) != _meaning(mapping["custom_fields"]):
        _insert(mappings, asked, event_id, mapping | {"custom_fields": custom})


def _insert(mappings: MappingStore, asked: Asked, event_id: str, mapping: Row) -> None:
    version = mappings.insert(asked.organisation_id, asked.user_id, mapping)
    saved = MappingSaved(organisation_id=asked.organisation_id, in_reply_to=event_id, version=version)
    put_event(mappings.db, saved)


def _named(custom: dict[str, Row], fields: dict[str, str]) -> dict[str, Row]:
    """Those of the custom fields that the mapping's targets name."""
    wanted = custom_ids(fields)
    return {field_id: definition for field_id, definition in custom.items() if field_id in wanted}


def _meaning(custom: dict[str, Row]) -> dict[str, Row]:
    """How the cells of each field are read: a field's name has no part in it."""
    return {
        field_id: {key: value for key, value in definition.items() if key != "name"}
        for field_id, definition in custom.items()
    }
