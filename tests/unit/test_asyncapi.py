"""The AsyncAPI document in docs/ is the one that the contracts give, and it is whole."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.asyncapi import PATH, document, render
from shared.contracts import JOBS, SECRET_FIELDS, TOLD, UI_EVENTS
from shared.errors import CODES


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """The document as it lies in docs/."""
    content: dict[str, Any] = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    return content


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(part)


def resolve(content: dict[str, Any], ref: str) -> Any:
    found: Any = content
    for name in ref.removeprefix("#/").split("/"):
        found = found[name]
    return found


def test_the_file_is_what_the_code_gives() -> None:
    assert PATH.read_text(encoding="utf-8") == render(), "run: python -m deploy.asyncapi"


def test_yaml_loses_nothing(written: dict[str, Any]) -> None:
    assert written == document()


def test_every_reference_leads_somewhere(written: dict[str, Any]) -> None:
    refs = [node["$ref"] for node in nodes(written) if "$ref" in node]

    assert len(refs) > 100
    for ref in refs:
        assert ref.startswith("#/")
        assert resolve(written, ref)


def test_every_message_has_its_channel(written: dict[str, Any]) -> None:
    channels = {name: set(channel["messages"]) for name, channel in written["channels"].items()}

    assert channels["uiEvents"] == {kind.__name__ for kind in UI_EVENTS.values()}
    assert channels["events"] == {kind.__name__ for kind in TOLD}
    queues = {channel["address"]: set(channel["messages"]) for channel in written["channels"].values()}
    for job in JOBS:
        assert job.__name__ in queues[job.queue]
    assert set().union(*channels.values()) == set(written["components"]["messages"])


def test_the_connector_hears_the_ui_and_tells_it(written: dict[str, Any]) -> None:
    operations = {(one["action"], one["channel"]["$ref"]) for one in written["operations"].values()}

    assert {("receive", "#/channels/uiEvents"), ("send", "#/channels/events")} <= operations
    assert {channel.removeprefix("#/channels/") for _, channel in operations} == set(written["channels"])


def test_every_field_of_a_message_is_in_its_schema(written: dict[str, Any]) -> None:
    for kind in (*JOBS, *UI_EVENTS.values(), *TOLD):
        schema = written["components"]["schemas"][kind.__name__]
        assert set(schema["properties"]) == set(kind.model_fields)
        assert schema["description"]


def test_no_schema_is_left_over(written: dict[str, Any]) -> None:
    used = {node["$ref"].rpartition("/")[2] for node in nodes(written) if "$ref" in node}

    assert set(written["components"]["schemas"]) <= used


def test_a_secret_is_only_ever_written_and_has_no_example(written: dict[str, Any]) -> None:
    fields = [
        field
        for schema in written["components"]["schemas"].values()
        for name, field in schema["properties"].items()
        if name in SECRET_FIELDS
    ]

    assert len(fields) == 9  # of three forms
    for field in fields:
        assert (field["format"], field["writeOnly"]) == ("password", True)
        assert not {"example", "examples", "const", "enum"} & set(field)
        assert field.get("default") is None


def test_the_document_is_pleasant_to_read() -> None:
    lines = render().splitlines()

    assert max(map(len, lines)) <= 130
    assert not [line for line in lines if "&id" in line or line != line.rstrip()]
    assert len(CODES) < len(lines) < 2700
