"""Connectors: `connectors` lists them, `show` tells all about one."""

from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from deploy.command.looking import looking
from deploy.command.output import Json, Limit, dump, facts, say, table
from shared.errors import advice

_COLUMNS = {
    "id": "connector",
    "org_id": "organisation",
    "name": "name",
    "state": "state",
    "host": "host",
    "path": "path",
    "code": "code",
    "failures": "failures",
    "due_at": "next look (UTC)",
    "last_success_at": "last success (UTC)",
}
_RUNS = {
    "id": "run",
    "trigger": "trigger",
    "stage": "stage",
    "outcome": "outcome",
    "code": "code",
    "queued_at": "queued (UTC)",
    "rows_read": "rows",
}


def list_connectors(
    org: Annotated[UUID | None, typer.Option(help="Those of this organisation.")] = None,
    state: Annotated[Literal["active", "paused", "deleted"] | None, typer.Option(help="All but deleted ones.")] = None,
    code: Annotated[str | None, typer.Option(help="Whose last look, pause or file has this code.")] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """List connectors."""
    with looking() as looks:
        found = looks.rows("connectors", org=org, state=state, code=code, limit=limit)
    rows = [{**row, "code": row["paused_code"] or row["last_code"] or row["file_code"]} for row in found]
    if as_json:
        dump({"connectors": rows})
    else:
        table(rows, _COLUMNS)


def show(connector_id: UUID, as_json: Json = False) -> None:
    """Tell all about a connector but its login, with its last runs."""
    with looking() as looks:
        connector = looks.connector(connector_id)
        runs = looks.runs(connector_id, open=False, failed=False, limit=5)
    codes = [connector[name] for name in ("paused_code", "last_code", "file_code") if connector[name]]
    words = [_in_words(code) for code in dict.fromkeys(codes)]
    if as_json:
        dump({"connector": connector, "advice": words, "runs": runs})
        return
    facts(connector)
    for word in words:
        say("")
        say(f"{word['code']}: {word['message']} {word['action']}")
    say("")
    say("Its last runs:")
    table(runs, _RUNS)


def _in_words(code: str) -> dict[str, Any]:
    known = advice(code)
    return {"code": code, "message": known.message, "action": known.action}
