"""What is restored or lost as a whole: the database goes back in time, the blob store is empty.

`broker.py` has the third: RabbitMQ loses its data.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from deploy.local.ui import UI
from tests.faults.check import deviations
from tests.faults.drill import Drill
from tests.faults.ledger import FIELDS, STATUSES
from tests.faults.looking import look

pytestmark = pytest.mark.timeout(240)

Note = Callable[[str, object], None]


def client(name: str, dsn: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's; its password is on no command line."""
    given = conninfo_to_dict(dsn)
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    where = {variable: str(given[key]) for key, variable in names.items()}
    subprocess.run([name, *arguments], env={**os.environ, **where}, check=True)


def assert_as_the_ledger_says(drill: Drill, handles: dict[int, int], *, lost: Collection[str] = ()) -> None:
    """Everything is imported once and in its place; `lost`: blobs that nobody can bring back."""
    drill.change()
    drill.until_imported()
    drill.settle()
    found = look(drill, handles, parked=False)
    found.litter = [what for what in found.litter if what not in {f"the blob {key} is missing" for key in lost}]
    assert deviations(drill.ledger, found) == []


def test_a_database_that_is_restored_to_an_hour_ago_catches_up_by_itself(
    drill: Drill, tmp_path: Path, record_property: Note
) -> None:
    # Given a backup, and files that change twice after it
    drill.begin(1)
    dump, url, stack = tmp_path / "backup", drill.stack.database_url, drill.stack
    drill.rest()  # a run that is open in a backup is told of twice
    with drill.without("scheduler"):
        drill.rows("update connectors set due_at = now() where id = any(%s)", drill.connector_ids)
        client("pg_dump", url, "--format=custom", f"--file={dump}")
    before = leads(drill)
    for _ in range(2):
        drill.change()
        drill.until_imported()

    # When the services stop, the database is replaced by the backup, and the services start
    begun = time.monotonic()
    for service in drill.services.values():
        service.stop()
    drill.close()
    stack.servers.postgres.drop_database(stack.name)
    stack.servers.postgres.create_database(stack.name)
    client("pg_restore", url, "--exit-on-error", f"--dbname={stack.name}", str(dump))
    assert leads(drill) == before
    # What the imports since then left in the store is known to nobody; what they replaced may have been swept
    shutil.rmtree(stack.blobs / "fingerprints")
    # and what was imported since then is to be imported anew
    for source in drill.ledger.sources:
        source.awaited = {source.versions[0].checksum}
    restored = time.monotonic()
    for name in drill.services:
        drill.services[name] = drill.started(name)
    handles = drill.handles()

    # Then the newest files are imported without anybody's help, and all is as if nothing had happened
    drill.until_imported()
    record_property("seconds to restore", round(restored - begun, 1))
    record_property("seconds to catch up", round(time.monotonic() - restored, 1))
    assert_as_the_ledger_says(drill, handles)


def leads(drill: Drill) -> int:
    """How many there are."""
    return int(drill.rows("select count(*) as n from leads where org_id = any(%s)", drill.ledger.org_ids)[0]["n"])


def test_a_blob_store_that_is_lost_is_filled_again(drill: Drill, record_property: Note) -> None:
    # Given
    drill.begin(2)
    handles = drill.handles()
    blobs = drill.stack.blobs
    lost = {str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()}

    # When every blob goes, and another mapping asks for the files as they were
    for path in blobs.iterdir():
        shutil.rmtree(path)
    begun = time.monotonic()
    for org_id in drill.ledger.org_ids:
        with UI(drill.stack.amqp_url, org_id) as ui:
            ui.ask("import_mapping.saved", fields=FIELDS, statuses={**STATUSES, "Lost": "LOST"})

    # Then they are fetched from the customers' servers again, and imported
    query = (
        "select count(distinct connector_id) as n from runs"
        " where connector_id = any(%s) and mapping_version = 2 and outcome = 'succeeded'"
    )
    drill.until(
        lambda: drill.rows(query, drill.connector_ids)[0]["n"] == len(drill.connector_ids), "imports of the same files"
    )
    record_property("seconds to import again", round(time.monotonic() - begun, 1))
    assert {str(path.relative_to(blobs)) for path in blobs.rglob("*") if path.is_file()} & lost
    assert_as_the_ledger_says(drill, handles, lost=lost)
