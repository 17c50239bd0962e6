"""`config check`: what counts for a service in this environment, and everything that is wrong with it."""

import os
from pathlib import Path
from typing import Any, Literal

import typer
from pydantic import SecretStr

from deploy.command.output import Json, dump, plain, table
from deploy.configuration import SERVICES
from shared.settings import PREFIX, SECRETS_DIR, Block, Wrong, read

app = typer.Typer(no_args_is_help=True, help="Settings.")

_COLUMNS = {"variable": "variable", "value": "value", "from": "from"}
_HIDDEN = "***"


@app.callback()
def _group() -> None:
    pass


@app.command()
def check(service: Literal["scheduler", "fetcher", "importer", "command"], as_json: Json = False) -> None:
    """Show the settings of a service as it would start here, or name every problem and end with 2."""
    values, problems = [], []
    try:
        values = effective(read(SERVICES[service]))
    except Wrong as wrong:
        problems = wrong.lines
    if as_json:
        dump({"service": service, "settings": values, "problems": problems})
    elif values:
        table(values, _COLUMNS)
    for line in problems if not as_json else ():
        typer.echo(plain(line), err=True)
    if problems:
        raise typer.Exit(2)


def effective(settings: Block) -> list[dict[str, Any]]:
    """Each setting with its value, secrets masked, and where that comes from."""
    folder = Path(os.environ[SECRETS_DIR]) if os.environ.get(SECRETS_DIR) else None
    files = {path.name.upper() for path in folder.iterdir()} if folder else set()
    variables = {name.upper() for name in os.environ}
    found = []
    for name in type(settings).model_fields:
        variable = f"{PREFIX}{name.upper()}"
        source = "environment" if variable in variables else "file" if variable in files else "default"
        found.append({"variable": variable, "value": _shown(getattr(settings, name)), "from": source})
    return found


def _shown(value: object) -> object:
    if isinstance(value, SecretStr):
        return _HIDDEN
    if isinstance(value, list):
        return [_shown(item) for item in value]
    # Of addresses and networks the text; numbers stay numbers.
    return value if isinstance(value, int | float | str) else str(value)
