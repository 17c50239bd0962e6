"""The messages of every released version are understood for ever.

`tests/contracts/v<N>/<Name>.json` holds one realistic example of each message that version N added or gave a field:
a job as it stands in its queue, an event with its CloudEvents envelope. Old and new services run side by side and a
queue may hold messages for days, so an example that has been released is never changed and never removed.

To add one:
1. A new message, or a new field (with a default): write it into `shared/contracts.py`.
2. Put an example in which every field is filled into `tests/contracts/v<N>/<Name>.json`, where N is one more than the
   newest released version; times end in Z, and secrets are plainly invented.
3. Run this file. It fails until each message has an example, and each of its fields stands in one.
A change that makes an old example fail is no addition: give the message or the field another name.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from shared.contracts import JOBS, TOLD, UI_EVENTS, CloudEvent, Job

FOLDER = Path(__file__).parents[2] / "contracts"
EXAMPLES = sorted(FOLDER.glob("v*/*.json"))
MODELS: dict[str, type[BaseModel]] = {kind.__name__: kind for kind in (*JOBS, *UI_EVENTS.values(), *TOLD)}
TABLES = {"fields", "first_seen", "statuses", "unknown_statuses"}  # their keys are data
TYPES = UI_EVENTS | {told.type: told for told in TOLD}

every_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def data_of(path: Path) -> dict[str, Any]:
    """The fields of the message, without the envelope of an event."""
    content = read(path)
    if issubclass(MODELS[path.stem], Job):
        return content
    data: dict[str, Any] = content["data"]
    return data


def written(message: BaseModel) -> dict[str, Any]:
    """The message as JSON, secrets included."""
    content: dict[str, Any] = message.model_dump(mode="json")
    secrets = {name: value for name, value in message if isinstance(value, SecretStr)}
    return content | {name: value.get_secret_value() for name, value in secrets.items()}


def lost(old: Any, new: Any, place: str = "") -> list[str]:
    """Where the new value does not say all that the old one says, in the same way."""
    if isinstance(old, dict) and isinstance(new, dict):
        gone = [f"{place}.{name} is gone" for name in old if name not in new]
        return gone + [what for name in old if name in new for what in lost(old[name], new[name], f"{place}.{name}")]
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [what for at, pair in enumerate(zip(old, new, strict=True)) for what in lost(*pair, f"{place}[{at}]")]
    return [] if type(old) is type(new) and old == new else [f"{place} was {old!r} and is {new!r}"]


def with_news(value: Any) -> Any:
    """The example with a field that nobody knows yet in each of its objects, but for those that are tables."""
    if isinstance(value, dict):
        grown = {name: item if name in TABLES else with_news(item) for name, item in value.items()}
        return {"from_a_newer_version": {"x": [1]}, **grown}
    return [with_news(item) for item in value] if isinstance(value, list) else value


def names_in(value: Any) -> set[str]:
    """The names of all fields of an example, those of its parts included."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {*(value if isinstance(value, dict) else ()), *(name for part in parts for name in names_in(part))}


def fields_of(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    return {name for part in (schema, *schema.get("$defs", {}).values()) for name in part["properties"]}


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 62
    assert {path.stem for path in EXAMPLES} <= set(MODELS), "a message that was released must not go or be renamed"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_message_has_an_example_in_which_each_field_stands(name: str) -> None:
    shown = {field for path in EXAMPLES if path.stem == name for field in names_in(data_of(path))}

    assert fields_of(MODELS[name]) <= shown


@every_example
def test_today_s_code_keeps_every_field_of_an_old_message(path: Path) -> None:
    message = MODELS[path.stem].model_validate(data_of(path))

    assert lost(data_of(path), written(message)) == []


@every_example
def test_old_code_understands_a_message_that_has_grown(path: Path) -> None:
    grown = MODELS[path.stem].model_validate(with_news(data_of(path)))

    assert "from_a_newer_version" not in grown.model_dump_json()
    assert lost(data_of(path), written(grown)) == []


@every_example
def test_an_event_keeps_its_envelope_and_its_type(path: Path) -> None:
    if issubclass(MODELS[path.stem], Job):
        return
    event = CloudEvent.model_validate(read(path) | {"partitionkey": "of a newer version"})

    assert lost(read(path), event.model_dump(mode="json")) == []
    assert TYPES[event.type] is MODELS[path.stem]


@pytest.mark.parametrize("path", [path for path in EXAMPLES if path.stem in {job.__name__ for job in JOBS}])
def test_a_job_is_small(path: Path) -> None:
    assert len(json.dumps(read(path)).encode()) <= 4096


def test_a_lost_or_changed_field_is_noticed() -> None:
    old = {"a": 1, "b": [{"c": "x"}], "d": None}

    assert lost(old, old | {"new": 1}) == []
    assert lost(old, {"a": 1, "b": [{"c": "x"}]}) == [".d is gone"]
    assert lost(old, old | {"b": [{"c": "y"}]}) == [".b[0].c was 'x' and is 'y'"]
    assert lost(old, old | {"a": True}) == [".a was 1 and is True"]
    assert lost(old, old | {"b": []}) == [".b was [{'c': 'x'}] and is []"]


def test_an_example_without_a_needed_field_is_not_understood() -> None:
    path = FOLDER / "v1" / "FetchRequested.json"

    with pytest.raises(ValidationError):
        MODELS[path.stem].model_validate({name: value for name, value in read(path).items() if name != "endpoint"})
