"""Writes docs/configuration.md from the settings classes: `python -m deploy.configuration`."""

import json
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from services.scheduler.settings import Settings as SchedulerSettings
from shared.settings import PREFIX, Block

PATH = Path(__file__).parents[1] / "docs" / "configuration.md"
_SERVICES: dict[str, type[Block]] = {
    "scheduler": SchedulerSettings,
    "fetcher": FetcherSettings,
    "importer": ImporterSettings,
}
_INTRODUCTION = """# Configuration

Every setting is an environment variable. A service refuses to start, with a line for each, when one is missing or
wrong. Lists are written as JSON. `python -m deploy.configuration` makes this page from the code.

Keys of an object store come from the environment variables that its makers define, and are read once, at the start. For
`s3://bucket/prefix`, at Amazon or anywhere else that speaks S3:

| variable | meaning |
|---|---|
| `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN` | the keys; by default those of the machine's role |
| `AWS_REGION` | the region, `us-east-1` by default |
| `AWS_ENDPOINT_URL` | address of a store that is not Amazon's, such as `https://minio.internal:9000` |
| `AWS_ALLOW_HTTP` | `true` where that address begins with `http://` |

The keys need the rights to list the bucket and to read, write and delete its objects. Have the bucket itself abort
incomplete multipart uploads after a day: what a fetcher leaves that was killed while it wrote is no object, and is not
swept.

| variable | read by | default | meaning |
|---|---|---|---|
"""


def table() -> str:
    """The page."""
    readers: dict[str, list[str]] = {}
    fields: dict[str, Any] = {}
    for service, settings in _SERVICES.items():
        for name, field in settings.model_fields.items():
            readers.setdefault(name, []).append(service)
            fields[name] = field
    rows = [
        f"| `{PREFIX}{name.upper()}` | {', '.join(readers[name])} | {_default(field)} | {field.description} |"
        for name, field in fields.items()
    ]
    return _INTRODUCTION + "\n".join(rows) + "\n"


def _default(field: Any) -> str:
    default = field.get_default(call_default_factory=True)
    return "required" if default is PydanticUndefined else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    PATH.write_text(table())
