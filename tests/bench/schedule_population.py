"""Connectors as a customer base has them, written by SQL: organisations, servers, mappings and finished runs."""

from typing import Any

import psycopg

Db = psycopg.Connection[dict[str, Any]]

OF_ORGANISATION, AT_SERVER, RUNS_OF_EACH = 20, 5, 4
_CONNECTORS = """
    insert into connectors (id, org_id, name, host, port, username, path, sealed_password, host_keys, interval_seconds,
                            due_at, last_success_at, created_at, server_address, file_checksum, file_blob, file_size,
                            file_mtime, file_looked_at, file_compared_at, file_mapping_version)
    select gen_random_uuid(), md5('organisation ' || number / %(of_organisation)s)::uuid, 'CRM ' || number,
           'sftp' || server || '.example.com', 22, 'leadbay', '/exports/leads.csv', repeat('c', 120),
           array['ssh-ed25519 SHA256:' || repeat('k', 43)], %(interval)s,
           now() + make_interval(
               secs => 10 + number * 7919::bigint %% %(connectors)s * %(interval)s::float8 / %(connectors)s),
           now() - random() * interval '1 hour', now() - interval '90 days',
           '10.' || server / 65536 || '.' || server / 256 %% 256 || '.' || server %% 256,
           repeat('a', 64), 'org/' || repeat('b', 64), 1000000, 1760000000, now(), now(), 1
    from (select number, number / %(at_server)s as server from generate_series(0, %(connectors)s - 1) number) numbered
"""
_MAPPINGS = """
    insert into import_mappings (org_id, version, fields, statuses, saved_by)
    select org_id, 1, '{}', '{}', min(id::text)::uuid from connectors group by org_id
"""
_RUNS = """
    insert into runs (id, org_id, connector_id, trigger, stage, lease_until, outcome, queued_at, started_at,
                      finished_at, server, looked_at, address, algorithms, host_key)
    select gen_random_uuid(), org_id, id, 'schedule', 'done', moment, 'unchanged', moment, moment, moment,
           server_address, moment, server_address, repeat('x', 90), host_keys[1]
    from generate_series(%(runs)s, 1, -1) age, lateral (select now() - age * interval '1 hour' as moment) at, connectors
"""
_TESTS = """
    insert into connection_tests (id, org_id, reply_to, host, port, host_key, asked_at, answered_at, ok)
    select gen_random_uuid(), org_id, 'a form', host, 22, host_keys[1], now() - random() * interval '20 days', now(),
           true
    from connectors
"""


def populate(db: Db, connectors: int, interval_seconds: int) -> None:
    """So many connectors with a history; within each interval each becomes due once, evenly, beginning in 10 s."""
    places = {"of_organisation": OF_ORGANISATION, "at_server": AT_SERVER}
    db.execute(_CONNECTORS, {"connectors": connectors, "interval": interval_seconds, **places})
    db.execute(_MAPPINGS)
    db.execute(_RUNS, {"runs": RUNS_OF_EACH})
    db.execute(_TESTS)
    db.execute("create table first_due as select id, due_at from connectors")
    db.execute("vacuum (analyze)")
    db.execute("checkpoint")


def make_all_due(db: Db) -> None:
    """Every connector is due, as after an outage of hours."""
    db.execute("update connectors set due_at = now() - random() * interval '10 minutes'")
    db.execute("vacuum (analyze) connectors")
