"""Gathers, after an exercise, everything that the ledger is compared with."""

import json
from collections.abc import Iterator
from uuid import UUID

from prometheus_client import CollectorRegistry
from psycopg.conninfo import conninfo_to_dict

from services.importer.garbage import Garbage
from services.importer.settings import Settings
from shared.blobs import KINDS, Blobs
from shared.database import pool
from shared.metrics import Metrics
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
           (select count(distinct line) from rejects j where j.run_id = runs.id and j.org_id = runs.org_id) as kept
    from runs where org_id = any(%s) and outcome = 'succeeded' and not dry_run
"""
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
    union all select 'a key of no lead of its organisation: ' || k.key from lead_keys k
    where not exists (select from leads l where l.org_id = k.org_id and l.id = k.lead_id)
    union all select 'a lead without its keys: ' || l.id from leads l
    where l.crm_id is not null and not exists (select from lead_keys k where k.org_id = l.org_id and k.lead_id = l.id)
"""
_TEXTS = """
    select org_id, concat_ws(' ', code, reason, value) as text from rejects where org_id = any(%(ours)s)
    union all select org_id, concat_ws(' ', step, detail) from decisions where org_id = any(%(ours)s)
    union all select org_id, concat_ws(' ', detail, remote_path, blob, reject_blob) from runs
    where org_id = any(%(ours)s)
"""
_NEEDED = """
    select blob from runs where org_id = any(%(ours)s) and outcome = 'succeeded'
    union select reject_blob from runs where org_id = any(%(ours)s) and reject_blob is not null
    union select blob from fingerprints where org_id = any(%(ours)s)
"""
# Whatever is kept as text and might hold what it must not.
_TABLES = ("runs", "rejects", "decisions", "outbox", "inbox", "connectors", "connection_tests", "import_mappings")
_TRIED_TOO_OFTEN = "select id from runs where org_id = any(%s) and (attempt > 5 or sends > 5 or code = 'gave_up')"
# That a process may have opened meanwhile: each of its threads that publishes, once, has a connection of four.
_HANDLES = 40


def look(drill: Drill, handles: dict[int, int], *, parked: bool) -> Found:
    """What there is; `handles`: open files of each process before, `parked`: dead letters are no surprise."""
    org_ids = drill.ledger.org_ids
    dead = {} if parked else drill.depths(DEAD)
    tried = drill.rows(_TRIED_TOO_OFTEN, org_ids)
    return Found(
        leads=drill.rows(_LEADS, org_ids),
        contacts=drill.rows(_CONTACTS, org_ids),
        deals=drill.rows(_DEALS, org_ids),
        imports=drill.rows(_IMPORTS, org_ids),
        events=drill.heard(),
        texts=list(_texts(drill)),
        strangers=[row["what"] for row in drill.rows(_STRANGERS)],
        leaks=list(_leaks(drill)),
        litter=[*_litter(drill), *_handles(drill, handles)],
        sick=[
            *(f"{count} messages in {queue}" for queue, count in dead.items() if count),
            *(f"run {row['id']} was tried too often" for row in tried),
            *(
                f"{name} is not well"
                for name, service in drill.services.items()
                if service.status("/healthz")[0] != 200
            ),
        ],
    )


def _texts(drill: Drill) -> Iterator[tuple[UUID, str]]:
    """What is kept of each organisation in words, in tables and in the files of rejected rows."""
    for row in drill.rows(_TEXTS, ours=drill.ledger.org_ids):
        yield row["org_id"], row["text"]
    for org_id in drill.ledger.org_ids:
        for path in (drill.stack.blobs / "rejects" / str(org_id)).glob("*"):
            yield org_id, path.read_text()


def _leaks(drill: Drill) -> Iterator[str]:
    environment = drill.stack.environment("fetcher")
    passwords = {
        f"the {role}'s password": conninfo_to_dict(drill.stack.environment(role)["SFTP_CONNECTOR_DATABASE_URL"])[
            "password"
        ]
        for role in ("scheduler", "importer")
    }
    secrets = {
        "the customer's password": drill.password,
        **{name: str(password) for name, password in passwords.items()},
        "the key that opens logins": json.loads(environment["SFTP_CONNECTOR_SEAL_PRIVATE_KEYS"])[0],
    }
    home = drill.stack.home
    places = {
        "logs": "".join(path.read_text(errors="replace") for path in home.rglob("*.log")),
        "the database's log": drill.stack.servers.postgres.log_path.read_text(errors="replace"),
        "events": json.dumps(drill.events, ensure_ascii=False),
        "metrics": "".join(service.status("/metrics")[1] for service in drill.services.values()),
        "statements": str(drill.rows("select query from pg_stat_activity")),
        "names of blobs": " ".join(str(path) for path in drill.stack.blobs.rglob("*")),
        "RabbitMQ's log": drill.stack.servers.rabbitmq.log_path.read_text(errors="replace"),
        "dead letters": "".join(drill.bodies(DEAD)),
        **{f"the table {table}": str(drill.rows(f"select * from {table}")) for table in _TABLES},
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


def _handles(drill: Drill, before: dict[int, int]) -> Iterator[str]:
    for pid, count in drill.handles().items():
        if count > before.get(pid, count) + _HANDLES:
            yield f"process {pid} has {count} open files, and had {before[pid]}"
