"""A transaction is never idle for as long as a large file takes to be looked through."""

from collections.abc import Iterator

from psycopg_pool import ConnectionPool

from services.importer.handler import Handler
from shared.blobs import Blobs
from shared.database import Db
from shared.metrics import Metrics
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


def test_no_transaction_waits_while_encoding_and_formats_are_told(
    connections: ConnectionPool[Db], imports: Imports, metrics: Metrics
) -> None:
    # Given a mapped column of dates, for whose format the file is read once more
    blobs = WatchedBlobs(f"file://{imports.folder}", connections)
    handler = Handler(imports.settings, connections, blobs, imports.leases, metrics)
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
