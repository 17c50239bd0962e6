"""An import costs what changed: what vanished is counted, what stayed is not written, and files do not fight."""

import time
from dataclasses import replace
from uuid import UUID

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import SyncSucceeded
from shared.database import Db, pool
from tests.integration.importer.builders import FIELDS, TABLES, Imports, counts, counts_of
from tests.integration.importer.customer_file import Change, CsvFile, Delete, Edit, Insert
from tests.integration.scheduler.builders import only

ACME = {"Company": "Acme", "Id": "A", "City": "Lyon", "Email": "ann@acme.com", "Deal": "D-1", "Status": "Customer"}
BOLT = {"Company": "Bolt", "Id": "B", "City": "Paris", "Email": "bob@bolt.io", "Deal": "D-2"}
CORE = {"Company": "Core", "Id": "C", "City": "Lille"}
FILE = CsvFile((ACME, BOLT, CORE), columns=tuple(FIELDS))
# Two rows of one company.
TWICE = Insert(3, {"Company": "Acme", "Id": "A", "Email": "zoe@acme.com"})(FILE)


@pytest.fixture
def connector_id(imports: Imports) -> UUID:
    """A connector whose file was imported."""
    made = imports.connector()
    imports.imported(bytes(FILE), made)
    return made


def edit(imports: Imports) -> None:
    """Let people change every lead."""
    imports.all("update leads set city = 'Edited'")


def cities(imports: Imports) -> dict[str, str]:
    """The cities of all leads by name."""
    return {row["name"]: row["city"] for row in imports.all("select name, city from leads order by name")}


class TestMissingRows:
    def missing(self, imports: Imports, *versions: CsvFile) -> int:
        """How many rows are told to be missing when the last of these versions of a file is imported."""
        connector_id = imports.connector()
        for file in versions:
            imports.taken()
            run = imports.imported(bytes(file), connector_id)
            told = only(imports.taken(), SyncSucceeded)
            assert run["rows_missing"] == told.rows.missing
        return told.rows.missing

    def test_they_are_counted_and_nothing_is_deleted(self, imports: Imports) -> None:
        assert self.missing(imports, FILE, replace(FILE, lines=(BOLT,))) == 2
        assert imports.names() == ["Acme", "Bolt", "Core"]
        assert {table: len(imports.versions(table)) for table in ("contacts", "deals")} == {"contacts": 2, "deals": 2}

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            pytest.param(Delete(3), 1, id="one of its two rows goes"),
            pytest.param(Delete(1), 1, id="another company's only row goes"),
            pytest.param(Change(3, {"Email": "eve@acme.com"}), 0, id="one of its rows changes"),
            pytest.param(Insert(0, {"Company": "Dune", "Id": "D"}), 0, id="a row of another company appears"),
            pytest.param(Insert(0, ACME), 0, id="a row stands there twice"),
        ],
    )
    def test_of_a_company_with_two_rows(self, imports: Imports, change: Edit, expected: int) -> None:
        assert self.missing(imports, TWICE, change(TWICE)) == expected
        assert imports.names()[:3] == ["Acme", "Bolt", "Core"]

    def test_without_a_version_before_none_is_missing(self, imports: Imports) -> None:
        assert self.missing(imports, FILE) == 0

    def test_when_all_go_all_are_missing(self, imports: Imports) -> None:
        assert self.missing(imports, FILE, replace(FILE, lines=())) == 3
        assert imports.names() == ["Acme", "Bolt", "Core"]

    def test_they_are_missed_once(self, imports: Imports) -> None:
        gone = Delete(0)(FILE)
        assert self.missing(imports, FILE, gone, Change(0, {"City": "Nice"})(gone)) == 0

    def test_one_that_comes_back_is_merged_again(self, imports: Imports, connector_id: UUID) -> None:
        imports.imported(bytes(Delete(0)(FILE)), connector_id)
        edit(imports)
        run = imports.imported(bytes(FILE), connector_id)
        assert (counts_of(run), run["rows_missing"]) == (counts(3, updated=1, unchanged=2), 0)
        assert cities(imports) == {"Acme": "Lyon", "Bolt": "Edited", "Core": "Edited"}


class TestDamage:
    def test_a_blob_that_was_damaged_at_rest_is_fetched_again_and_nothing_of_it_counts(
        self, imports: Imports, connector_id: UUID
    ) -> None:
        request = imports.request(bytes(Change(1, {"City": "Nice"})(FILE)), connector_id)
        blob = imports.blob_file(request)
        blob.write_bytes(blob.read_bytes().replace(b"Nice", b"Nyce"))
        imports.handler.on_import(request)
        assert imports.run(request.run_id)["stage"] == "waiting"
        assert cities(imports) == {"Acme": "Lyon", "Bolt": "Paris", "Core": "Lille"}


class TestEncodings:
    def test_one_that_only_the_end_of_the_file_tells_is_found_before_anything_is_merged(self, imports: Imports) -> None:
        # Given a file whose first two MiB are plain ASCII, though it is none
        columns = (*FIELDS, "Note")
        plain = tuple({"Company": f"Plain {number}", "Note": "x" * 90_000} for number in range(24))
        accented = tuple({"Company": f"Café {number}", "Id": f"{number}", "City": "Orléans"} for number in range(9))
        file = CsvFile((*plain, *accented), columns=columns, encoding="cp1252")
        connector_id = imports.connector()
        imports.imported(bytes(file), connector_id)
        # When one of its last rows changes
        run = imports.imported(bytes(Change(32, {"City": "Besançon"})(file)), connector_id)
        # Then all of them are read as they were before
        assert counts_of(run) == counts(33, updated=1, unchanged=32)
        assert run["reading"]["encoding"] == "cp1252"
        assert imports.lead("Café 8")["city"] == "Besançon"


class TestMappings:
    def test_another_version_reads_every_row_again(self, imports: Imports, connector_id: UUID) -> None:
        edit(imports)
        imports.save_mapping(statuses={"Customer": "LOST"})
        run = imports.imported(bytes(Change(1, {"City": "Nice"})(FILE)), connector_id)
        assert counts_of(run) == counts(3, updated=3)
        assert cities(imports) == {"Acme": "Lyon", "Bolt": "Nice", "Core": "Lille"}
        assert imports.lead("Acme")["status"] == "LOST"
        # And from then on only what changes
        edit(imports)
        run = imports.imported(bytes(FILE), connector_id)
        assert counts_of(run) == counts(3, updated=1, unchanged=2)
        assert cities(imports) == {"Acme": "Edited", "Bolt": "Paris", "Core": "Edited"}

    def test_the_same_version_does_not(self, imports: Imports, connector_id: UUID) -> None:
        edit(imports)
        run = imports.imported(bytes(Change(1, {"City": "Nice"})(FILE)), connector_id)
        assert counts_of(run) == counts(3, updated=1, unchanged=2)
        assert cities(imports) == {"Acme": "Edited", "Bolt": "Nice", "Core": "Edited"}


class TestWrites:
    def test_where_one_row_changed_one_lead_is_written(self, imports: Imports, database_url: str) -> None:
        # Given leads, contacts and deals, all counted by the database
        connector_id = imports.connector()
        self.import_alone(imports, database_url, FILE, connector_id)
        before, versions = writes(imports), imports.versions()
        # When a file with one row changed is imported
        self.import_alone(imports, database_url, Change(1, {"Tier": "gold"})(FILE), connector_id)
        # Then the database has counted one update more
        assert {name: count - before[name] for name, count in writes(imports).items() if count != before[name]} == {
            ("leads", "n_tup_upd"): 1
        }
        after = imports.versions()
        assert {name for name in after if after[name] != versions[name]} == {"Bolt"}

    def import_alone(self, imports: Imports, database_url: str, file: CsvFile, connector_id: UUID) -> None:
        """Import by an importer that ends: at the end of its sessions at the latest, their writes are counted."""
        with pool(database_url, name="importer", size=4) as connections:
            importer = Imports(connections, imports.folder)
            importer.org_id = imports.org_id
            importer.imported(bytes(file), connector_id)
            importer.service.close()
        sessions = "select count(*) from pg_stat_activity where datname = current_database() and application_name"
        deadline = time.monotonic() + 10
        while imports.value(f"{sessions} = 'sftp-connector-importer'"):
            assert time.monotonic() < deadline, "the importer's sessions do not end"
            time.sleep(0.01)

    def test_where_nothing_but_the_bytes_changed_nothing_is_written(self, imports: Imports, connector_id: UUID) -> None:
        before = {table: imports.versions(table) for table in TABLES}
        run = imports.imported(bytes(replace(FILE, line_end="\n")), connector_id)
        assert counts_of(run) == counts(3, unchanged=3)
        assert {table: imports.versions(table) for table in TABLES} == before


def writes(imports: Imports) -> dict[tuple[str, str], int]:
    """How often rows of the platform's tables were written, as the database counts."""
    kinds = ("n_tup_ins", "n_tup_upd", "n_tup_del")
    rows = imports.all("select * from pg_stat_user_tables where schemaname = 'public'")
    return {(row["relname"], kind): row[kind] for row in rows if row["relname"] in TABLES for kind in kinds}


class TestTwoConnectors:
    def test_an_unchanged_row_does_not_fight_with_the_other_file(self, imports: Imports, connector_id: UUID) -> None:
        # Given another file that says something else of the same companies
        theirs = CsvFile((ACME | {"City": "Nice"}, BOLT), columns=tuple(FIELDS))
        other = imports.connector()
        imports.imported(bytes(theirs), other)
        assert cities(imports) == {"Acme": "Nice", "Bolt": "Paris", "Core": "Lille"}
        # When other rows of both change, then the last word on each company is that of the row that came last
        imports.imported(bytes(Change(2, {"City": "Metz"})(FILE)), connector_id)
        imports.imported(bytes(Change(1, {"City": "Brest"})(theirs)), other)
        imports.imported(bytes(Change(2, {"City": "Reims"})(FILE)), connector_id)
        assert cities(imports) == {"Acme": "Nice", "Bolt": "Brest", "Core": "Reims"}
        # And when the row itself changes, it has it
        imports.imported(bytes(Change(0, {"Tier": "gold"})(FILE)), connector_id)
        assert cities(imports)["Acme"] == "Lyon"

    @pytest.mark.usefixtures("connector_id")
    def test_the_first_import_of_a_second_connector_reads_everything(self, imports: Imports) -> None:
        edit(imports)
        run = imports.imported(bytes(FILE))
        assert counts_of(run) == counts(3, updated=3)


def test_familiar_rows_count_towards_the_most_that_a_file_may_have(
    connections: ConnectionPool[Db], imports: Imports
) -> None:
    small = Imports(connections, imports.folder, max_rows=3)
    small.save_mapping()
    connector_id = small.connector()
    assert small.imported(bytes(FILE), connector_id)["outcome"] == "succeeded"
    run = small.imported(bytes(TWICE), connector_id)
    assert (run["outcome"], run["code"]) == ("failed", "too_many_rows")
