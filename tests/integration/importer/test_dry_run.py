"""A dry run says what an import of the file would do, and does nothing of it."""

from shared.contracts import FetchRequested, MappingNeeded, SyncCancelled, SyncFailed, SyncSucceeded
from tests.integration.importer.builders import TABLES, Imports, counts, counts_of, csv_of
from tests.integration.scheduler.builders import Desk, kinds, only

ACME = {"Company": "Acme", "Id": "A", "City": "Lyon", "Email": "ann@acme.com", "Deal": "D-1", "Status": "Customer"}
BOLT = {"Company": "Bolt", "Id": "B", "City": "Paris"}
FIRST = csv_of([ACME, BOLT])
# One of each: created, updated, unchanged, rejected, ignored.
NEXT = csv_of([{"Company": "Core", "Id": "C"}, ACME | {"City": "Nice"}, BOLT, {"City": "Nowhere"}, {}])
# What a dry run leaves behind: that it was made, what it told, and the rows that it would reject.
OF_THE_RUN = ("runs", "outbox", "rejects", "decisions")


def test_it_counts_what_the_real_run_then_does_and_writes_nothing(imports: Imports) -> None:
    # Given leads, contacts and deals
    connector_id = imports.connector()
    imports.imported(FIRST, connector_id)
    imports.taken()
    before, versions = imports.dump(without=OF_THE_RUN), imports.versions()
    # When the next file is tried
    dry = imports.imported(NEXT, connector_id, dry_run=True)
    # Then everything is as it was
    assert imports.dump(without=OF_THE_RUN) == before
    assert imports.versions() == versions
    # And one event tells the counts, and no notification
    (told,) = imports.taken()
    assert isinstance(told, SyncSucceeded)
    assert told.dry_run
    assert counts_of(dry) == counts(5, created=1, updated=1, unchanged=1, rejected=1, ignored=1)
    assert told.rows.model_dump() == counts_of(dry)
    assert [reject.code for reject in told.rejects] == ["company_name_missing"]
    # And the rows that it would reject can be looked at
    assert [row["code"] for row in imports.rejected(told)] == ["company_name_missing"]
    assert imports.value("select count(*) from rejects where run_id = %(id)s", id=dry["id"]) == 1
    # When the same file is then imported in earnest, then the counts are the same
    real = imports.imported(NEXT, connector_id)
    assert counts_of(real) == counts_of(dry)
    assert imports.lead("Acme")["city"] == "Nice"


def test_what_is_being_written_in_the_end_does_not_outlive_it(imports: Imports) -> None:
    # Given a first file whose last batch takes PostgreSQL a while
    rows = [{"Company": f"C{n}", "Website": f"c{n}.fr", "Id": str(n), "Email": f"ann@c{n}.fr"} for n in range(4_000)]
    # When it is tried again and again, then there is never a row of it
    for _ in range(3):
        assert imports.imported(csv_of(rows), dry_run=True)["rows_created"] == 4_000
        assert [imports.value(f"select count(*) from {table}") for table in TABLES] == [0, 0, 0, 0]


def test_a_file_that_was_imported_before_is_counted_as_well(imports: Imports) -> None:
    # Given a file that is as it was imported
    connector_id = imports.connector()
    imports.imported(NEXT, connector_id)
    before = imports.dump(without=OF_THE_RUN)
    # When it is tried
    dry = imports.imported(NEXT, connector_id, dry_run=True)
    # Then the counts are those of an import that another connector makes of it
    assert counts_of(dry) == counts(5, unchanged=3, rejected=1, ignored=1)
    assert imports.dump(without=OF_THE_RUN) == before
    assert counts_of(imports.imported(NEXT)) == counts_of(dry)


def test_a_first_import_is_counted_before_it_is_made(imports: Imports) -> None:
    connector_id = imports.connector()
    dry = imports.imported(FIRST, connector_id, dry_run=True)
    assert imports.names() == []
    assert counts_of(imports.imported(FIRST, connector_id)) == counts_of(dry) == counts(2, created=2)


def test_a_file_that_would_be_refused_is_told_and_the_connector_stays(imports: Imports) -> None:
    connector_id = imports.connector()
    imports.imported(FIRST, connector_id)
    imports.taken()
    before = imports.dump(without=OF_THE_RUN)
    imports.imported(b"Firm,Town\nAcme,Lyon\n", connector_id, dry_run=True)
    assert only(imports.taken(), SyncFailed).code == "company_name_not_mapped"
    assert imports.dump(without=OF_THE_RUN) == before


def test_without_a_mapping_it_shows_what_one_could_be_and_remembers_no_file(bare: Imports) -> None:
    connector_id = bare.connector()
    bare.all("update connectors set host_keys = '{ssh-ed25519 SHA256:pinned}'")
    before = bare.dump(without=OF_THE_RUN)
    run = bare.imported(FIRST, connector_id, dry_run=True)
    assert (run["outcome"], run["code"]) == ("held", "mapping_needed")
    assert kinds(bare.taken()) == [MappingNeeded]
    assert bare.dump(without=OF_THE_RUN) == before


def test_one_that_lost_its_run_tells_nothing_and_leaves_nothing(imports: Imports, desk: Desk) -> None:
    imports.imported(FIRST)
    request = imports.request(NEXT, dry_run=True)
    imports.taken()
    # When a real sync takes its place while it waits
    with imports.stopped_before_merging(request):
        desk.ask("sftp_connector.sync_now", connector_id=str(request.connector_id))
        assert only(imports.taken(), SyncCancelled).run_id == request.run_id
        before = imports.dump(without=OF_THE_RUN)
    assert imports.owed() == []
    assert imports.dump(without=OF_THE_RUN) == before
    assert imports.value("select count(*) from rejects") == 0
    assert imports.run(request.run_id)["outcome"] == "cancelled"


def test_a_damaged_blob_is_fetched_again_as_a_dry_run_and_the_connector_stays(imports: Imports, desk: Desk) -> None:
    # Given a connector with a file, and a dry run whose blob was damaged
    connector_id = desk.insert_connector()
    imports.imported(FIRST, connector_id)
    request = imports.request(NEXT, connector_id, dry_run=True)
    imports.blob_file(request).write_bytes(NEXT.replace(b"Core", b"Gore"))
    imports.taken()
    before = imports.dump(without=OF_THE_RUN)
    # When it is tried
    imports.handler.on_import(request)
    # Then nothing is told, and the connector knows the file that it knew
    assert imports.owed() == []
    assert imports.dump(without=OF_THE_RUN) == before
    # And the next tick has the file fetched for the same run, which is dry still
    desk.handler.tick()
    job = only(desk.taken(), FetchRequested)
    assert (job.run_id, job.known) == (request.run_id, None)
    imports.blob_file(request).write_bytes(NEXT)
    imports.handler.on_import(request)
    assert only(imports.taken(), SyncSucceeded).dry_run
    assert imports.dump(without=OF_THE_RUN) == before
