"""Gathers, after an exercise, everything that the ledger is compared with."""

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from services.importer.garbage import Garbage
from services.importer.settings import Settings
from shared.blobs import Blobs
from shared.database import pool
from shared.metrics import Metrics
from tests.faults.check import Found
from tests.faults.drill import DEAD, Drill
from tests.leaks import leaks

_LEADS = "select org_id, sector as ledger_id from leads where org_id = any(%s)"
_CONTACTS = """
    select c.org_id, l.sector as ledger_id, c.email from contacts c
    left join leads l on l.org_id = c.org_id and l.id = c.lead_id where c.org_id = any(%s)
"""
_IMPORTS = """
    select id as run_id, org_id, connector_id, checksum, mapping_version, rows_read as read, rows_created as created,
           rows_updated as updated, rows_unchanged as unchanged, rows_rejected as rejected, rows_ignored as ignored
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
"""
_NEEDED = "select distinct blob from runs where org_id = any(%s) and outcome = 'succeeded'"
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
        imports=drill.rows(_IMPORTS, org_ids),
        events=drill.heard(),
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


def _leaks(drill: Drill) -> Iterator[str]:
    dsn = urlsplit(drill.stack.database_url)
    environment = drill.stack.environment("fetcher")
    secrets = {
        "the customer's password": drill.password,
        "the database's password": str(dsn.password),
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
    needed = {row["blob"] for row in drill.rows(_NEEDED, drill.ledger.org_ids)}
    yield from (f"the blob {key} is missing" for key in sorted(needed - left))
    ours = tuple(f"org/{org_id}/" for org_id in drill.ledger.org_ids)
    yield from sorted(key for key in left - needed if key.startswith((*ours, "incoming/")))


def _handles(drill: Drill, before: dict[int, int]) -> Iterator[str]:
    for pid, count in drill.handles().items():
        if count > before.get(pid, count) + _HANDLES:
            yield f"process {pid} has {count} open files, and had {before[pid]}"
