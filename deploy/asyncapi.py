"""Writes `docs/asyncapi.yaml`, the AsyncAPI 3.0 document of every message, from `shared/contracts.py`.

`python -m deploy.asyncapi` writes it; a unit test fails when the file and the code differ.
"""

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from shared.bus.events import PARKED_QUEUE, UI_QUEUE
from shared.contracts import EVENTS_EXCHANGE, JOBS, TOLD, UI_EVENTS, UI_EXCHANGE, CloudEvent, Job

PATH = Path(__file__).parents[1] / "docs" / "asyncapi.yaml"

_HEADER = "# Written by `python -m deploy.asyncapi` from shared/contracts.py: change it there.\n"
_VERSION = "1.5.0"  # of the contracts: the second number grows with each field or message that is added
_DESCRIPTION = f"""\
Keeps Leadbay's leads in sync with a CSV file on a customer's SFTP server. All messages travel over RabbitMQ.

**Events** are CloudEvents 1.0 in structured JSON: the body is the whole envelope, with the content type
`application/cloudevents+json`, and no attribute of it is repeated in an AMQP header. A payload is therefore described
as `allOf`: the envelope that all events share, and beside it what this one puts into `type` and `data`. The routing
key is the event's `type`. The UI publishes to the topic exchange `{UI_EXCHANGE}` and hears what it subscribes to on
the topic exchange `{EVENTS_EXCHANGE}`. An event may come twice: the same `source` and `id` are the same event. The
order of one connector's events is kept.

**Jobs** go from one service of the connector to another, over durable quorum queues; the UI does not see them. The
body is the envelope of dramatiq, whose `kwargs.job` holds the job. A job is a hint: a lost one is sent again, and a
repeated one changes nothing.

**Traces**: an event may carry W3C trace context in the extension attributes `traceparent` and `tracestate`. What is
done because of it, and every event told of that, is part of the same trace; a run that is merely due begins one.

**Versions**: fields and messages are only ever added, fields with a default. Ignore a field that you do not know.

**Secrets**: passwords and private keys come in with the events of the forms, are sealed as soon as they are read, and
stand in no other message.
"""
_QUEUES = {
    "sftp.fetch": "Scheduler to fetcher: look at a file.",
    "sftp.test": "Scheduler to fetcher: try a connection, apart from the fetches so that nobody waits for them.",
    "sftp.import": "Fetcher, or scheduler for a stored file, to importer: a file whose content or mapping is new.",
    "sftp.import.large": "The same for a large file, apart from the small ones so that these do not wait for it.",
    "sftp.preview": "Fetcher to importer: the beginning of a tested file, apart from the imports.",
    "sftp.reports": "Fetcher to scheduler: progress and answers.",
    "sftp.removal": "Scheduler to importer, and importer to importer: the next slice of an organisation to be removed.",
}
_ENVELOPE = {
    "type": "object",
    "description": "The envelope of dramatiq around a job.",
    "properties": {
        "queue_name": {"type": "string", "description": "The queue, or that queue with `.DQ` while a retry waits."},
        "actor_name": {"type": "string", "description": "The name of the job."},
        "args": {"type": "array", "maxItems": 0},
        "kwargs": {"type": "object", "properties": {"job": {"type": "object"}}, "required": ["job"]},
        "options": {"type": "object", "description": "Retries and delay, dramatiq's own."},
        "message_id": {"type": "string", "format": "uuid"},
        "message_timestamp": {"type": "integer", "description": "Milliseconds since 1970."},
    },
    "required": ["queue_name", "actor_name", "args", "kwargs", "options", "message_id", "message_timestamp"],
}
_ASKED = list(UI_EVENTS.values())
_FIRST = ("description", "type", "format", "const", "enum", "minimum", "maximum", "minLength", "maxLength", "pattern")
_LAST = ("default", "examples", "required", "properties", "items", "additionalProperties", "anyOf")
_SHORT = 100  # characters of a list that stands in one line

Schema = dict[str, Any]


def document() -> Schema:
    """The whole document, as plain values."""
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Leadbay SFTP connector", "version": _VERSION, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _channels() -> Schema:
    queued = f"The connector reads it from the queue `{UI_QUEUE}`; what cannot be understood goes, without its secrets,"
    return {
        "uiEvents": _exchange(UI_EXCHANGE, f"What an admin asks for. {queued} to `{PARKED_QUEUE}`.", _ASKED),
        "events": _exchange(EVENTS_EXCHANGE, "What the connector tells the UI.", TOLD),
        **{_channel_of(name): _queue(name, meaning) for name, meaning in _QUEUES.items()},
    }


def _exchange(name: str, meaning: str, events: Any) -> Schema:
    types = [event.type for event in events]
    return {
        "address": "{type}",
        "title": name,
        "description": meaning,
        "parameters": {"type": {"description": "The event's type is its routing key.", "enum": types}},
        "messages": {event.__name__: _ref("messages", event.__name__) for event in events},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {"name": name, "type": "topic", "durable": True, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _queue(name: str, meaning: str) -> Schema:
    return {
        "address": name,
        "description": meaning,
        "messages": {
            job.__name__: _ref("messages", job.__name__) for job in JOBS if name in (job.queue, *job.other_queues)
        },
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {"name": name, "durable": True, "exclusive": False, "autoDelete": False},
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operations() -> Schema:
    return {
        "hearTheUi": _operation("receive", "uiEvents", "Carry out what an admin asks for, once, and answer it."),
        "tellTheUi": _operation("send", "events", "Tell what changed; the event is owed until RabbitMQ has it."),
        **{
            f"{action}{name.title().replace('.', '')}": _operation(action, _channel_of(name), meaning)
            for name, meaning in _QUEUES.items()
            for action in ("send", "receive")
        },
    }


def _operation(action: str, channel: str, summary: str) -> Schema:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _messages() -> Schema:
    events = {event.__name__: _event(event) for event in (*_ASKED, *TOLD)}
    return events | {job.__name__: _job(job) for job in JOBS}


def _event(event: Any) -> Schema:
    name = event.__name__
    own = {"type": {"const": event.type}, "data": _ref("schemas", name)}
    return {
        "name": event.type,
        "title": name,
        "summary": _docstring(event),
        "contentType": "application/cloudevents+json",
        "payload": {"allOf": [_ref("schemas", CloudEvent.__name__), {"type": "object", "properties": own}]},
    }


def _job(job: type[Job]) -> Schema:
    name = job.__name__
    kwargs = {"type": "object", "properties": {"job": _ref("schemas", name)}}
    own = {"actor_name": {"const": name}, "kwargs": kwargs}
    return {
        "name": name,
        "title": name,
        "summary": _docstring(job),
        "payload": {"allOf": [_ref("schemas", "JobEnvelope"), {"type": "object", "properties": own}]},
    }


def _schemas() -> Schema:
    """The models, those that they are made of included, under their own names."""
    models: list[type[BaseModel]] = [CloudEvent, *_ASKED, *TOLD, *JOBS]
    _, found = models_json_schema(
        [(model, "validation") for model in models],
        ref_template="#/components/schemas/{model}",
        schema_generator=_WithoutTitles,
    )
    schemas: Schema = {name: _tidy(schema) for name, schema in found["$defs"].items()}
    first = [model.__name__ for model in models]
    parts = sorted(set(schemas) - set(first))
    ordered = {name: schemas[name] for name in (*first, *parts)}
    return {first[0]: ordered.pop(first[0]), "JobEnvelope": _tidy(_ENVELOPE), **ordered}


class _WithoutTitles(GenerateJsonSchema):
    """Leaves out titles that only repeat the names of fields."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


def _tidy(schema: Schema) -> Schema:
    """The same schema as one likes to read it: what it is comes first, and "or null" takes one line."""
    schema = _or_null(schema)
    schema.pop("title", None)  # it is the schema's name
    if "description" in schema:
        schema["description"] = _flowing(schema["description"])
    if "properties" in schema:
        schema["properties"] = {name: _tidy(field) for name, field in schema["properties"].items()}
    for inner in ("items", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(inner), dict):
            schema[inner] = _tidy(schema[inner])
    order = [*(key for key in _FIRST if key in schema), *(key for key in schema if key not in (*_FIRST, *_LAST))]
    return {key: schema[key] for key in (*order, *(key for key in _LAST if key in schema))}


def _or_null(schema: Schema) -> Schema:
    rest = dict(schema)
    value, *others = rest.pop("anyOf", None) or [{}]
    if others == [{"type": "null"}] and "type" in value and "enum" not in value:
        return {**value, **rest, "type": [value["type"], "null"]}
    return dict(schema)


def _ref(kind: str, name: str) -> dict[str, str]:
    return {"$ref": f"#/components/{kind}/{name}"}


def _channel_of(queue: str) -> str:
    prefix, _, name = queue.partition(".")
    return f"{prefix}{name.title().replace('.', '')}"


def _docstring(model: type) -> str:
    return _flowing(inspect.getdoc(model) or "")


def _flowing(text: str) -> str:
    """Paragraphs without the line ends of the source."""
    return "\n\n".join(" ".join(part.split()) for part in re.split(r"\n\s*\n", text))


class _Dumper(yaml.SafeDumper):
    """Short lists stand in one line, others indented under their key; texts of several lines stand as they are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _list(dumper: _Dumper, value: list[Any]) -> yaml.SequenceNode:
    plain = not any(isinstance(item, dict | list) for item in value)
    short = plain and sum(len(str(item)) + 2 for item in value) < _SHORT
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=short)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def render() -> str:
    """The document as YAML."""
    return _HEADER + yaml.dump(document(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=118)


def main() -> None:
    """Write the document and say where."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"wrote {PATH}\n")


if __name__ == "__main__":
    main()
