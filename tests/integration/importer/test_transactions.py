"""A transaction is never idle for as long as a large file takes to be looked through."""

import time
from collections.abc import Iterable, Iterator

from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from services.importer.handler import Handler
from shared.blobs import Blobs
from shared.database import Db
from shared.metrics import Metrics
from tests.integration.conftest import pool_of
from tests.integration.importer.builders import Imports, counts, counts_of, csv_of

IDLE = "select count(*) as n from pg_stat_activity where datname = current_database() and state = 'idle in transaction'"


class WatchedBlobs(Blobs):
    """A blob store that notes how many transactions wait while a file begins to be read."""

    def __init__(self, url: str, connections: ConnectionPool[Db]) -> None:
        super().__init__(url)
        self._connections = connections
        self.idle: list[int] = []

    def read(self, key: str, checksum: str) -> Iterator[bytes]:
        """The blob's bytes."""
        with self._connections.connection() as db:
            row = db.execute(IDLE).fetchone()
            assert row is not None
            self.idle.append(row["n"])
        return super().read(key, checksum)


class SlowBlobs(Blobs):
    """A blob store that takes its time to store anything."""

    def stage(self, chunks: Iterable[bytes]) -> str:
        """The temporary key."""
        time.sleep(1.5)
        return super().stage(chunks)


def test_a_slow_blob_store_does_not_cost_the_import(database_url: str, imports: Imports, metrics: Metrics) -> None:
    # Given a PostgreSQL that ends transactions which are idle for a second
    impatient = {"row_factory": dict_row, "options": "-c idle_in_transaction_session_timeout=1s"}
    with ConnectionPool[Db](database_url, kwargs=impatient, min_size=1, open=True) as connections:
        blobs = SlowBlobs(f"file://{imports.folder}")
        handler = Handler(imports.settings, pool_of("importer", connections), blobs, imports.leases, metrics)
        request = imports.request(csv_of([{"Company": "Acme"}, {"City": "Nowhere"}]))
        # When rejected rows and fingerprints are stored at the end of an import
        handler.on_import(request)

    assert counts_of(imports.run(request.run_id)) == counts(2, created=1, rejected=1)


def test_no_transaction_waits_while_encoding_and_formats_are_told(
    connections: ConnectionPool[Db], imports: Imports, metrics: Metrics
) -> None:
    # Given a mapped column of dates, for whose format the file is read once more
    blobs = WatchedBlobs(f"file://{imports.folder}", connections)
    handler = Handler(imports.settings, pool_of("importer", connections), blobs, imports.leases, metrics)
    request = imports.request(csv_of([{"Company": "Acme", "Since": "31/01/2026"}]))

    handler.on_import(request)

    assert imports.run(request.run_id)["outcome"] == "succeeded"
    assert len(blobs.idle) >= 4
    assert set(blobs.idle) == {0}


def test_a_batch_without_a_row_to_merge_is_counted_like_others(
    connections: ConnectionPool[Db], imports: Imports
) -> None:
    # Given batches of one record, so that some have no row to merge
    small = Imports(connections, imports.folder, batch_rows=1)
    small.save_mapping()

    run = small.imported(csv_of([{"City": "Nowhere"}, {"Company": "Acme"}, {"City": "Nowhere"}]))

    assert counts_of(run) == counts(3, created=1, rejected=2)
