"""The blob store keeps what is referenced or young, and nothing else."""

import os
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from psycopg_pool import ConnectionPool

from services.importer.garbage import Garbage
from services.scheduler.admission_store import AdmissionStore
from shared.blobs import Blobs, Stored
from shared.database import Db
from shared.metrics import Metrics
from tests.integration.importer.builders import Imports, csv_of

WEEK = 7 * 86_400


@pytest.fixture
def garbage(imports: Imports, metrics: Metrics) -> Garbage:
    """The sweep over the importer's store."""
    return Garbage(imports.settings, imports.service, imports.blobs, metrics)


@pytest.fixture
def connector_id(imports: Imports) -> UUID:
    """A connector."""
    return imports.connector()


def version(number: int) -> bytes:
    """A version of a customer's file; one of its rows is rejected."""
    return csv_of([{"Company": "Acme", "City": f"Town {number}"}, {"City": "Nowhere"}])


def blobs(imports: Imports, kind: str) -> set[str]:
    """The keys in the store."""
    return {str(file.relative_to(imports.folder)) for file in (imports.folder / kind).rglob("*") if file.is_file()}


def grow_old(imports: Imports, days: int = 0) -> None:
    """Let all blobs be a week old, and all runs so many days."""
    for file in imports.folder.rglob("*"):
        if file.is_file():
            os.utime(file, (time.time() - WEEK,) * 2)
    imports.all(
        "update runs set queued_at = queued_at - make_interval(days => %(days)s),"
        " finished_at = finished_at - make_interval(days => %(days)s)",
        days=days,
    )


def test_the_last_versions_of_a_connector_are_kept(imports: Imports, garbage: Garbage, connector_id: UUID) -> None:
    runs = [imports.imported(version(number), connector_id) for number in range(12)]
    # One content twice is one version
    runs.append(imports.imported(version(11), connector_id))
    grow_old(imports)

    garbage.step()

    assert blobs(imports, "org") == {run["blob"] for run in runs[2:]}


def test_a_version_that_is_too_old_goes_but_for_the_last_one(
    imports: Imports, garbage: Garbage, connector_id: UUID
) -> None:
    first = imports.imported(version(1), connector_id)
    last = imports.imported(version(2), connector_id)
    grow_old(imports, days=31)

    garbage.step()

    assert first["blob"] not in blobs(imports, "org")
    assert blobs(imports, "org") == {last["blob"]}
    assert blobs(imports, "rejects") == set()
    # And the next import is compared with it
    assert imports.imported(version(3), connector_id)["rows_updated"] == 0
    assert len(blobs(imports, "fingerprints")) == 1


def test_what_is_young_is_kept_whatever_it_is(imports: Imports, garbage: Garbage) -> None:
    imports.blobs.stage([b"a download under way"])
    imports.tested(b"a,b\n")
    imports.request(version(1))
    imports.all("delete from runs")

    garbage.step()

    assert [len(blobs(imports, kind)) for kind in ("incoming", "preview", "org")] == [1, 1, 1]


def test_what_nobody_knows_goes_and_what_is_not_ours_stays(imports: Imports, garbage: Garbage) -> None:
    imports.blobs.stage([b"left behind by a fetcher that died"])
    imports.tested(b"a,b\n")
    foreign = imports.folder / "others" / "backup.tar"
    foreign.parent.mkdir()
    foreign.write_bytes(b"not ours")
    grow_old(imports)

    garbage.step()

    assert blobs(imports, "incoming") | blobs(imports, "preview") == set()
    assert foreign.exists()


def test_a_file_that_waits_for_an_importer_is_kept_however_old(imports: Imports, garbage: Garbage) -> None:
    # Given a run that knows its file since the fetcher told that it is stored
    request = imports.request(version(1))
    imports.all("update runs set blob = %(blob)s", blob=request.blob)
    grow_old(imports, days=100)

    garbage.step()
    imports.handler.on_import(request)

    assert imports.run(request.run_id)["outcome"] == "succeeded"


def test_files_of_a_deleted_connector_go_in_time_and_its_leads_stay(
    imports: Imports, garbage: Garbage, connector_id: UUID
) -> None:
    run = imports.imported(version(1), connector_id)
    imports.all("update connectors set state = 'deleted' where id = %(id)s", id=connector_id)
    imports.all("delete from fingerprints")
    grow_old(imports)
    garbage.step()
    assert blobs(imports, "org") == {run["blob"]}

    grow_old(imports, days=31)
    garbage.step()

    assert [blobs(imports, kind) for kind in ("org", "fingerprints", "rejects")] == [set(), set(), set()]
    assert imports.names() == ["Acme"]


def test_a_content_that_another_connector_still_needs_is_kept(imports: Imports, garbage: Garbage) -> None:
    run = imports.imported(version(1))
    grow_old(imports, days=31)
    other = imports.imported(version(1))
    assert other["blob"] == run["blob"]
    grow_old(imports)

    garbage.step()

    assert blobs(imports, "org") == {run["blob"]}


def test_one_that_was_written_again_meanwhile_is_not_dropped(tmp_path: Path) -> None:
    store = Blobs(f"file://{tmp_path}")
    store.keep(store.stage([b"content"]), "org/a/b")
    os.utime(tmp_path / "org/a/b", (time.time() - WEEK,) * 2)
    listed: list[Stored] = [blob for page in store.listed("org") for blob in page]
    store.keep(store.stage([b"content"]), "org/a/b")

    assert [store.drop_unchanged(blob) for blob in listed] == [False]
    assert (tmp_path / "org/a/b").exists()


def test_every_organisation_is_asked_for_its_own(imports: Imports, garbage: Garbage) -> None:
    others = [uuid4() for _ in range(3)]
    for org_id in others:
        imports.save_mapping(org_id=org_id)
        imports.imported(version(1), org_id=org_id)
    # What names no organisation is nobody's
    for key in ("org/nobody/x", "org/x", f"org/{others[0]}/a/b"):
        imports.blobs.keep(imports.blobs.stage([b"x"]), key)
    grow_old(imports)

    garbage.step()

    assert {key.split("/")[1] for key in blobs(imports, "org")} == {str(org_id) for org_id in others}
    assert len(blobs(imports, "org")) == 3


def test_while_another_importer_sweeps_this_one_does_not(
    connections: ConnectionPool[Db], imports: Imports, garbage: Garbage
) -> None:
    imports.blobs.stage([b"left behind"])
    grow_old(imports)
    with connections.connection() as db:
        db.execute("select pg_advisory_xact_lock(7240915004)")
        garbage.step()
    assert len(blobs(imports, "incoming")) == 1

    garbage.step()
    assert blobs(imports, "incoming") == set()


def test_a_sweep_does_not_wait_for_a_scheduler_that_admits_looks_nor_holds_it_up(
    connections: ConnectionPool[Db], imports: Imports, garbage: Garbage
) -> None:
    imports.blobs.stage([b"left behind"])
    grow_old(imports)
    with connections.connection() as db:
        AdmissionStore(db).lock()

        garbage.step()

    assert blobs(imports, "incoming") == set()


def test_what_a_sweep_found_is_told_as_figures(imports: Imports, garbage: Garbage, metrics: Metrics) -> None:
    imports.imported(version(1))
    imports.blobs.keep(imports.blobs.stage([b"x"]), f"org/{uuid4()}/{'0' * 64}")
    grow_old(imports)

    garbage.step()

    value = metrics.registry.get_sample_value
    assert value("sftp_connector_blob_bytes", {"kind": "org"}) == len(version(1))
    assert value("sftp_connector_blobs_dropped_total", {"kind": "org"}) == 1
