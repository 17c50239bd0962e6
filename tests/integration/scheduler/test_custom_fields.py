"""A mapping says what its custom fields mean: when that changes, there is a new version, and files are read again."""

from typing import Any
from uuid import uuid4

import pytest

from shared.contracts import CustomFieldKept, ImportRequested, MappingSaved, Refused, SyncQueued
from tests.integration.scheduler.builders import Desk, at_once, kinds, only

PRICE = {"field_id": "7", "name": "Budget", "kind": "PRICE", "currency": "EUR"}
EMPTY = {"currency": None, "format": None, "url_template": None}


def versions(desk: Desk) -> list[dict[str, Any]]:
    """The mappings of the organisation, oldest first."""
    return desk.all("select * from import_mappings where org_id = %(org)s order by version", org=desk.org_id)


def save(desk: Desk, **fields: Any) -> list[type]:
    """Save a custom field; what that leads to."""
    desk.ask("custom_field.saved", **fields)
    return list(kinds(desk.taken()))


def test_a_custom_field_is_kept_and_answered(desk: Desk) -> None:
    event_id = desk.ask("custom_field.saved", **PRICE)
    assert desk.taken() == [CustomFieldKept(organisation_id=desk.org_id, in_reply_to=event_id, field_id="7")]
    row = desk.one("select * from custom_fields")
    assert (row["org_id"], row["id"], row["name"], row["kind"], row["currency"]) == (
        desk.org_id,
        "7",
        "Budget",
        "PRICE",
        "EUR",
    )
    # And when it is deleted, that is kept and answered
    event_id = desk.ask("custom_field.deleted", field_id="7")
    gone = CustomFieldKept(organisation_id=desk.org_id, in_reply_to=event_id, field_id="7", deleted=True)
    assert desk.taken() == [gone]
    assert desk.one("select * from custom_fields")["deleted_at"] is not None


def test_what_is_deleted_without_being_known_is_gone_all_the_same(desk: Desk) -> None:
    desk.ask("custom_field.deleted", field_id="404")
    assert only(desk.taken(), CustomFieldKept).deleted


def test_a_wrong_definition_is_refused_by_field_and_changes_nothing(desk: Desk) -> None:
    desk.ask("custom_field.saved", field_id="x", name="", kind="PRICE", format="\x1b")
    (refused,) = desk.taken()
    assert isinstance(refused, Refused)
    assert {problem.field for problem in refused.errors} == {"field_id", "name", "currency", "format"}
    assert desk.all("select * from custom_fields") == []


def test_a_mapping_keeps_the_definitions_of_the_fields_that_it_names(desk: Desk) -> None:
    # Given three custom fields, one of them of another organisation
    save(desk, **PRICE)
    save(desk, field_id="8", name="Tier", kind="TEXT")
    save(desk, field_id="9", name="Theirs", kind="TEXT", organisation_id=str(uuid4()))
    # When a mapping names one of them
    desk.save_mapping(Budget="CUSTOM.7")
    # Then its definition stands in the version
    (version,) = versions(desk)
    assert version["custom_fields"] == {"7": EMPTY | {"name": "Budget", "kind": "PRICE", "currency": "EUR"}}
    # And another organisation's field cannot be named
    desk.ask("import_mapping.saved", fields={"Company": "LEAD_NAME", "Theirs": "CUSTOM.9"})
    (problem,) = only(desk.taken(), Refused).errors
    assert (problem.field, problem.code) == ("fields.Theirs", "unknown_custom_field")
    assert problem.message.endswith("The custom fields are CUSTOM.7 (Budget), CUSTOM.8 (Tier).")


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "USD"},
        {"kind": "NUMBER"},
        {"format": "dd/MM/yyyy"},
        {"kind": "EXTERNAL_ID", "url_template": "https://crm.acme.com/{value}"},
    ],
    ids=str,
)
def test_another_definition_of_a_named_field_is_a_new_version_of_the_mapping(
    desk: Desk, change: dict[str, Any]
) -> None:
    # Given a mapping that names a field, and a file that was imported with it
    save(desk, **PRICE)
    desk.ask(
        "import_mapping.saved",
        fields={"Company": "LEAD_NAME", "Budget": "CUSTOM.7"},
        statuses={"won": "WON"},
        default_status="INBOUND",
    )
    connector_id = desk.insert_connector()
    desk.give_file(connector_id, mapping_version=1)
    desk.all("update connectors set due_at = now() + interval '5 hours'")
    desk.taken()
    # When its definition changes
    event_id = desk.ask("custom_field.saved", **(PRICE | change))
    # Then the same mapping is saved anew, with the new definition, and told
    kept, saved = desk.taken()
    assert isinstance(kept, CustomFieldKept)
    assert saved == MappingSaved(organisation_id=desk.org_id, in_reply_to=event_id, version=2)
    before, after = versions(desk)
    for name in ("fields", "statuses", "default_status"):
        assert after[name] == before[name]
    expected = EMPTY | {"name": "Budget", "kind": "PRICE", "currency": "EUR"} | change
    assert after["custom_fields"] == {"7": expected}
    # And the stored file is read again
    desk.handler.tick()
    assert only(desk.taken(), ImportRequested).connector_id == connector_id


def test_another_name_of_a_field_changes_nothing_of_what_a_file_means(desk: Desk) -> None:
    save(desk, **PRICE)
    desk.save_mapping(Budget="CUSTOM.7")
    assert save(desk, **(PRICE | {"name": "Annual budget"})) == [CustomFieldKept]
    assert len(versions(desk)) == 1


def test_a_field_that_the_mapping_does_not_name_does_not_renew_it(desk: Desk) -> None:
    save(desk, **PRICE)
    desk.save_mapping()
    assert save(desk, **(PRICE | {"currency": "USD"})) == [CustomFieldKept]
    assert save(desk, **(PRICE | {"field_id": "8"})) == [CustomFieldKept]
    assert len(versions(desk)) == 1


def test_a_mapping_goes_on_without_a_deleted_field_until_that_comes_back(desk: Desk) -> None:
    save(desk, **PRICE)
    desk.save_mapping(Budget="CUSTOM.7")
    # When the field is deleted, then the mapping names it still, but it means nothing
    desk.ask("custom_field.deleted", field_id="7")
    assert kinds(desk.taken()) == [CustomFieldKept, MappingSaved]
    assert (versions(desk)[-1]["fields"]["Budget"], versions(desk)[-1]["custom_fields"]) == ("CUSTOM.7", {})
    # When it is deleted once more, then nothing is left to change
    desk.ask("custom_field.deleted", field_id="7")
    assert kinds(desk.taken()) == [CustomFieldKept]
    # When it comes back, then it means what it is now
    assert save(desk, **PRICE) == [CustomFieldKept, MappingSaved]
    assert versions(desk)[-1]["custom_fields"]["7"]["currency"] == "EUR"
    assert len(versions(desk)) == 3


def test_a_mapping_from_before_its_field_was_known_learns_what_it_means(desk: Desk) -> None:
    desk.all(
        "insert into import_mappings (org_id, version, fields, statuses, saved_by)"
        """ values (%(org)s, 1, '{"Company": "LEAD_NAME", "Budget": "CUSTOM.7"}', '{}', %(org)s)""",
        org=desk.org_id,
    )
    assert save(desk, **PRICE) == [CustomFieldKept, MappingSaved]


def test_changes_that_come_together_each_find_what_the_other_left(desk: Desk) -> None:
    # Given a mapping of eight custom fields
    numbers = [str(number) for number in range(8)]
    for number in numbers:
        save(desk, field_id=number, name=number, kind="TEXT")
    desk.save_mapping(**{number: f"CUSTOM.{number}" for number in numbers})
    # When all of them change at once
    at_once(8, lambda number: desk.ask("custom_field.saved", field_id=str(number), name="n", kind="NUMBER"))
    # Then the last version has every change
    (*_, last) = versions(desk)
    assert {custom["kind"] for custom in last["custom_fields"].values()} == {"NUMBER"}
    assert last["version"] == 9


def test_a_paused_connector_is_read_again_when_it_is_resumed(desk: Desk) -> None:
    save(desk, **PRICE)
    desk.save_mapping(Budget="CUSTOM.7")
    connector_id = desk.insert_connector(state="paused")
    desk.give_file(connector_id, mapping_version=1)
    save(desk, **(PRICE | {"currency": "USD"}))
    desk.ask("sftp_connector.resume", connector_id=str(connector_id))
    owed = desk.taken()
    assert only(owed, SyncQueued).trigger == "mapping"
    assert only(owed, ImportRequested).connector_id == connector_id
