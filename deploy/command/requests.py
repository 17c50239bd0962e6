"""What an operator asks for in an admin's place: sync, pause, resume, test; and replay, for which no admin can ask."""

from typing import Annotated
from uuid import UUID

import typer

from deploy.command.asking import Desk, Event, desk
from deploy.command.looking import Looks, looking
from deploy.command.output import Json, Problem, dump, say
from deploy.command.settings import AskSettings
from shared.contracts import (
    AboutConnector,
    ConnectionTestAsked,
    MappingNeeded,
    PauseAsked,
    Paused,
    Refused,
    ResumeAsked,
    Resumed,
    RowCounts,
    SyncCancelled,
    SyncFailed,
    SyncHeld,
    SyncNowAsked,
    SyncQueued,
    SyncSucceeded,
    SyncUnchanged,
    Tested,
    Told,
)
from shared.database import Row
from shared.settings import load

Timeout = Annotated[float, typer.Option(min=1, help="How many seconds to wait for the answer.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the run has ended, too.")]

_ENDS = {kind.type for kind in (SyncSucceeded, SyncUnchanged, SyncHeld, MappingNeeded, SyncFailed, SyncCancelled)}
_BAD_ENDS = {SyncFailed.type, SyncCancelled.type}


def sync(
    connector_id: UUID,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what an import would do.")] = False,
    wait: Wait = False,
    timeout: Timeout = 60,
    as_json: Json = False,
) -> None:
    """Have the file looked at, and imported if it changed."""
    settings = load(AskSettings)
    connector = _connector(settings, connector_id)
    with desk(settings) as opened:
        asked = opened.ask(SyncNowAsked, connector["org_id"], connector_id=str(connector_id), dry_run=dry_run)
        answer = opened.answer(asked, timeout, SyncQueued.type)
        _tell(_end(opened, answer, timeout) if wait else answer, as_json=as_json)


def pause(connector_id: UUID, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Look at the file no more, until it is resumed."""
    _ask(connector_id, PauseAsked, Paused, timeout, as_json=as_json)


def resume(connector_id: UUID, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Look at the file again, at once."""
    _ask(connector_id, ResumeAsked, Resumed, timeout, as_json=as_json)


def try_connection(connector_id: UUID, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Test the connection with the stored login."""
    settings = load(AskSettings)
    connector = _connector(settings, connector_id)
    form = {name: connector[name] for name in ("host", "port", "username", "path", "done_marker")}
    with desk(settings) as opened:
        asked = opened.ask(ConnectionTestAsked, connector["org_id"], connector_id=str(connector_id), **form)
        _tell(opened.answer(asked, timeout, Tested.type), as_json=as_json)


def replay(run_id: UUID, wait: Wait = False, timeout: Timeout = 60, as_json: Json = False) -> None:
    """Import the stored file of a run again; the customer's server sees no connection."""
    settings = load(AskSettings)
    with desk(settings) as opened:
        with looking(settings) as looks:
            run = looks.run(run_id)
            older = _planned(looks, run)
        queued = opened.first(lambda event: _is_replay(event, run), timeout)
        if older and not as_json:
            say("It is another version than the last one: the next look brings the file of now again.")
        _tell(_end(opened, queued, timeout) if wait else queued, as_json=as_json)


def _planned(looks: Looks, run: Row) -> bool:
    """Make the connector due with this file; whether it is another one than it had. A Problem where it cannot be."""
    if not run["stored"]:
        raise Problem("That run stored no file: `sftp-connector sync` fetches the file of now.")
    (connector,) = looks.rows("lock_connector", connector_id=run["connector_id"])
    if connector["state"] != "active":
        raise Problem(f"The connector is {connector['state']}: only an active one is looked at.")
    for other in looks.rows("open_run_of", connector_id=run["connector_id"]):
        raise Problem(f"Run {other['id']} of the connector is still open: replay when it has ended.")
    looks.change("replay", run_id=run["id"])
    return bool(connector["file_checksum"] != run["checksum"])


def _is_replay(event: Event, run: Row) -> bool:
    return bool(
        event["type"] == SyncQueued.type
        and event.get("connector_id") == str(run["connector_id"])
        and event.get("trigger") == "mapping"
        and not event.get("dry_run")
    )


def _ask(
    connector_id: UUID, asked_type: type[AboutConnector], answer: type[Told], timeout: float, *, as_json: bool
) -> None:
    settings = load(AskSettings)
    connector = _connector(settings, connector_id)
    with desk(settings) as opened:
        asked = opened.ask(asked_type, connector["org_id"], connector_id=str(connector_id))
        _tell(opened.answer(asked, timeout, answer.type), as_json=as_json)


def _connector(settings: AskSettings, connector_id: UUID) -> Row:
    with looking(settings) as looks:
        return looks.connector(connector_id)


def _end(opened: Desk, queued: Event, timeout: float) -> Event:
    """How the run ended that stands for what was asked; a refusal is the end already."""
    if queued["type"] == Refused.type:
        return queued
    run_id = queued["run_id"]
    try:
        return opened.first(lambda event: event["type"] in _ENDS and event.get("run_id") == run_id, timeout)
    except Problem:
        line = f"Run {run_id} has not ended within {timeout:g} s: `sftp-connector explain {run_id}` tells where it is."
        raise Problem(line) from None


def _tell(event: Event, *, as_json: bool) -> None:
    """Print the answer, and end with 1 where it is no good one."""
    if as_json:
        dump({"answer": event})
    else:
        for line in _lines(event):
            say(line)
    if event["type"] in {Refused.type, *_BAD_ENDS} or event.get("ok") is False:
        raise typer.Exit(1)


def _lines(event: Event) -> list[str]:
    lines = [event["type"].removeprefix("sftp_connector.").replace("_", " ")]
    steps = event.get("steps", ())
    lines += [f"{'✓' if step['ok'] else '✗'} {step['name']} {step['message']}".rstrip() for step in steps]
    if rows := event.get("rows"):
        # Without a mapping the records of the file are merely counted.
        rows = rows if isinstance(rows, dict) else {"read": rows}
        counts = (f"{rows[name]:,} {name}" for name in RowCounts.model_fields if rows.get(name))
        lines.append(f"rows: {', '.join(counts)}")
    lines += dict.fromkeys(event[name] for name in ("message", "action", "detail") if event.get(name))
    lines += [f"{problem['field']}: {problem['message']}" for problem in event.get("errors", ())]
    if event.get("run_id"):
        lines.append(f"run {event['run_id']}: `sftp-connector explain {event['run_id']}` tells how it goes")
    return lines
