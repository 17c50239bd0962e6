"""`dead-letters list|show|requeue|drop`: the messages that were given up, and what becomes of them."""

from typing import Annotated, Any

import typer
from dramatiq.common import xq_name
from pika.adapters.blocking_connection import BlockingChannel

from deploy.command import parked
from deploy.command.bus import channel
from deploy.command.output import Json, Limit, Problem, ask_first, dump, facts, say, table
from deploy.command.parked import Letter
from deploy.command.progress import progress
from shared.settings import BusSettings, load

app = typer.Typer(no_args_is_help=True, help="Messages that were given up.")

Ids = Annotated[list[str] | None, typer.Argument(help="Ids as `list` shows them.")]
Queue = Annotated[str | None, typer.Option(help="Those of this queue alone, as `list` names it.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

# So many are looked through at most; what lies behind them is seen when these are gone.
_MOST = 10_000
_COLUMNS = {
    "id": "letter",
    "queue": "queue",
    "kind": "kind",
    "parked_at": "since (UTC)",
    "bytes": "bytes",
    "about": "about",
    "reason": "reason",
}


@app.command("list")
def list_letters(queue: Queue = None, limit: Limit = 100, as_json: Json = False) -> None:
    """List dead letters, by queue."""
    with channel(load(BusSettings)) as opened:
        depths = {name: parked.depth(opened, name) for name in _queues(queue)}
        found = [_summary(letter) for letter in _letters(opened, queue, limit)]
    if as_json:
        dump({"queues": depths, "dead_letters": found})
        return
    table(
        [{**row, "about": " ".join(f"{name}={value}" for name, value in row["about"].items())} for row in found],
        _COLUMNS,
    )
    say("")
    say(f"dead letters: {sum(depths.values()):,}, shown: {len(found):,}")


@app.command()
def show(letter_id: str, as_json: Json = False) -> None:
    """Show one dead letter, without its secrets."""
    with channel(load(BusSettings)) as opened:
        found = [letter for letter in _letters(opened, None, _MOST) if letter.id == letter_id]
    if not found:
        raise _none(letter_id)
    whole = {**_summary(found[0]), "content": found[0].content}
    if as_json:
        dump({"dead_letter": whole})
    else:
        facts({name: value for name, value in whole.items() if name not in {"about", "content"}})
        if found[0].content:
            dump(found[0].content)
        else:
            say("What it says cannot be read, and is not shown, because it may be a secret.")


@app.command()
def requeue(ids: Ids = None, every: All = False, queue: Queue = None, yes: Yes = False, as_json: Json = False) -> None:
    """Have dead letters tried afresh. Jobs bear to be done twice, and an event that was carried out changes nothing."""
    _each(ids, queue, every=every, yes=yes, verb="requeued", as_json=as_json)


@app.command()
def drop(ids: Ids = None, every: All = False, queue: Queue = None, yes: Yes = False, as_json: Json = False) -> None:
    """Forget dead letters. A run whose job is dropped is sent again by the sweep all the same."""
    _each(ids, queue, every=every, yes=yes, verb="dropped", as_json=as_json)


def _each(ids: list[str] | None, queue: str | None, *, every: bool, yes: bool, verb: str, as_json: bool) -> None:
    if bool(ids) == every:
        raise typer.BadParameter("name letters by their ids, or say --all")
    settings = load(BusSettings)
    with channel(settings) as opened:
        question = _question(ids, [parked.depth(opened, name) for name in _queues(queue)], verb)
    # Nobody answers RabbitMQ's heartbeats while a person thinks.
    ask_first(question, yes=yes)
    with channel(settings) as opened:
        done, left = _done(opened, set(ids or ()), queue, verb, as_json=as_json)
        # Those that were looked at come back when the connection is closed.
        unseen = 0 if ids else sum(parked.depth(opened, name) for name in _queues(queue))
    if as_json:
        dump({verb: done, "left": list(left), "unseen": unseen})
    else:
        say(f"{verb}: {len(done)}, left: {len(left)}" + (f", not looked at: {unseen}; ask again" if unseen else ""))
        for letter_id, reason in left.items():
            say(f"left: {letter_id}: {reason}; `sftp-connector dead-letters drop` forgets it")
    if missing := sorted(set(ids or ()) - {*done, *left}):
        raise _none(*missing)
    if left or unseen:
        raise typer.Exit(1)


def _question(ids: list[str] | None, depths: list[int], verb: str) -> str:
    """What is about to happen to how many, and how many more there are than are looked through at once."""
    count = len(ids) if ids else sum(min(depth, _MOST) for depth in depths)
    behind = 0 if ids else sum(depths) - count
    remain = f", {behind} more will remain" if behind else ""
    return f"{count} dead letters will be {verb}{remain}. Go on?"


def _done(
    opened: BlockingChannel, wanted: set[str], queue: str | None, verb: str, *, as_json: bool
) -> tuple[list[str], dict[str, str]]:
    """The ids of the letters that were done with, and of those that stay, why nothing can come of them."""
    done: list[str] = []
    left: dict[str, str] = {}
    depths = {name: parked.depth(opened, name) for name in _queues(queue)}
    with progress(verb.capitalize(), sum(depths.values()), quiet=as_json) as advance:

        def is_done(letter: Letter) -> bool:
            advance()
            if wanted and letter.id not in wanted:
                return False
            if verb == "requeued" and not _revive(opened, letter):
                left[letter.id] = letter.pointless
                return False
            done.append(letter.id)
            return True

        for name in depths:
            parked.go_through(opened, name, _MOST, is_done)
    return done, left


def _revive(opened: BlockingChannel, letter: Letter) -> bool:
    revived = letter.revived()
    if revived is not None:
        parked.send(opened, *revived)
    return revived is not None


def _letters(opened: BlockingChannel, queue: str | None, limit: int) -> list[Letter]:
    found: list[Letter] = []
    for name in _queues(queue):
        # Of each, `append` says None: it stays.
        parked.go_through(opened, name, limit - len(found), lambda letter: bool(found.append(letter)))  # type: ignore[func-returns-value]
    return found


def _queues(queue: str | None) -> tuple[str, ...]:
    """Also by the name of the queue whose dead letters they are, as alerts and the doctor say it."""
    if queue in parked.JOB_QUEUES:
        return (xq_name(queue),)
    if queue is not None and queue not in parked.QUEUES:
        raise typer.BadParameter(f"there is no such queue; there are {', '.join(parked.QUEUES)}")
    return parked.QUEUES if queue is None else (queue,)


def _summary(letter: Letter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "queue": letter.queue,
        "kind": letter.kind,
        "about": letter.about,
        "parked_at": letter.parked_at,
        "bytes": len(letter.body),
        "reason": letter.reason,
    }


def _none(*ids: str) -> Problem:
    return Problem(
        f"There is no dead letter {', '.join(ids)} among the first {_MOST:,} of each queue:"
        " `sftp-connector dead-letters list` lists them."
    )
