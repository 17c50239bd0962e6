"""Builds what the importer's tests are given: the real Handler over a database and a blob store, and files."""

import csv
import hashlib
import io
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from prometheus_client import CollectorRegistry
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool

from services.importer.handler import Handler
from services.importer.lease import Leases
from services.importer.preview import Previews
from services.importer.settings import Settings
from shared.blobs import Blobs, blob_key, preview_key
from shared.contracts import ImportRequested, PreviewRequested, SyncSucceeded
from shared.database import Db, Row
from shared.ids import new_id
from shared.metrics import Metrics
from tests.integration.conftest import pool_of
from tests.integration.scheduler.builders import Database, only

LEASE_SECONDS = 60.0
FIELDS = {
    "Company": "LEAD_NAME",
    "Website": "LEAD_WEBSITE",
    "Status": "LEAD_STATUS",
    "Since": "LEAD_STATUS_DATE",
    "City": "LEAD_LOCATION_CITY",
    "Id": "CRM_ID",
    "Email": "CONTACT_EMAIL",
    "First name": "CONTACT_FIRST_NAME",
    "Deal": "DEAL_CRM_ID",
    "Tier": "CUSTOM.7",
}
# What the mapping's version knows of the custom fields that it names.
TIER = {"name": "Tier", "kind": "TEXT", "currency": None, "format": None, "url_template": None}
CUSTOM_FIELDS = {"7": TIER}
STATUSES = {"Customer": "WON", "Lost": "LOST", "Prospect": "WANTED"}
TABLES = ("leads", "lead_keys", "contacts", "deals")
COUNTS = ("read", "created", "updated", "unchanged", "rejected", "ignored")


class Imports(Database):
    """An importer without its bus, and what stands around it: connectors, runs, mappings, blobs."""

    def __init__(self, connections: ConnectionPool[Db], folder: Path, **settings: Any) -> None:
        super().__init__(connections)
        self.org_id = uuid4()
        self.folder = folder
        self.blobs = Blobs(f"file://{folder}")
        self.service = pool_of("importer", connections)
        self.leases = Leases(self.service, LEASE_SECONDS)
        self.settings = Settings(
            amqp_url="amqp://nowhere",
            database_url="postgresql://nowhere",
            blob_url=f"file://{folder}",
            lease_seconds=LEASE_SECONDS,
            **settings,
        )
        self.handler = Handler(self.settings, self.service, self.blobs, self.leases, Metrics(CollectorRegistry()))
        self.previews = Previews(self.settings, self.service, self.blobs)

    def connector(self, org_id: UUID | None = None, **csv_options: str) -> UUID:
        """A connector of the organisation; its file is read with these options."""
        connector_id = new_id()
        self.all(
            "insert into connectors (id, org_id, name, host, port, username, path, sealed_password, interval_seconds,"
            " csv_options) values"
            " (%(id)s, %(org)s, 'CRM', 'sftp.acme.com', 22, 'leadbay', '/leads.csv', 'k.x', 900, %(csv)s)",
            id=connector_id,
            org=org_id or self.org_id,
            csv=Jsonb(csv_options),
        )
        return connector_id

    def save_mapping(
        self,
        fields: Mapping[str, str] = FIELDS,
        statuses: Mapping[str, str] = STATUSES,
        default_status: str | None = None,
        org_id: UUID | None = None,
        custom_fields: Mapping[str, Mapping[str, str | None]] = CUSTOM_FIELDS,
    ) -> None:
        """The organisation's next mapping, with the custom fields as they are now."""
        self.all(
            "insert into import_mappings (org_id, version, fields, statuses, default_status, custom_fields, saved_by)"
            " select %(org)s, coalesce(max(version), 0) + 1, %(fields)s, %(statuses)s, %(default)s, %(custom)s, %(org)s"
            " from import_mappings where org_id = %(org)s",
            org=org_id or self.org_id,
            fields=Jsonb(dict(fields)),
            statuses=Jsonb(dict(statuses)),
            default=default_status,
            custom=Jsonb(dict(custom_fields)),
        )

    def request(
        self, content: bytes, connector_id: UUID | None = None, org_id: UUID | None = None, *, dry_run: bool = False
    ) -> ImportRequested:
        """A fetched file: its blob, and the run of a connector (a new one unless given) that waits for an importer."""
        org_id = org_id or self.org_id
        connector_id = connector_id or self.connector(org_id)
        checksum = hashlib.sha256(content).hexdigest()
        self.blobs.keep(self.blobs.stage([content]), blob_key(org_id, checksum))
        run_id = new_id()
        self.all(
            "insert into runs (id, org_id, connector_id, trigger, reply_to, stage, lease_until, dry_run) values"
            " (%(id)s, %(org)s, %(connector)s, 'manual', 'the question', 'stored', now() + interval '1 hour', %(dry)s)",
            id=run_id,
            org=org_id,
            connector=connector_id,
            dry=dry_run,
        )
        return ImportRequested(
            run_id=run_id,
            org_id=org_id,
            connector_id=connector_id,
            checksum=checksum,
            blob=blob_key(org_id, checksum),
            size=len(content),
            mtime=1_700_000_000,
            looked_at=datetime(2026, 1, 2, tzinfo=UTC),
            host_key="ssh-ed25519 SHA256:" + "A" * 43,
        )

    def imported(
        self, content: bytes, connector_id: UUID | None = None, org_id: UUID | None = None, *, dry_run: bool = False
    ) -> Row:
        """The run of an import of this file, after it ended."""
        request = self.request(content, connector_id, org_id, dry_run=dry_run)
        self.handler.on_import(request)
        return self.run(request.run_id)

    def told_of(self, content: bytes, connector_id: UUID | None = None) -> SyncSucceeded:
        """What the admin is told when this file is imported; events from before are forgotten."""
        self.taken()
        self.imported(content, connector_id)
        return only(self.taken(), SyncSucceeded)

    def rejected(self, told: SyncSucceeded) -> list[dict[str, Any]]:
        """The rows of the reject file that the event names; cells beyond its columns are called `more`."""
        assert told.reject_blob is not None
        text = (self.folder / told.reject_blob).read_bytes().decode()
        return list(csv.DictReader(io.StringIO(text, newline=""), restkey="more"))

    def tested(self, content: bytes, *, connector_id: UUID | None = None, whole_file: bool = True) -> PreviewRequested:
        """The beginning of a file that a fetcher brought after a good test."""
        test_id = new_id()
        blob = preview_key(self.org_id, test_id)
        self.blobs.keep(self.blobs.stage([content]), blob)
        self.all(
            "insert into connection_tests (id, org_id, connector_id, reply_to, host, port, answered_at, ok)"
            " values (%(id)s, %(org)s, %(connector)s, 'the question', 'sftp.acme.com', 22, now(), true)",
            id=test_id,
            org=self.org_id,
            connector=connector_id,
        )
        return PreviewRequested(
            test_id=test_id,
            org_id=self.org_id,
            blob=blob,
            checksum=hashlib.sha256(content).hexdigest(),
            size=len(content),
            whole_file=whole_file,
        )

    def run(self, run_id: UUID) -> Row:
        run = self.one("select * from runs where id = %(id)s", id=run_id)
        counts = counts_of(run)
        assert counts["read"] == sum(counts.values()) - counts["read"]
        return run

    def lead(self, name: str, org_id: UUID | None = None) -> Row:
        return self.one(
            "select * from leads where org_id = %(org)s and name = %(name)s", org=org_id or self.org_id, name=name
        )

    def names(self, org_id: UUID | None = None) -> list[str]:
        """The names of the organisation's leads."""
        rows = self.all("select name from leads where org_id = %(org)s order by name", org=org_id or self.org_id)
        return [row["name"] for row in rows]

    def contacts(self, *columns: str) -> list[tuple[Any, ...]]:
        """These columns of every contact, in order."""
        rows = self.all("select * from contacts")
        return sorted((tuple(row[name] for name in columns) for row in rows), key=str)

    def blob_file(self, request: ImportRequested | PreviewRequested) -> Path:
        return self.folder / request.blob

    def versions(self, table: str = "leads") -> dict[str, str]:
        """Who wrote each row last: a row that is written again gets another number."""
        return {row["key"]: row["xmin"] for row in self.all(_VERSIONS[table])}

    def leads_written(self) -> dict[str, list[str]]:
        """All that imports write for the platform, as text."""
        return {table: lines for table, lines in self.dump().items() if table in TABLES}

    @contextmanager
    def stopped_before_merging(self, request: ImportRequested) -> Iterator[None]:
        """An import, claimed and under way, that goes on when the block ends and has ended after it."""
        importing = threading.Thread(target=self.handler.on_import, args=[request])
        try:
            with self.connections.connection() as db:
                # The lock that the organisation's imports take from each other.
                db.execute("select pg_advisory_xact_lock(hashtextextended('leads ' || %s::text, 0))", [request.org_id])
                importing.start()
                self._wait_for_waiters()
                yield
        finally:
            importing.join(30)
        assert not importing.is_alive()

    def _wait_for_waiters(self) -> None:
        waiting = (
            "select count(*) from pg_locks join pg_database d on d.oid = database"
            " where locktype = 'advisory' and not granted and datname = current_database()"
        )
        deadline = time.monotonic() + 10
        while not self.value(waiting):
            assert time.monotonic() < deadline, "the import does not wait for the organisation's lock"
            time.sleep(0.005)


_VERSIONS = {
    "leads": "select name as key, xmin::text as xmin from leads",
    "contacts": "select key, xmin::text as xmin from contacts",
    "deals": "select crm_id as key, xmin::text as xmin from deals",
    "lead_keys": "select key, xmin::text as xmin from lead_keys",
}


def csv_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = tuple(FIELDS), delimiter: str = ",") -> bytes:
    """A CSV file; what a row does not name is an empty cell."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def field(name: str, kind: str, **others: str) -> dict[str, str | None]:
    """A custom field as a mapping's version knows it."""
    return TIER | {"name": name, "kind": kind} | others


def counts_of(run: Row) -> dict[str, int]:
    """The run's records by what became of them."""
    return {name: run[f"rows_{name}"] for name in COUNTS}


def counts(read: int = 0, **others: int) -> dict[str, int]:
    """The same, as expected."""
    return dict.fromkeys(COUNTS, 0) | {"read": read} | others
