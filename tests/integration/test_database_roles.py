"""The roles of the services: each may do what its statements need, and nothing else."""

from collections.abc import Iterator

import pytest

from deploy.local.stack import ROLES
from shared.database import Db, connect

_ORDER = ("select", "insert", "delete", "update", "truncate", "references", "trigger")
# Columns are named where a verb is not for all; of most updates those that nobody changes.
GRANTS: dict[str, dict[str, str]] = {
    "scheduler": {
        "connectors": "select, insert, update all but created_at id org_id",
        "runs": "select, insert, delete, update address algorithms awaits_turn blob checksum code detail file_mtime"
        " file_size finished_at host_key lease_until looked_at outcome received_bytes remote_checksum remote_path"
        " remote_size sends server stage started_at",
        "rejects": "select, delete",
        "decisions": "select, insert, delete",
        "connection_tests": "select, insert, delete, update answered_at host_key ok",
        "host_keys_seen": "select, insert",
        "import_mappings": "select, insert",
        "custom_fields": "select, insert, update all but id org_id",
        "fingerprints": "delete, select connector_id org_id",
        "removals": "select, insert, update lease_until",
        "inbox": "select, insert, delete",
        "outbox": "select, insert, delete",
        "schema_migrations": "select",
    },
    "importer": {
        "connectors": "delete, select csv_options due_at file_blob file_checksum file_code file_mapping_version host"
        " host_keys id last_success_at name org_id path server_address state,"
        " update all but created_at csv_options done_marker due_at host id interval_seconds name org_id path"
        " paused_code port sealed_key sealed_password state updated_at username",
        "runs": "select, delete, update all but connector_id dry_run id org_id queued_at received_bytes reply_to sends"
        " started_at traceparent tracestate trigger",
        "decisions": "select, insert, delete",
        "rejects": "select, insert, delete",
        "connection_tests": "select, delete, update previewed_at",
        "host_keys_seen": "select, delete",
        "import_mappings": "select, delete",
        "custom_fields": "select, delete",
        "removals": "select, update leads lease_until removed_at",
        "fingerprints": "select, insert, delete, update all but connector_id org_id",
        "leads": "select, insert, delete, update all but created_at id org_id",
        "lead_keys": "select, insert, delete",
        "contacts": "select, insert, delete, update all but created_at key lead_id org_id",
        "deals": "select, insert, delete, update all but created_at crm_id org_id",
        "outbox": "insert",
    },
    "operator": {
        "connectors": "select, update due_at file_blob file_checksum file_code file_compared_at file_looked_at"
        " file_mapping_version file_mtime file_remote_checksum file_remote_path file_remote_size file_size sealed_key"
        " sealed_password",
        "runs": "select",
        "outbox": "select created_at id kind name run_id",
        "schema_migrations": "select",
        "decisions": "select",
        "rejects": "select",
        "connection_tests": "select",
        "host_keys_seen": "select",
        "import_mappings": "select",
        "custom_fields": "select",
        "fingerprints": "select",
        "removals": "select",
    },
}


@pytest.fixture
def db(common_url: str) -> Iterator[Db]:
    """A superuser's look at the catalogue."""
    with connect(common_url, name="test") as made:
        yield made


def test_roles_are_plain_and_own_nothing(db: Db) -> None:
    roles = list(ROLES.values())
    rows = db.execute("select * from pg_roles where rolname = any(%s)", [roles]).fetchall()
    powers = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
    assert [(row["rolname"], power) for row in rows for power in powers if row[power]] == []
    assert {row["rolname"] for row in rows} == set(roles)
    owned = (
        "select relname from pg_class where relowner = any(%(roles)s::regrole[]) and relpersistence <> 't'"
        " union all select nspname from pg_namespace where nspowner = any(%(roles)s::regrole[])"
        " union all select proname from pg_proc where proowner = any(%(roles)s::regrole[])"
        " union all select datname from pg_database where datdba = any(%(roles)s::regrole[])"
    )
    assert db.execute(owned, {"roles": roles}).fetchall() == []
    member = "select 1 from pg_auth_members where member = any(%s::regrole[])"
    assert db.execute(member, [roles]).fetchall() == []


@pytest.mark.parametrize("service", ROLES)
def test_roles_may_do_what_they_have_to(db: Db, service: str) -> None:
    assert granted(db, ROLES[service]) == GRANTS[service]


def test_roles_make_no_table_and_no_schema(db: Db) -> None:
    rows = db.execute(
        "select rolname from pg_roles where rolname = any(%s) and (has_schema_privilege(oid, 'public', 'create')"
        " or has_database_privilege(oid, current_database(), 'create'))",
        [list(ROLES.values())],
    )
    assert rows.fetchall() == []


def test_nothing_is_granted_to_everybody_or_by_default(db: Db) -> None:
    assert granted(db, "public") == {}
    assert db.execute("select * from pg_default_acl").fetchall() == []


def granted(db: Db, role: str) -> dict[str, str]:
    """What was granted to a role, in the words of `GRANTS`."""
    rows = db.execute(
        "with grantee as (select coalesce(to_regrole(%s)::oid, 0) as id)"
        " select relname, lower(privilege_type) as verb, '{}'::name[] as columns"
        " from pg_class, aclexplode(relacl) acl"
        " where relnamespace = 'public'::regnamespace and grantee = (select id from grantee)"
        " union all"
        " select relname, lower(privilege_type), array_agg(attname) from pg_class c"
        " join pg_attribute a on a.attrelid = c.oid, aclexplode(attacl) acl"
        " where relnamespace = 'public'::regnamespace and grantee = (select id from grantee) group by 1, 2",
        [role],
    )
    tables: dict[str, dict[str, set[str]]] = {}
    for row in rows:
        tables.setdefault(row["relname"], {}).setdefault(row["verb"], set()).update(row["columns"])
    return {table: _in_words(columns_of(db, table), verbs) for table, verbs in tables.items()}


def columns_of(db: Db, table: str) -> set[str]:
    rows = db.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped", [table]
    )
    return {row["attname"] for row in rows}


def _in_words(every: set[str], verbs: dict[str, set[str]]) -> str:
    """First the verbs that are for the whole table, then those for some of its columns."""
    ordered = sorted(verbs, key=lambda verb: (bool(verbs[verb]), _ORDER.index(verb)))
    return ", ".join(f"{verb}{_columns(every, verbs[verb], but=verb == 'update')}" for verb in ordered)


def _columns(every: set[str], columns: set[str], *, but: bool) -> str:
    if but and len(columns) > len(every) / 2:
        return f" all but {' '.join(sorted(every - columns))}"
    return "".join(f" {column}" for column in sorted(columns))
