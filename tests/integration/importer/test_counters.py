"""What an importer counts of the imports that it made."""

import pytest

from services.importer.handler import Handler
from shared.metrics import Metrics
from tests.integration.importer.builders import Imports, csv_of

ROWS = [{"Company": f"Company {number}", "Id": f"{number}", "City": "Lyon"} for number in range(20)]


@pytest.fixture(autouse=True)
def handler(imports: Imports, metrics: Metrics) -> Handler:
    """The importer's handler, with metrics that can be read."""
    imports.handler = Handler(imports.settings, imports.service, imports.blobs, imports.leases, metrics)
    return imports.handler


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"sftp_connector_{name}", labels)


def test_the_share_of_rows_that_changed_a_lead_is_told_for_each_import(imports: Imports, metrics: Metrics) -> None:
    connector_id = imports.connector()
    # Given a first import, whose rows are all new
    imports.imported(csv_of(ROWS), connector_id)
    assert value(metrics, "delta_ratio_sum") == 1
    # When one row of twenty changed, then so much less is added
    imports.imported(csv_of([{**ROWS[0], "City": "Paris"}, *ROWS[1:]]), connector_id)
    assert value(metrics, "delta_ratio_count") == 2
    assert value(metrics, "delta_ratio_sum") == pytest.approx(1.05)
    assert value(metrics, "delta_ratio_bucket", le="0.05") == 1


def test_the_time_from_queued_to_committed_is_that_of_the_run(imports: Imports, metrics: Metrics) -> None:
    request = imports.request(csv_of(ROWS))
    imports.all("update runs set queued_at = now() - interval '100 seconds'")
    imports.handler.on_import(request)
    assert value(metrics, "sync_seconds_sum") == pytest.approx(100, abs=15)


def test_what_brought_no_leads_is_no_sync(imports: Imports, metrics: Metrics) -> None:
    connector_id = imports.connector()
    imports.imported(csv_of(ROWS), connector_id, dry_run=True)
    imports.imported(b"", connector_id)
    assert value(metrics, "imports_total", outcome="failed", code="empty_file") == 1
    assert value(metrics, "sync_seconds_count") == 0
    assert value(metrics, "delta_ratio_count") == 0
    assert value(metrics, "rows_total", result="read") == 0


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_file_that_the_store_lost_or_damaged_is_counted(imports: Imports, metrics: Metrics, damage: str) -> None:
    request = imports.request(csv_of(ROWS))
    file = imports.blob_file(request)
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b"Lyon", b"Nice"))
    assert value(metrics, "unusable_blobs_total") == 0
    imports.handler.on_import(request)
    assert value(metrics, "unusable_blobs_total") == 1
