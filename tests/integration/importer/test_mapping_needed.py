"""A file without a mapping waits: the admin is shown what a mapping could be, and the stored file is imported then."""

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import FetchRequested, ImportRequested, MappingNeeded, SyncQueued, SyncSucceeded, SyncUnchanged
from shared.database import Db
from shared.errors import advice
from tests.integration.importer.builders import Imports, counts, counts_of
from tests.integration.scheduler.builders import Desk, kinds, only

ROWS = 300
HEADER = "Raison sociale;Site web;Ville;Statut;E-mail;Prénom;Notes\n"
CONTENT = (
    HEADER
    + "".join(
        f"Crêperie {n};www.societe{n}.fr;Orléans;{'Gagné' if n % 3 else 'Perdu'};zoe@societe{n}.fr;Hélène;{n * 7}\n"
        for n in range(ROWS)
    )
).encode("cp1252")


@pytest.fixture
def desk(connections: ConnectionPool[Db], bare: Imports) -> Desk:
    """The scheduler of the organisation without a mapping."""
    made = Desk(connections)
    made.org_id = bare.org_id
    return made


def test_the_admin_is_told_what_the_file_holds_and_what_its_columns_could_be(bare: Imports) -> None:
    # When a file comes and there is no mapping
    before = bare.leads_written()
    run = bare.imported(CONTENT)
    # Then the run is held, nothing is written, and one event says why
    assert (run["outcome"], run["code"], run["mapping_version"]) == ("held", "mapping_needed", 0)
    assert counts_of(run) == counts()
    assert bare.leads_written() == before
    (told,) = bare.owed()
    assert isinstance(told, MappingNeeded)
    assert (told.in_reply_to, told.run_id, told.code) == ("the question", run["id"], "mapping_needed")
    assert (told.message, told.action) == advice("mapping_needed")[:2]
    # And it has the rows, how the file was read, and each column with cells of it and a suggestion
    assert told.rows == ROWS
    assert (told.reading.encoding, told.reading.delimiter, told.reading.header_line) == ("cp1252", ";", 1)
    assert run["reading"] == told.reading.model_dump()
    assert {column.name: column.target for column in told.columns} == {
        "Raison sociale": "LEAD_NAME",
        "Site web": "LEAD_WEBSITE",
        "Ville": "LEAD_LOCATION_CITY",
        "Statut": "LEAD_STATUS",
        "E-mail": "CONTACT_EMAIL",
        "Prénom": "CONTACT_FIRST_NAME",
        "Notes": None,
    }
    by_name = {column.name: column for column in told.columns}
    assert by_name["Raison sociale"].samples[:2] == ("Crêperie 0", "Crêperie 1")
    assert by_name["Ville"].samples == ("Orléans",)
    assert by_name["Raison sociale"].confidence is not None
    assert by_name["Raison sociale"].evidence
    # And the statuses of the whole file with their counts
    assert [(status.raw, status.count, status.status) for status in told.statuses] == [
        ("Gagné", 200, "WON"),
        ("Perdu", 100, "LOST"),
    ]


def test_the_suggestion_saved_as_it_is_imports_the_stored_file_without_a_download(bare: Imports, desk: Desk) -> None:
    # Given a connector whose file waits for a mapping
    connector_id = desk.created()
    desk.all("update runs set stage = 'done', outcome = 'cancelled'")
    held = bare.imported(CONTENT, connector_id)
    needed = only(bare.taken(), MappingNeeded)
    connector = desk.connector(connector_id)
    assert (connector["file_checksum"], connector["file_code"]) == (held["checksum"], "mapping_needed")
    assert (connector["last_code"], connector["failures"]) == ("mapping_needed", 0)
    assert connector["last_success_at"] is None
    # When the admin saves what was suggested
    desk.ask(
        "import_mapping.saved",
        fields={column.name: column.target for column in needed.columns if column.target},
        statuses={status.raw: status.status for status in needed.statuses if status.status},
    )
    desk.taken()
    desk.handler.tick()
    # Then an importer is asked for the stored file at once, and no fetcher for anything
    owed = desk.taken()
    assert kinds(owed) == [SyncQueued, ImportRequested]
    assert only(owed, SyncQueued).trigger == "mapping"
    job = only(owed, ImportRequested)
    assert (job.checksum, job.blob) == (held["checksum"], held["blob"])
    # And the file becomes leads
    bare.handler.on_import(job)
    told = only(bare.taken(), SyncSucceeded)
    assert (told.rows.created, told.mapping_version) == (ROWS, 1)
    assert told.unmapped_columns == ("Notes",)
    assert desk.value("select count(*) from leads where status = 'WON'") == 200
    assert desk.value("select count(*) from contacts where first_name = 'Hélène'") == ROWS
    # And from then on the server is looked at again
    desk.all("update connectors set due_at = now()")
    assert desk.tick().known is not None


def test_while_there_is_no_mapping_the_same_file_is_not_read_again(bare: Imports, desk: Desk) -> None:
    connector_id = desk.insert_connector()
    bare.imported(CONTENT, connector_id)
    bare.taken()
    # When the file comes once more, then nothing is told but that
    run = bare.imported(CONTENT, connector_id)
    assert (run["outcome"], run["code"]) == ("unchanged", "mapping_needed")
    assert kinds(bare.taken()) == [SyncUnchanged]
    # And a look at the server names the version that waits
    assert isinstance(desk.tick(), FetchRequested)


def test_it_is_shown_anew_when_the_admin_says_how_to_read_it(bare: Imports, desk: Desk) -> None:
    # Given a connector whose file waits for a mapping
    connector_id = desk.created()
    desk.all("update runs set stage = 'done', outcome = 'cancelled'")
    bare.imported(CONTENT, connector_id)
    bare.taken()
    # When its encoding is set
    desk.ask("sftp_connector.update", connector_id=str(connector_id), csv={"encoding": "cp437"})
    job = only(desk.taken(), ImportRequested)
    bare.handler.on_import(job)
    # Then the stored file is shown once more, as it now reads
    told = only(bare.taken(), MappingNeeded)
    assert (told.reading.encoding, told.reading.encoding_confidence) == ("cp437", 100)
    assert told.columns[0].samples[0] == "Cr\u03a9perie 0"


def test_a_file_without_a_header_is_shown_by_the_places_of_its_columns(bare: Imports) -> None:
    bare.imported(b"Acme,acme.com,+33 1 02 03 04 05\nBolt,bolt.io,+33 1 02 03 04 06\nCore,core.fr,+33 1 02 03 04 07\n")
    told = only(bare.owed(), MappingNeeded)
    assert [column.name for column in told.columns] == ["#1", "#2", "#3"]
    assert (told.reading.header_line, told.rows) == (None, 3)


def test_a_file_that_no_mapping_could_read_is_refused_at_once(bare: Imports) -> None:
    run = bare.imported(b"%PDF-1.7 " + bytes(100))
    assert (run["outcome"], run["code"]) == ("failed", "not_text")


def test_a_mapping_saved_again_imports_the_latest_stored_file_by_itself(bare: Imports, desk: Desk) -> None:
    # Given two versions of a file, imported one after the other
    bare.save_mapping()
    connector_id = desk.insert_connector()
    bare.imported(b"Company,Id,City,Town\nAcme,A,Lyon,Nice\n", connector_id)
    latest = bare.imported(b"Company,Id,City,Town\nAcme,A,Lyon,Nice\nBolt,B,Paris,Lille\n", connector_id)
    bare.taken()
    # When the mapping changes
    desk.ask("import_mapping.saved", fields={"Company": "LEAD_NAME", "Id": "CRM_ID", "Town": "LEAD_LOCATION_CITY"})
    desk.handler.tick()
    # Then the latest one is imported again, without a fetcher
    owed = desk.taken()
    assert FetchRequested not in kinds(owed)
    job = only(owed, ImportRequested)
    assert job.checksum == latest["checksum"]
    bare.handler.on_import(job)
    run = bare.run(job.run_id)
    assert (run["trigger"], run["outcome"], run["mapping_version"]) == ("mapping", "succeeded", 2)
    assert {name: bare.lead(name)["city"] for name in bare.names()} == {"Acme": "Nice", "Bolt": "Lille"}
