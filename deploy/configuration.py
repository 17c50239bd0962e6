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
