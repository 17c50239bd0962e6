"""What an import leaves to the next one is the connector's, and goes with its file."""

import threading
import time
from uuid import UUID

import pytest

from services.importer.outcome import Ending
from services.importer.store import Claim, Store
from shared.database import Row
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import FORM, Desk


def claimed(imports: Imports, connector_id: UUID) -> Claim:
    with imports.connections.connection() as db:
        claim = Store(db).claim(imports.request(csv_of([{"Company": "Acme"}]), connector_id), 60)
    assert claim is not None
    return claim


def leave(imports: Imports, connector_id: UUID, blob: str = "a") -> str | None:
    """An import that leaves its fingerprints; the blob that they replace."""
    claim = claimed(imports, connector_id)
    with imports.connections.connection() as db:
        replaced = Store(db).keep_fingerprints(claim, blob=blob, checksum="s", mapping_version=1, recipe="r")
        Store(db).finish(claim, Ending("succeeded", 1))
    return replaced


def left(imports: Imports, connector_id: UUID) -> Row | None:
    with imports.connections.connection() as db:
        return Store(db).fingerprints(connector_id)


@pytest.fixture
def connector_id(imports: Imports, desk: Desk) -> UUID:
    """A connector whose last import left its fingerprints."""
    connector_id = desk.insert_connector()
    assert leave(imports, connector_id) is None
    return connector_id


def test_the_next_import_finds_them_and_replaces_them(imports: Imports, connector_id: UUID) -> None:
    expected = {"blob": "a", "checksum": "s", "mapping_version": 1, "recipe": "r"}
    assert left(imports, connector_id) == expected

    assert leave(imports, connector_id, "b") == "a"

    assert left(imports, connector_id) == expected | {"blob": "b"}


def test_an_import_that_is_undone_leaves_those_before(imports: Imports, connector_id: UUID) -> None:
    claim = claimed(imports, connector_id)
    with imports.connections.connection() as db:
        Store(db).keep_fingerprints(claim, blob="b", checksum="s", mapping_version=1, recipe="r")
        db.rollback()

    row = left(imports, connector_id)
    assert row is not None
    assert row["blob"] == "a"


@pytest.mark.parametrize(
    ("changes", "stay"),
    [({"name": "Other"}, True), ({"interval_seconds": 3600}, True), ({"path": "/exports/other.csv"}, False)],
    ids=["name", "interval", "path"],
)
def test_another_file_takes_them_away_and_other_changes_do_not(
    imports: Imports, desk: Desk, connector_id: UUID, changes: dict[str, object], *, stay: bool
) -> None:
    other = desk.insert_connector()
    leave(imports, other)

    desk.ask("sftp_connector.update", connector_id=str(connector_id), **changes)

    assert (left(imports, connector_id) is not None) is stay
    assert left(imports, other) is not None


def test_they_go_with_the_connector(imports: Imports, desk: Desk, connector_id: UUID) -> None:
    desk.ask("sftp_connector.delete", connector_id=str(connector_id))

    assert left(imports, connector_id) is None


def test_an_admin_who_changes_the_file_during_an_import_waits_for_its_end_and_no_longer(
    imports: Imports, desk: Desk, connector_id: UUID
) -> None:
    claim = claimed(imports, connector_id)
    changes = {"connector_id": str(connector_id), "path": "/exports/other.csv", "password": FORM["password"]}
    changing = threading.Thread(target=lambda: desk.ask("sftp_connector.update", **changes))
    # Given an import that has left its fingerprints and has not ended yet
    with imports.connections.connection() as db:
        Store(db).keep_fingerprints(claim, blob="b", checksum="s", mapping_version=1, recipe="r")
        changing.start()
        time.sleep(0.2)
        # When it ends, then neither waits for the other
        Store(db).finish(claim, Ending("succeeded", 1))
    changing.join(10)
    assert imports.run(claim.run_id)["outcome"] == "succeeded"
    assert left(imports, connector_id) is None
