"""`doctor`: looks at everything that the services stand on, and says of each part that it is well, or what to do."""

import hashlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg
import typer

from deploy.command.faults import of_database
from deploy.command.looking import Looks, looking
from deploy.command.output import Json, Problem, dump, say
from deploy.command.parked import JOB_QUEUES
from deploy.command.settings import Settings
from shared.blobs import Blobs
from shared.bus.events import UI_QUEUE
from shared.bus.queues import Queues
from shared.contracts import ConnectionTestRequested, FetchRequested
from shared.errors import Unavailable, describe
from shared.migrate import FOLDER
from shared.sealing import key_id, private_key, public_key
from shared.settings import load

_PATIENCE_SECONDS = 5.0
_MOST_SKEW_SECONDS = 2.0
_MOST_OWED_SECONDS = 60.0
_MOST_DUE_SECONDS = 900.0
_MOST_OVERDUE_SECONDS = 300.0
_FETCHER = {FetchRequested.queue, ConnectionTestRequested.queue}
_SCHEDULER = {UI_QUEUE, "sftp.reports"}


class Check(NamedTuple):
    """What was found out about one part, and what to do where it is not well."""

    part: str
    ok: bool
    words: str
    to_do: str = ""


def doctor(as_json: Json = False) -> None:
    """Check broker, database, blob store, schema, schedule, leases, queues, keys and clock."""
    settings = load(Settings)
    checks = [check for part in (_database, _broker, _blob_store) for check in part(settings)]
    if as_json:
        dump({"ok": all(check.ok for check in checks), "checks": [check._asdict() for check in checks]})
    else:
        for check in checks:
            say(f"{'✓' if check.ok else '✗'} {check.part}: {check.words}", "green" if check.ok else "bold red")
            if check.to_do:
                say(f"  {check.to_do}")
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def _database(settings: Settings) -> Iterator[Check]:
    try:
        with looking(settings) as looks:
            yield Check("database", True, "answers")
            yield _clock(looks)
            yield _migrations(looks)
            yield _outbox(looks)
            yield from _runs(looks)
            yield _keys(looks, settings)
    except Problem as problem:
        yield Check("database", False, "does not show everything", str(problem))
    except psycopg.Error as error:
        yield Check("database", False, describe(error), of_database(error))


def _clock(looks: Looks) -> Check:
    begun = time.monotonic()
    theirs = looks.row("clock")["now"]
    skew = (datetime.now(UTC) - theirs).total_seconds() - (time.monotonic() - begun) / 2
    words = f"ours and the database's are {abs(skew):.2f} s apart"
    return Check(
        "clock", abs(skew) <= _MOST_SKEW_SECONDS, words, "" if abs(skew) <= _MOST_SKEW_SECONDS else "Set both by NTP."
    )


def _migrations(looks: Looks) -> Check:
    done = {row["name"]: row["checksum"] for row in looks.rows("migrations")}
    ours = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.sql")}
    pending, newer = sorted(ours.keys() - done), sorted(done.keys() - ours)
    changed = sorted(name for name in ours.keys() & done if ours[name] != done[name])
    if changed:
        return Check("schema", False, f"other text than was applied: {', '.join(changed)}", "Use the released code.")
    if pending:
        to_do = "Run `sftp-connector migrate` as the schema's owner."
        return Check("schema", False, f"pending: {', '.join(pending)}", to_do)
    if missing := [row["name"] for row in looks.rows("missing_tables", names=_tables())]:
        to_do = "Somebody dropped them: restore the backup (docs/runbook.md)."
        return Check("schema", False, f"tables are missing: {', '.join(missing)}", to_do)
    return Check("schema", True, f"newer than this command: {', '.join(newer)}" if newer else "up to date")


def _tables() -> list[str]:
    """The tables that the migrations make."""
    return [
        name for path in FOLDER.glob("*.sql") for name in re.findall(r"^create table (\w+)", path.read_text(), re.M)
    ]


def _outbox(looks: Looks) -> Check:
    owed = looks.row("owed")
    late = owed["seconds"] > _MOST_OWED_SECONDS
    words = f"messages that RabbitMQ is owed: {owed['messages']:,}, the oldest for {owed['seconds']:,.0f} s"
    return Check("outbox", not late, words, "Start a scheduler, and see that RabbitMQ takes messages." if late else "")


def _runs(looks: Looks) -> Iterator[Check]:
    """What a scheduler that is frozen, or waits for somebody's lock, leaves undone though RabbitMQ has its consumer."""
    late = looks.row("late")
    for part, seconds, most, who, alert in (
        ("schedule", late["due"], _MOST_DUE_SECONDS, "a due connector for its run", "ConnectorsPileUp"),
        ("leases", late["overdue"], _MOST_OVERDUE_SECONDS, "a run for another worker", "LeasesOverdue"),
    ):
        words, ill = f"longest wait of {who}: {seconds:,.0f} s", seconds > most
        yield Check(part, not ill, words, f"See {alert} in docs/runbook.md." if ill else "")


def _keys(looks: Looks, settings: Settings) -> Check:
    seals = {row["key"]: row["logins"] for row in looks.rows("seals")}
    private = {key_id(private_key(key.get_secret_value()).public_key) for key in settings.seal_private_keys}
    public = {key_id(public_key(settings.seal_public_key))} if settings.seal_public_key else set()
    words = ", ".join(f"logins sealed to {key}: {count:,}" for key, count in seals.items()) or "no login is sealed"
    if not private | public:
        names = "SFTP_CONNECTOR_SEAL_PUBLIC_KEY or SFTP_CONNECTOR_SEAL_PRIVATE_KEYS"
        return Check("keys", True, f"{words}; not compared, because neither {names} is set")
    if private and public - private:
        to_do = "Give the fetchers the private key of it."
        return Check("keys", False, f"{words}; no private key opens what is sealed from now on", to_do)
    if unknown := sorted(seals.keys() - (private | public)):
        to_do = f"Give the fetchers the private keys of {', '.join(unknown)}, then run `sftp-connector reseal`."
        return Check("keys", False, f"{words}; {', '.join(unknown)} is not configured", to_do)
    return Check("keys", True, words)


def _broker(settings: Settings) -> Iterator[Check]:
    queues = Queues(settings.amqp_url.get_secret_value())
    try:
        queues.answers()
        yield Check("broker", True, "answers")
        for queue in (UI_QUEUE, *JOB_QUEUES):
            yield from _queue(queues, queue)
    except Unavailable as error:
        to_do = "See that RabbitMQ runs and has the virtual host and the user of SFTP_CONNECTOR_AMQP_URL."
        yield Check("broker", False, describe(error), to_do)
    finally:
        queues.close()


def _queue(queues: Queues, queue: str) -> Iterator[Check]:
    state = queues.state(queue)
    words = f"waiting: {state.messages:,}, consumers: {state.consumers:,}"
    service = "scheduler" if queue in _SCHEDULER else "fetcher" if queue in _FETCHER else "importer"
    yield Check(
        f"queue {queue}", state.consumers > 0, words, "" if state.consumers else f"Start a{_n(service)} {service}."
    )
    if state.dead:
        to_do = "See `sftp-connector dead-letters list`."
        yield Check(f"queue {queue}", False, f"dead letters: {state.dead:,}", to_do)


def _n(service: str) -> str:
    return "n" if service == "importer" else ""


def _blob_store(settings: Settings) -> Iterator[Check]:
    # The store itself would make the folder, and find it well.
    if settings.blob_url.startswith("file://") and not Path(settings.blob_url.removeprefix("file://")).is_dir():
        yield Check("blob store", False, "there is no such folder here", "Check SFTP_CONNECTOR_BLOB_URL.")
        return
    try:
        blobs = Blobs(settings.blob_url, _PATIENCE_SECONDS)
        blobs.check()
        ready = blobs.ready()
    except Exception as error:  # noqa: BLE001 - what the store refuses is an exception of its library's own
        yield Check("blob store", False, describe(error), "See that it runs, and check SFTP_CONNECTOR_BLOB_URL.")
        return
    to_do = "" if ready else "Check that the bucket exists and that the keys may list it."
    yield Check("blob store", ready, "answers" if ready else "refuses to list", to_do)
