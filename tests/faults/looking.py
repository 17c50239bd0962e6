"""Gathers, after an exercise, everything that the ledger is compared with."""

import csv
import json
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psutil
from prometheus_client import CollectorRegistry
from psycopg.conninfo import conninfo_to_dict

from deploy.local.stack import ROLES
from services.importer.garbage import Garbage
from services.importer.settings import Settings
from shared.blobs import KINDS, Blobs
from shared.bus.events import PARKED_QUEUE
from shared.database import pool
from shared.metrics import Metrics
from tests.conftest import PASSWORD
from tests.faults.check import Found
from tests.faults.drill import DEAD, Drill
from tests.leaks import leaks

_LEADS = "select org_id, sector as ledger_id, crm_id, name, city, status from leads where org_id = any(%s)"
_CONTACTS = """
    select c.org_id, l.sector as ledger_id, c.email from contacts c
    left join leads l on l.org_id = c.org_id and l.id = c.lead_id where c.org_id = any(%s)
"""
_DEALS = """
    select d.org_id, l.sector as ledger_id, d.crm_id from deals d
    left join leads l on l.org_id = d.org_id and l.id = d.lead_id where d.org_id = any(%s)
"""
_IMPORTS = """
    select id as run_id, org_id, connector_id, checksum, mapping_version, rows_read as read, rows_created as created,
           rows_updated as updated, rows_unchanged as unchanged, rows_rejected as rejected, rows_ignored as ignored,
           (select count(distinct line) from rejects j where j.run_id = runs.id and j.org_id = runs.org_id) as kept,
           reject_blob
    from runs where org_id = any(%s) and outcome = 'succeeded' and not dry_run order by finished_at
"""
_ENDS = "select id::text, outcome from runs where org_id = any(%s) and outcome is not null and not dry_run"
# What belongs together belongs to one organisation.
_STRANGERS = """
    select 'a run of connector ' || c.id as what from runs r join connectors c on c.id = r.connector_id
    where r.org_id <> c.org_id
    union all select 'a rejected row of run ' || r.id from rejects j join runs r on r.id = j.run_id
    where r.org_id <> j.org_id
    union all select 'fingerprints of connector ' || c.id from fingerprints f join connectors c on c.id = f.connector_id
    where f.org_id <> c.org_id
    union all select 'a contact of no lead of its organisation: ' || c.lead_id from contacts c
    where not exists (select from leads l where l.org_id = c.org_id and l.id = c.lead_id)
    union all select 'a deal of no lead of its organisation: ' || d.lead_id from deals d
    where not exists (select from leads l where l.org_id = d.org_id and l.id = d.lead_id)
    union all select 'a key of no lead of its organisation: ' || k.key from lead_keys k
    where not exists (select from leads l where l.org_id = k.org_id and l.id = k.lead_id)
    union all select 'a lead without its keys: ' || l.id from leads l
    where l.crm_id is not null and not exists (select from lead_keys k where k.org_id = l.org_id and k.lead_id = l.id)
"""
_TABLES = """
    select tablename as name, exists (
        select from information_schema.columns where table_name = tablename and column_name = 'org_id'
    ) as owned
    from pg_tables where schemaname = 'public'
"""
_NEEDED = """
    select blob from runs where org_id = any(%(ours)s) and outcome = 'succeeded'
    union select reject_blob from runs where org_id = any(%(ours)s) and reject_blob is not null
    union select blob from fingerprints where org_id = any(%(ours)s)
"""
_TRIED_TOO_OFTEN = "select id from runs where org_id = any(%s) and (attempt > 5 or sends > 5 or code = 'gave_up')"
_SESSIONS = """
    select count(*) as open, count(*) filter (where state like 'idle in transaction%%') as waiting
    from pg_stat_activity where datname = current_database() and usename = any(%s)
"""
# What may come in addition to the first look at a process: each of its threads that publishes has a connection of four
# open files, once. What leaks goes on and on.
_MORE = {"open files": 40, "threads": 12, "MiB": 150, "sessions": 20, "sessions in a transaction": 0}
_PATIENCE_SECONDS = 10.0
_FIRST: WeakKeyDictionary[Drill, dict[tuple[str, str], int]] = WeakKeyDictionary()


def look(drill: Drill, handles: dict[int, int], *, parked: bool) -> Found:
    """What there is; `handles`: open files of each process before, `parked`: dead letters are no surprise."""
    org_ids = drill.ledger.org_ids
    tables = _tables(drill)
    return Found(
        leads=drill.rows(_LEADS, org_ids),
        contacts=drill.rows(_CONTACTS, org_ids),
        deals=drill.rows(_DEALS, org_ids),
        imports=[row | {"filed": _filed(drill, row.pop("reject_blob"))} for row in drill.rows(_IMPORTS, org_ids)],
        ends={row["id"]: row["outcome"] for row in drill.rows(_ENDS, org_ids)},
        events=drill.heard(),
        texts=[*((owner, text) for _, owner, text in tables if owner), *_blobs(drill)],
        strangers=[row["what"] for row in drill.rows(_STRANGERS)],
        leaks=list(_leaks(drill, tables)),
        litter=[*_litter(drill), *_gathered(drill, handles)],
        sick=list(_sick(drill, parked=parked)),
    )


def _sick(drill: Drill, *, parked: bool) -> Iterator[str]:
    for queue, count in drill.depths(DEAD).items():
        if count and not parked:
            yield f"{count} messages in {queue}"
        if count and (silent := sum(not _reason(queue, *letter) for letter in _letters(drill, queue))):
            yield f"{silent} messages in {queue} do not say why"
    for row in drill.rows(_TRIED_TOO_OFTEN, drill.ledger.org_ids):
        yield f"run {row['id']} was tried too often"
    for name, service in drill.services.items():
        if not service.running or service.status("/healthz")[0] != 200:
            yield f"{name} is not well"


def _letters(drill: Drill, queue: str) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Headers and body of each message; all of them go back."""
    with drill.channel() as channel:
        while (got := channel.basic_get(queue))[0] is not None:
            yield got[1].headers or {}, got[2]


def _reason(queue: str, headers: dict[str, Any], body: bytes) -> object:
    """Why a message was given up: the service says it itself, or RabbitMQ does."""
    return json.loads(body).get("reason") if queue == PARKED_QUEUE else headers.get("x-death")


def _tables(drill: Drill) -> list[tuple[str, UUID | None, str]]:
    """Every table as text, by organisation; one that is nobody's whole."""
    found: list[tuple[str, UUID | None, str]] = []
    for table in drill.rows(_TABLES):
        query = f"select t::text as text from {table['name']} t"
        for owner in drill.ledger.org_ids if table["owned"] else [None]:
            rows = drill.rows(f"{query} where org_id = %s", owner) if owner else drill.rows(query)
            found.append((table["name"], owner, "".join(f"{table['name']} {row['text']}\n" for row in rows)))
    return found


def _blobs(drill: Drill) -> Iterator[tuple[UUID, str]]:
    """What the blob store keeps for each organisation."""
    for org_id in drill.ledger.org_ids:
        for path in drill.stack.blobs.glob(f"*/{org_id}/*"):
            yield org_id, path.read_text(errors="replace")


def _filed(drill: Drill, key: str | None) -> int | None:
    """How many rows the file of rejected rows has; None where it is gone, as another check says."""
    if key is None:
        return 0
    path = drill.stack.blobs / key
    return len(list(csv.reader(path.read_text().splitlines()))) - 1 if path.exists() else None


def _leaks(drill: Drill, tables: list[tuple[str, UUID | None, str]]) -> Iterator[str]:
    environment = drill.stack.environment("fetcher")
    passwords = {
        f"the {role}'s password": conninfo_to_dict(drill.stack.environment(role)["SFTP_CONNECTOR_DATABASE_URL"])[
            "password"
        ]
        for role in ROLES
    }
    secrets = {
        "the customer's password": drill.password,
        "the customer's first password": PASSWORD,
        "the administrator's password": str(conninfo_to_dict(drill.stack.database_url)["password"]),
        **{name: str(password) for name, password in passwords.items()},
        "the key that opens logins": json.loads(environment["SFTP_CONNECTOR_SEAL_PRIVATE_KEYS"])[0],
    }
    home = drill.stack.home
    places = {
        "logs": "".join(path.read_text(errors="replace") for path in home.rglob("*.log")),
        "the database's log": drill.stack.servers.postgres.log_path.read_text(errors="replace"),
        "events": json.dumps(drill.events, ensure_ascii=False),
        "metrics": "".join(service.status("/metrics")[1] for service in drill.services.values() if service.running),
        "statements": str(drill.rows("select query from pg_stat_activity")),
        "names of blobs": " ".join(str(path) for path in drill.stack.blobs.rglob("*")),
        "RabbitMQ's log": drill.stack.servers.rabbitmq.log_path.read_text(errors="replace"),
        "dead letters": "".join(drill.bodies(DEAD)),
        "tables": "".join(text for _, _, text in tables),
    }
    yield from leaks(places, secrets)


def _litter(drill: Drill) -> Iterator[str]:
    """What a sweep leaves although nobody needs it, or takes although somebody does."""
    settings = Settings(
        amqp_url="amqp://nowhere",
        database_url="postgresql://nowhere",
        blob_url=f"file://{drill.stack.blobs}",
        young_blob_seconds=0.001,
    )
    with pool(drill.stack.database_url, name="sweep", size=2) as connections:
        Garbage(settings, connections, Blobs(settings.blob_url), Metrics(CollectorRegistry())).step()
    left = {str(path.relative_to(drill.stack.blobs)) for path in drill.stack.blobs.rglob("*") if path.is_file()}
    needed = {row["blob"] for row in drill.rows(_NEEDED, ours=drill.ledger.org_ids)}
    yield from (f"the blob {key} is missing" for key in sorted(needed - left))
    ours = tuple(f"{kind}/{org_id}/" for kind in KINDS for org_id in drill.ledger.org_ids)
    yield from sorted(key for key in left - needed if key.startswith((*ours, "incoming/")))


def _gathered(drill: Drill, before: dict[int, int]) -> list[str]:
    """What processes hold that they did not hold at the first look at them, and do not give back."""
    first = _FIRST.setdefault(drill, {})
    for pid, count in before.items():
        first.setdefault((f"process {pid}", "open files"), count)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        wrong = [
            f"{who} has {count} {what}, and had {first[who, what]}"
            for (who, what), count in _held(drill).items()
            if count > first.setdefault((who, what), count if _MORE[what] else 0) + _MORE[what]
        ]
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.1)


def _held(drill: Drill) -> dict[tuple[str, str], int]:
    (sessions,) = drill.rows(_SESSIONS, list(ROLES.values()))
    database = "the database"
    found = {(database, "sessions"): sessions["open"], (database, "sessions in a transaction"): sessions["waiting"]}
    for pid in [service.pid for service in drill.services.values() if service.pid is not None]:
        process = psutil.Process(pid)
        found[f"process {pid}", "open files"] = process.num_fds()
        found[f"process {pid}", "threads"] = process.num_threads()
        found[f"process {pid}", "MiB"] = process.memory_info().rss // 2**20
    return found
