"""Runs: `runs` lists them, `explain` tells the life of one, `rejects` what it did not import."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from deploy.command.life import life, now_in_words, what_to_do
from deploy.command.looking import looking
from deploy.command.output import Json, Limit, dump, facts, say, table

_COLUMNS = {
    "id": "run",
    "connector_id": "connector",
    "trigger": "trigger",
    "dry_run": "dry",
    "stage": "stage",
    "outcome": "outcome",
    "code": "code",
    "queued_at": "queued (UTC)",
    "finished_at": "ended (UTC)",
    "rows_read": "rows",
    "rows_rejected": "rejected",
}
_REJECTS = {
    "line": "line",
    "record": "record",
    "column_name": "column",
    "code": "code",
    "value": "shape of the cell",
    "reason": "reason",
}
_LIFE = {"at": "when (UTC)", "words": "what happened"}
_FACTS = ("id", "connector_id", "org_id", "host", "path", "trigger", "dry_run", "stage", "outcome", "code")


def list_runs(
    connector: Annotated[UUID | None, typer.Option(help="Those of this connector.")] = None,
    still_open: Annotated[bool, typer.Option("--open", help="That did not end yet.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="That failed.")] = False,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List runs, the newest first."""
    with looking() as looks:
        rows = looks.runs(connector, open=still_open, failed=failed, limit=limit)
    if as_json:
        dump({"runs": rows})
    else:
        table(rows, _COLUMNS)


def explain(run_id: UUID, as_json: Json = False) -> None:
    """Tell the life of a run, where it is now, and what to do."""
    with looking() as looks:
        run = looks.run(run_id)
        decisions = looks.decisions(run)
    moments = [moment._asdict() for moment in life(run, decisions)]
    now, to_do = now_in_words(run), what_to_do(run)
    if as_json:
        dump({"run": run, "life": moments, "now": now, "to_do": to_do})
        return
    facts({name: run[name] for name in _FACTS})
    say("")
    table([{**moment, "at": _exact(moment["at"])} for moment in moments], _LIFE)
    say("")
    say(now, "bold")
    if to_do:
        say(to_do)


def _exact(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(" ", "milliseconds").removesuffix("+00:00")


def rejects(run_id: UUID, limit: Limit = 100, as_json: Json = False) -> None:
    """List the rows that a run rejected, and the cells that it left out."""
    with looking() as looks:
        run = looks.run(run_id)
        rows = looks.rows("rejects", run_id=run_id, limit=limit)
    if as_json:
        dump({"run_id": run_id, "rows_rejected": run["rows_rejected"], "file": run["reject_blob"], "rejects": rows})
        return
    table(rows, _REJECTS)
    say("")
    say(f"rejected: {run['rows_rejected']:,} of {run['rows_read']:,} rows; reasons shown: {len(rows):,}")
    if run["reject_blob"]:
        say(f"The rows as CSV: {run['reject_blob']} in the blob store.")
