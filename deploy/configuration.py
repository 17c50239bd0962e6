"""Writes docs/configuration.md and the names of all settings from their classes: `python -m deploy.configuration`."""

import json
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from deploy.command.settings import Settings as CommandSettings
from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from services.scheduler.settings import Settings as SchedulerSettings
from shared.settings import PREFIX, SECRETS_DIR, Block

_ROOT = Path(__file__).parents[1]
PATH = _ROOT / "docs" / "configuration.md"
NAMES_PATH = _ROOT / "shared" / "setting_names.py"
SERVICES: dict[str, type[Block]] = {
    "scheduler": SchedulerSettings,
    "fetcher": FetcherSettings,
    "importer": ImporterSettings,
    "command": CommandSettings,
}
# What the last word of a setting's name counts.
_UNITS = {"chars": "characters", "networks": "", "ports": "", "keys": "", "minute": "bytes a minute"} | {
    word: word for word in ("seconds", "days", "bytes", "rows", "threads", "lines", "columns", "entries", "versions")
}
_INTRODUCTION = f"""# Configuration

Every setting is an environment variable, or a file of that name in the folder that `{SECRETS_DIR}` names,
such as `/run/secrets`; the variable wins. So `/run/secrets/{PREFIX}DATABASE_URL` holds a password that no
environment shows. Files without our prefix are left alone.

A service refuses to start, with a line for each, when a setting is missing or wrong, and when a variable or file with
our prefix belongs to no service; the closest name is suggested. Services may share one environment. Lists are written
as JSON. `sftp-connector config check SERVICE` shows what counts ([command.md](command.md)): `command` below is that
command. `python -m deploy.configuration` makes this page from the code.

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

| variable | read by | default | unit | meaning |
|---|---|---|---|---|
"""
_NAMES = '''"""The names of all settings of all services, made by `python -m deploy.configuration`."""

NAMES = frozenset(
    {{
{}
    }}
)
'''


def table() -> str:
    """The page."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {', '.join(_readers(name))} | {_default(field)} | {_unit(name)}"
        f" | {field.description} |"
        for name, field in _fields().items()
    ]
    return _INTRODUCTION + "\n".join(rows) + "\n"


def names() -> str:
    """The module that holds all names, so that a service knows those of the others."""
    return _NAMES.format("\n".join(f'        "{name}",' for name in sorted(_fields())))


def _fields() -> dict[str, Any]:
    """Every setting; of one that a service needs and the command can do without, the service's."""
    return {name: field for block in reversed(SERVICES.values()) for name, field in block.model_fields.items()}


def _readers(name: str) -> list[str]:
    return [service for service, block in SERVICES.items() if name in block.model_fields]


def _unit(name: str) -> str:
    return _UNITS.get(name.rpartition("_")[2], "")


def _default(field: Any) -> str:
    default = field.get_default(call_default_factory=True)
    return "required" if default is PydanticUndefined else f"`{json.dumps(default)}`"


if __name__ == "__main__":
    PATH.write_text(table())
    NAMES_PATH.write_text(names())
