"""The promises that hold for every message: frozen, tolerant of what is new, and without plain secrets."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from shared import contracts
from shared.contracts import (
    JOBS,
    SECRET_FIELDS,
    TOLD,
    UI_EVENTS,
    AcceptHostKeyAsked,
    CloudEvent,
    ConnectionTestAsked,
    CreateAsked,
    CsvOptions,
    CustomFieldSavedAsked,
    FetchProgressed,
    Job,
    MappingSavedAsked,
    Told,
    UpdateAsked,
)
from tests.conftest import PASSWORD

ASKER = {"organisation_id": UUID(int=1), "user_id": UUID(int=2), "role": "ADMIN"}
FORM = {**ASKER, "host": "sftp.acme.com", "username": "crm", "password": PASSWORD, "path": "/leads.csv"}
CUSTOM_FIELD = {**ASKER, "field_id": "7", "name": "Tier"}
CONNECTOR = {**ASKER, "connector_id": UUID(int=3)}


def subclasses(kind: type[BaseModel]) -> set[type[BaseModel]]:
    return {kind, *(below for child in kind.__subclasses__() for below in subclasses(child))}


def nested_fields(kind: type[BaseModel]) -> set[str]:
    schema = kind.model_json_schema()
    return {name for part in (schema, *schema.get("$defs", {}).values()) for name in part.get("properties", ())}


def invalid_fields(kind: type[BaseModel], values: dict[str, Any]) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(values)
    return [str(problem["loc"][0]) for problem in caught.value.errors()]


def test_every_job_and_every_event_is_in_its_list() -> None:
    ours = {kind for kind in vars(contracts).values() if isinstance(kind, type) and issubclass(kind, BaseModel)}

    assert set(JOBS) == (subclasses(Job) & ours) - {Job}
    assert set(TOLD) == {kind for kind in subclasses(Told) & ours if "type" in vars(kind)}
    assert set(UI_EVENTS.values()) == {kind for kind in subclasses(contracts.Asked) & ours if "type" in vars(kind)}


def test_types_and_names_are_unique() -> None:
    types = [*UI_EVENTS, *(told.type for told in TOLD)]
    names = [kind.__name__ for kind in (*JOBS, *UI_EVENTS.values(), *TOLD)]

    assert len(set(types)) == len(types)
    assert len(set(names)) == len(names)


def test_every_message_says_what_it_is_for() -> None:
    for kind in (*JOBS, *UI_EVENTS.values(), *TOLD):
        assert vars(kind)["__doc__"].endswith(".")


def test_a_job_cannot_be_changed() -> None:
    job = FetchProgressed(run_id=UUID(int=1), phase="started")

    with pytest.raises(ValidationError, match="frozen"):
        job.phase = "stored"  # type: ignore[misc]


def test_a_field_of_a_newer_version_is_ignored() -> None:
    job = FetchProgressed.model_validate({"run_id": UUID(int=1), "phase": "started", "new_in_v9": {"a": [1]}})

    assert "new_in_v9" not in job.model_dump()


@pytest.mark.parametrize("kind", [*JOBS, *TOLD])
def test_nothing_but_a_form_has_room_for_a_plain_secret(kind: type[BaseModel]) -> None:
    assert nested_fields(kind) & SECRET_FIELDS == set()


@pytest.mark.parametrize("kind", UI_EVENTS.values())
def test_a_secret_of_a_form_is_hidden_wherever_the_form_is_shown(kind: type[BaseModel]) -> None:
    for name in SECRET_FIELDS & set(kind.model_fields):
        assert "SecretStr" in repr(kind.model_fields[name].annotation)


@pytest.mark.parametrize(
    ("kind", "values"), [(CreateAsked, FORM), (ConnectionTestAsked, FORM), (UpdateAsked, FORM | CONNECTOR)]
)
def test_a_form_keeps_its_password_and_shows_it_nowhere(kind: type[BaseModel], values: dict[str, Any]) -> None:
    form = kind.model_validate(values)
    password = getattr(form, "password")  # noqa: B009 - three kinds of form

    assert isinstance(password, SecretStr)
    assert password.get_secret_value() == PASSWORD
    for text in (repr(form), str(form), form.model_dump_json(), repr(form.model_dump())):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("kind", "values"), [(CreateAsked, FORM), (ConnectionTestAsked, FORM), (UpdateAsked, FORM | CONNECTOR)]
)
def test_a_form_may_bring_a_private_key_instead_and_shows_it_nowhere(
    kind: type[BaseModel], values: dict[str, Any]
) -> None:
    login = {"password": None, "private_key": PASSWORD, "passphrase": PASSWORD}

    form = kind.model_validate(values | login)

    for text in (repr(form), str(form), form.model_dump_json(), repr(form.model_dump())):
        assert "canary" not in text


@pytest.mark.parametrize(
    ("login", "wrong"),
    [
        ({"password": "a", "private_key": "b"}, "private_key"),
        ({"password": "a", "passphrase": "b"}, "passphrase"),
        ({"password": None, "passphrase": "b"}, "passphrase"),
        ({"password": None, "private_key": "x" * 16_385}, "private_key"),
        ({"password": None, "private_key": ""}, "private_key"),
        ({"password": None, "private_key": "x", "passphrase": ""}, "passphrase"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_login_is_a_password_or_a_key_with_its_passphrase(login: dict[str, Any], wrong: str) -> None:
    assert invalid_fields(CreateAsked, FORM | login) == [wrong]


def test_a_wrong_form_names_each_wrong_field() -> None:
    wrong = {"host": "a b", "port": 0, "username": "", "password": "", "path": "x", "interval_seconds": 0}

    assert sorted(invalid_fields(CreateAsked, FORM | wrong)) == sorted(wrong)


def test_an_error_of_a_form_can_be_told_without_its_values() -> None:
    with pytest.raises(ValidationError) as caught:
        CreateAsked.model_validate(FORM | {"password": [PASSWORD], "host": "canary host"})

    assert "canary" not in repr(caught.value.errors(include_input=False, include_url=False, include_context=False))


@pytest.mark.parametrize("seconds", [60, 900, 604_800])
def test_the_interval_is_at_most_a_week(seconds: int) -> None:
    assert CreateAsked.model_validate(FORM | {"interval_seconds": seconds}).interval_seconds == seconds
    assert invalid_fields(CreateAsked, FORM | {"interval_seconds": 604_801}) == ["interval_seconds"]


def test_what_an_update_leaves_out_is_none() -> None:
    update = UpdateAsked.model_validate(CONNECTOR | {"interval_seconds": 3600})

    assert update.model_dump(exclude={*CONNECTOR, "interval_seconds"}, exclude_none=True) == {}


def test_an_update_tells_options_left_out_from_options_taken_back() -> None:
    assert UpdateAsked.model_validate(CONNECTOR).csv is None
    assert UpdateAsked.model_validate(CONNECTOR | {"csv": {}}).csv == CsvOptions()


@pytest.mark.parametrize("quote", ['"', "'", "", None])
def test_a_quote_is_one_of_two_or_none(quote: str | None) -> None:
    assert CsvOptions(quote=quote).quote == quote
    assert invalid_fields(CsvOptions, {"quote": "`"}) == ["quote"]


@pytest.mark.parametrize("kind", ["TEXT", "NUMBER", "DATE", "DATETIME"])
def test_most_custom_fields_need_nothing_but_a_name(kind: str) -> None:
    assert CustomFieldSavedAsked.model_validate(CUSTOM_FIELD | {"kind": kind}).currency is None


@pytest.mark.parametrize(
    ("definition", "wrong"),
    [
        ({"kind": "PRICE"}, "currency"),
        ({"kind": "PRICE", "currency": "eur"}, "currency"),
        ({"kind": "PRICE", "currency": "EURO"}, "currency"),
        ({"kind": "EXTERNAL_ID"}, "url_template"),
        ({"kind": "EXTERNAL_ID", "url_template": "https://crm/"}, "url_template"),
        ({"kind": "BOOLEAN"}, "kind"),
        ({"kind": "DATE", "format": "d" * 61}, "format"),
        ({"kind": "DATE", "format": "dd\0"}, "format"),
        ({"kind": "TEXT", "name": ""}, "name"),
        ({"kind": "TEXT", "name": "x" * 201}, "name"),
        ({"kind": "TEXT", "name": "a\nb"}, "name"),
        ({"kind": "TEXT", "field_id": "CUSTOM.7"}, "field_id"),
        ({"kind": "TEXT", "field_id": "7\n"}, "field_id"),
        ({"kind": "TEXT", "field_id": "1" * 20}, "field_id"),
    ],
)
def test_a_custom_field_that_makes_no_sense_names_what_is_wrong(definition: dict[str, str], wrong: str) -> None:
    assert invalid_fields(CustomFieldSavedAsked, CUSTOM_FIELD | definition) == [wrong]


@pytest.mark.parametrize("key", ["ssh-ed25519 SHA256:" + "A" * 43, "ecdsa-sha2-nistp256 SHA256:" + "a/+" * 14 + "Z"])
def test_a_host_key_is_a_type_and_a_fingerprint(key: str) -> None:
    assert AcceptHostKeyAsked.model_validate(CONNECTOR | {"host_key": key}).host_key == key


@pytest.mark.parametrize(
    "key", ["", "ssh-ed25519", "ssh-ed25519 MD5:aa:bb", "SHA256:" + "A" * 43, "ssh-ed25519 SHA256:" + "A" * 43 + "\n"]
)
def test_another_text_is_no_host_key(key: str) -> None:
    assert invalid_fields(AcceptHostKeyAsked, CONNECTOR | {"host_key": key}) == ["host_key"]


def test_a_mapping_is_bounded() -> None:
    many = {str(number): "LEAD_NAME" for number in range(501)}

    assert invalid_fields(MappingSavedAsked, ASKER | {"fields": many}) == ["fields"]
    assert invalid_fields(MappingSavedAsked, ASKER | {"fields": {"x" * 1001: "LEAD_NAME"}}) == ["fields"]


@pytest.mark.parametrize("missing", ["organisation_id", "user_id", "role"])
@pytest.mark.parametrize("kind", UI_EVENTS.values())
def test_every_event_of_the_ui_names_who_asks(kind: type[BaseModel], missing: str) -> None:
    values = {name: value for name, value in ASKER.items() if name != missing}

    assert missing in invalid_fields(kind, values)


@pytest.mark.parametrize(
    "wrong",
    [
        {"specversion": "0.3"},
        {"id": ""},
        {"id": "x" * 201},
        {"source": ""},
        {"type": ""},
        {"data": None},
        {"data": "{}"},
        {"data": []},
        {"datacontenttype": "text/plain"},
    ],
)
def test_an_envelope_that_is_no_cloud_event_is_refused(wrong: dict[str, Any]) -> None:
    envelope = {"specversion": "1.0", "id": "1", "source": "leadbay/ui", "type": "x", "data": {}}

    assert CloudEvent.model_validate(envelope)
    assert invalid_fields(CloudEvent, envelope | wrong) == list(wrong)
