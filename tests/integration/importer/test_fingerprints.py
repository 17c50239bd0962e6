"""What an import leaves for the next one: only what was imported, and its loss costs a full import and no more."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import structlog
from psycopg_pool import ConnectionPool

from shared.database import Db, Row
from tests.integration.importer.builders import FIELDS, Imports, counts, counts_of, csv_of
from tests.integration.importer.customer_file import Change, CsvFile

ACME = {"Company": "Acme", "Id": "A", "City": "Lyon", "Deal": "D-1"}
BOLT = {"Company": "Bolt", "Id": "B", "City": "Paris"}
CORE = {"Company": "Core", "Id": "C", "City": "Lille"}
FILE = CsvFile((ACME, BOLT, CORE), columns=tuple(FIELDS))
NEXT = Change(1, {"City": "Nice"})(FILE)
Damage = Callable[[bytes], bytes]


@pytest.fixture
def connector_id(imports: Imports) -> UUID:
    """A connector whose file was imported, and whose leads were edited since."""
    made = imports.connector()
    imports.imported(bytes(FILE), made)
    imports.all("update leads set city = 'Edited'")
    return made


def kept(imports: Imports) -> Row:
    """What is known of the only connector's last import."""
    return imports.one("select * from fingerprints")


def kept_file(imports: Imports) -> Path:
    return imports.folder / str(kept(imports)["blob"])


def cities(imports: Imports) -> dict[str, str]:
    """The cities of all leads by name."""
    return {row["name"]: row["city"] for row in imports.all("select name, city from leads order by name")}


def assert_compared_with(file: CsvFile, imports: Imports, connector_id: UUID) -> None:
    """The next import reads what differs from this version, and nothing else: edits in all other rows stay."""
    imports.all("update leads set city = 'Edited'")
    run = imports.imported(bytes(Change(2, {"City": "Metz"})(file)), connector_id)
    assert counts_of(run) == counts(3, updated=1, unchanged=2)
    assert cities(imports) == {"Acme": "Edited", "Bolt": "Edited", "Core": "Metz"}


class TestLoss:
    @pytest.mark.parametrize(
        "damage",
        [
            pytest.param(lambda _data: b"", id="emptied"),
            pytest.param(lambda data: data[: len(data) // 2], id="cut"),
            pytest.param(lambda data: data[:-1], id="a byte less"),
            pytest.param(lambda data: data + b"\0", id="a byte more"),
            pytest.param(lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], id="another bit"),
        ],
    )
    def test_damaged_ones_cost_a_full_import(self, imports: Imports, connector_id: UUID, damage: Damage) -> None:
        kept_file(imports).write_bytes(damage(kept_file(imports).read_bytes()))
        self.costs_a_full_import(imports, connector_id)

    def test_lost_ones_do(self, imports: Imports, connector_id: UUID) -> None:
        kept_file(imports).unlink()
        self.costs_a_full_import(imports, connector_id)

    @pytest.mark.parametrize(
        "strange",
        [
            pytest.param(lambda _data: b"", id="nothing"),
            pytest.param(lambda _data: b"\xff", id="a byte"),
            pytest.param(lambda data: b"\xff" * len(data), id="as many bytes"),
            pytest.param(lambda data: data[:-1], id="entries of which one is not whole"),
            pytest.param(lambda data: b"\xff" + data[1:], id="another beginning"),
        ],
    )
    def test_ones_of_a_format_that_is_not_known_do(self, imports: Imports, connector_id: UUID, strange: Damage) -> None:
        data = strange(kept_file(imports).read_bytes())
        kept_file(imports).write_bytes(data)
        imports.all("update fingerprints set checksum = %(sum)s", sum=sha256(data).hexdigest())
        self.costs_a_full_import(imports, connector_id)

    def costs_a_full_import(self, imports: Imports, connector_id: UUID) -> None:
        """The next import succeeds, overwrites what people edited, says why, and leaves good ones."""
        with structlog.testing.capture_logs() as lines:
            run = imports.imported(bytes(NEXT), connector_id)
        assert counts_of(run) == counts(3, updated=3)
        assert cities(imports) == {"Acme": "Lyon", "Bolt": "Nice", "Core": "Lille"}
        assert [line["log_level"] for line in lines if "fingerprints" in line["event"]] == ["warning"]
        assert_compared_with(NEXT, imports, connector_id)

    def test_forgotten_ones_are_no_fault(self, imports: Imports, connector_id: UUID) -> None:
        imports.all("delete from fingerprints")
        with structlog.testing.capture_logs() as lines:
            run = imports.imported(bytes(NEXT), connector_id)
        assert counts_of(run) == counts(3, updated=3)
        assert [line for line in lines if line["log_level"] == "warning"] == []
        assert_compared_with(NEXT, imports, connector_id)


class TestImportsThatDoNotCount:
    """Each is followed by an import that is still compared with the last version that was imported."""

    def test_a_dry_run(self, imports: Imports, connector_id: UUID) -> None:
        before = kept(imports)
        run = imports.imported(bytes(NEXT), connector_id, dry_run=True)
        # It tells what the real run would do
        assert counts_of(run) == counts(3, updated=1, unchanged=2)
        assert kept(imports) == before
        assert_compared_with(FILE, imports, connector_id)

    def test_a_refused_file(self, imports: Imports, connector_id: UUID) -> None:
        before = kept(imports)
        assert imports.imported(b"Firm,Town\nAcme,Lyon\n", connector_id)["code"] == "company_name_not_mapped"
        assert kept(imports) == before
        assert_compared_with(FILE, imports, connector_id)

    def test_a_file_that_is_refused_when_rows_were_merged_already(
        self, connections: ConnectionPool[Db], imports: Imports, connector_id: UUID
    ) -> None:
        before = kept(imports)
        small = Imports(connections, imports.folder, max_rows=4, batch_rows=2)
        small.org_id = imports.org_id
        rows = [{"Company": f"Firm {number}", "Id": str(number)} for number in range(5)]
        assert small.imported(csv_of(rows), connector_id)["code"] == "too_many_rows"
        assert kept(imports) == before
        assert_compared_with(FILE, imports, connector_id)

    def test_one_that_lost_its_run(self, imports: Imports, connector_id: UUID) -> None:
        before = kept(imports)
        request = imports.request(bytes(NEXT), connector_id)
        with imports.stopped_before_merging(request):
            imports.all("update runs set stage = 'done', outcome = 'cancelled' where id = %(id)s", id=request.run_id)
        assert kept(imports) == before
        # And what it left in the blob store is gone
        assert [file for file in imports.folder.glob("fingerprints/**/*") if file.is_file()] == [kept_file(imports)]
        assert_compared_with(FILE, imports, connector_id)

    def test_one_that_fails_in_the_middle(self, imports: Imports, connector_id: UUID) -> None:
        before = kept(imports)
        request = imports.request(bytes(Change(0, {"City": "Nice"})(FILE)), connector_id)
        imports.all("alter table deals rename to broken")
        with pytest.raises(psycopg.errors.UndefinedTable):
            imports.handler.on_import(request)
        imports.all("alter table broken rename to deals")
        assert kept(imports) == before
        # And the same import, tried again, has the right ones
        imports.handler.on_import(request)
        assert counts_of(imports.run(request.run_id)) == counts(3, updated=1, unchanged=2)
        assert_compared_with(Change(0, {"City": "Nice"})(FILE), imports, connector_id)

    def test_a_first_one_that_fails_leaves_none(self, imports: Imports) -> None:
        request = imports.request(bytes(FILE))
        imports.all("alter table deals rename to broken")
        with pytest.raises(psycopg.errors.UndefinedTable):
            imports.handler.on_import(request)
        imports.all("alter table broken rename to deals")
        assert imports.all("select * from fingerprints") == []
        assert list(imports.folder.glob("incoming/*")) == []

    def test_the_same_file_once_more(self, imports: Imports, connector_id: UUID) -> None:
        before = kept(imports)
        assert imports.imported(bytes(FILE), connector_id)["outcome"] == "unchanged"
        assert kept(imports) == before


class TestLeftBehind:
    def test_the_last_import_s_are_kept_and_no_others(self, imports: Imports, connector_id: UUID) -> None:
        first = kept_file(imports)
        imports.imported(bytes(NEXT), connector_id)
        assert kept_file(imports).exists()
        assert not first.exists() or first == kept_file(imports)

    def test_one_connector_s_are_not_another_s(self, imports: Imports, connector_id: UUID) -> None:
        imports.imported(bytes(NEXT))
        rows = imports.all("select connector_id, org_id, mapping_version from fingerprints")
        assert len({row["connector_id"] for row in rows}) == 2
        assert {(row["org_id"], row["mapping_version"]) for row in rows} == {(imports.org_id, 1)}
        assert_compared_with(FILE, imports, connector_id)

    def test_they_hold_24_bytes_a_record_and_nothing_of_what_it_says(self, imports: Imports) -> None:
        rows = [{"Company": f"Firm {number}", "Id": str(number)} for number in range(100)]
        imports.imported(csv_of(rows))
        data = kept_file(imports).read_bytes()
        assert 2_400 <= len(data) < 2_500
        assert b"Firm" not in data
