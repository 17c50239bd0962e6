"""What people change in Leadbay stays until the row of the file that says otherwise changes."""

from dataclasses import replace
from uuid import UUID

import pytest

from shared.contracts import SyncSucceeded
from tests.integration.importer.builders import FIELDS, Imports, counts, counts_of, csv_of
from tests.integration.importer.customer_file import Change, ChangeAll, CsvFile, Delete, Edit, Insert, Move
from tests.integration.scheduler.builders import only

ACME = {"Company": "Acme", "Website": "acme.com", "Status": "Customer", "City": "Lyon", "Id": "A", "Tier": "gold"} | {
    "Email": "ann@acme.com",
    "First name": "Ann",
    "Deal": "D-1",
}
BOLT = {"Company": "Bolt", "City": "Paris", "Id": "B", "Email": "bob@bolt.io", "Note": "Müller"}
CORE = {"Company": "Core", "City": "Lille", "Id": "C"}
FILE = CsvFile((ACME, BOLT, CORE), columns=(*FIELDS, "Note"))
EDITS = (
    "update leads set city = 'Edited', sector = 'Edited', custom = custom || '{\"CUSTOM.7\": \"edited\"}'",
    "update contacts set first_name = 'Edited', title = 'Edited'",
    "update deals set status = 'LOST'",
)
LEAVING_A_ROW_AS_IT_IS: dict[str, Edit] = {
    "another row changes": Change(1, {"City": "Nice"}),
    "another row names another company": Change(1, {"Id": "E", "Company": "Echo"}),
    "another row is rejected": Change(1, {"Company": ""}),
    "a row appears above it": Insert(0, {"Company": "Dune", "Id": "D"}),
    "lines appear that are no rows": Insert(0, ""),
    "another row vanishes": Delete(1),
    "it comes last": Move(0, 2, repeat=False),
    "another row stands there twice": Move(1, 0, repeat=True),
    "a column that is not mapped changes in every row": ChangeAll("Note", "exported at noon"),
    "a cell is written otherwise": Change(0, {"Website": "https://www.ACME.com/", "City": " Lyon "}),
}
WRITTEN_OTHERWISE = {
    "LF ends lines": replace(FILE, line_end="\n"),
    "CR ends lines": replace(FILE, line_end="\r"),
    "the last line has no end": replace(FILE, ended=False),
    "another encoding": replace(FILE, encoding="cp1252"),
    "an encoding of two bytes": replace(FILE, encoding="utf-16"),
    "a byte order mark": replace(FILE, encoding="utf-8-sig"),
    "another delimiter": replace(FILE, delimiter=";"),
    "quotes around every cell": replace(FILE, quote_all=True),
    "a column more": replace(FILE, columns=("Number", *FILE.columns)),
    "columns in another order": replace(FILE, columns=FILE.columns[::-1]),
    "a column less that nobody maps": replace(FILE, columns=tuple(FIELDS)),
}


@pytest.fixture
def connector_id(imports: Imports) -> UUID:
    """A connector whose file was imported, and whose leads were edited since."""
    made = imports.connector()
    imports.imported(bytes(FILE), made)
    edit(imports)
    return made


def edit(imports: Imports) -> None:
    """Let people change all leads, contacts and deals."""
    for statement in EDITS:
        imports.all(statement)


def acme(imports: Imports) -> list[object]:
    """The lead of that name, its contact and its deal."""
    lead = imports.lead("Acme")
    own = {"id": lead["id"]}
    contacts = imports.all("select * from contacts where lead_id = %(id)s", **own)
    return [lead, *contacts, *imports.all("select * from deals where lead_id = %(id)s", **own)]


class TestEditsStay:
    @pytest.mark.parametrize("change", LEAVING_A_ROW_AS_IT_IS.values(), ids=LEAVING_A_ROW_AS_IT_IS)
    def test_when_the_row_says_what_it_said(self, imports: Imports, connector_id: UUID, change: Edit) -> None:
        before = acme(imports)
        run = imports.imported(bytes(change(FILE)), connector_id)
        assert run["outcome"] == "succeeded"
        assert acme(imports) == before

    @pytest.mark.parametrize("file", WRITTEN_OTHERWISE.values(), ids=WRITTEN_OTHERWISE)
    def test_when_the_file_is_written_otherwise(self, imports: Imports, connector_id: UUID, file: CsvFile) -> None:
        before = imports.leads_written()
        run = imports.imported(bytes(file), connector_id)
        assert counts_of(run) == counts(3, unchanged=3)
        assert imports.leads_written() == before

    def test_over_many_versions_of_the_file(self, imports: Imports, connector_id: UUID) -> None:
        before, file = acme(imports), FILE
        for change in LEAVING_A_ROW_AS_IT_IS.values():
            file = change(file)
            imports.imported(bytes(file), connector_id)
        assert acme(imports) == before

    def test_when_its_row_had_something_to_be_told_of(self, imports: Imports) -> None:
        # Given a row with a warning and a status that the mapping does not know
        odd = Change(0, {"Website": "no site", "Status": "Odd"})(FILE)
        connector_id = imports.connector()
        imports.imported(bytes(odd), connector_id)
        edit(imports)
        before = acme(imports)
        # When another row changes
        told = imports.told_of(bytes(Change(1, {"City": "Nice"})(odd)), connector_id)
        # Then the edits stay, and the admin is told again
        assert acme(imports) == before
        assert [(warning.line, warning.code) for warning in told.warnings] == [(2, "bad_website")]
        assert told.unknown_statuses == {"Odd": 1}

    def test_when_its_row_spans_lines(self, imports: Imports) -> None:
        wide = Change(0, {"City": "Saint-\nÉtienne"})(FILE)
        connector_id = imports.connector()
        imports.imported(bytes(wide), connector_id)
        edit(imports)
        before = acme(imports)
        imports.imported(bytes(Change(1, {"City": "Nice"})(wide)), connector_id)
        assert acme(imports) == before


class TestEditsAreOverwritten:
    def test_by_what_a_changed_row_states_and_nothing_else_of_the_lead(
        self, imports: Imports, connector_id: UUID
    ) -> None:
        others = [imports.lead("Bolt"), imports.lead("Core")]
        # When one cell of the row changes
        run = imports.imported(bytes(Change(0, {"Status": "Prospect"})(FILE)), connector_id)
        # Then all cells that it states hold again, and what it does not state stays
        assert counts_of(run) == counts(3, updated=1, unchanged=2)
        lead = imports.lead("Acme")
        assert (lead["status"], lead["city"], lead["custom"]) == ("WANTED", "Lyon", {"CUSTOM.7": "gold"})
        assert lead["sector"] == "Edited"
        assert imports.all("select status from deals") == [{"status": "WANTED"}]
        contact = imports.one("select * from contacts where lead_id = %(id)s", id=lead["id"])
        assert (contact["first_name"], contact["title"]) == ("Ann", "Edited")
        # And the other companies keep their edits
        assert [imports.lead("Bolt"), imports.lead("Core")] == others

    def test_not_by_a_cell_that_became_empty(self, imports: Imports, connector_id: UUID) -> None:
        imports.imported(bytes(Change(0, {"City": "", "Website": ""})(FILE)), connector_id)
        assert imports.lead("Acme")["city"] == "Edited"

    @pytest.mark.parametrize(
        "change",
        [Change(3, {"Tier": "silver"}), Delete(3), Move(3, 0, repeat=False), Insert(1, {"Company": "Acme", "Id": "A"})],
        ids=["changes", "vanishes", "moves", "appears"],
    )
    def test_when_another_row_of_the_company(self, imports: Imports, change: Edit) -> None:
        # Given a company of two rows
        file = replace(FILE, lines=(*FILE.lines, {"Company": "Acme", "Id": "A", "Tier": "bronze"}))
        connector_id = imports.connector()
        imports.imported(bytes(file), connector_id)
        edit(imports)
        # When one of them changes, then all of them are merged again
        imports.imported(bytes(change(file)), connector_id)
        assert imports.lead("Acme")["city"] == "Lyon"
        assert [imports.lead(name)["city"] for name in ("Bolt", "Core")] == ["Edited", "Edited"]


class TestDeletedLeads:
    def test_one_is_not_made_again_by_a_row_that_stays_as_it_is(self, imports: Imports, connector_id: UUID) -> None:
        imports.all("delete from leads where name = 'Acme'")
        run = imports.imported(bytes(Change(1, {"City": "Nice"})(FILE)), connector_id)
        assert counts_of(run) == counts(3, updated=1, unchanged=2)
        assert imports.names() == ["Bolt", "Core"]
        # But when its row changes it is
        run = imports.imported(bytes(Change(0, {"City": "Nice"})(FILE)), connector_id)
        assert counts_of(run) == counts(3, created=1, updated=1, unchanged=1)
        assert imports.lead("Acme")["city"] == "Nice"

    def test_one_that_was_made_again_goes_on_as_any_other(self, imports: Imports, connector_id: UUID) -> None:
        imports.all("delete from leads where name = 'Acme'")
        changed = Change(0, {"City": "Nice"})(FILE)
        imports.imported(bytes(changed), connector_id)
        edit(imports)
        before = acme(imports)
        imports.imported(bytes(Change(1, {"City": "Nice"})(changed)), connector_id)
        assert acme(imports) == before

    def test_a_company_of_two_rows_is_made_again_by_the_one_that_changes(self, imports: Imports) -> None:
        file = replace(FILE, lines=(*FILE.lines, {"Company": "Acme", "Id": "A", "Tier": "bronze"}))
        connector_id = imports.connector()
        imports.imported(bytes(file), connector_id)
        imports.all("delete from leads where name = 'Acme'")
        run = imports.imported(bytes(Change(3, {"Tier": "silver"})(file)), connector_id)
        assert run["rows_created"] == 1
        assert imports.names() == ["Acme", "Bolt", "Core"]

    def test_a_contact_and_a_deal_stay_deleted_as_well(self, imports: Imports, connector_id: UUID) -> None:
        imports.all("delete from contacts where email = 'ann@acme.com'")
        imports.all("delete from deals")
        imports.imported(bytes(Change(1, {"City": "Nice"})(FILE)), connector_id)
        assert imports.contacts("email") == [("bob@bolt.io",)]
        assert imports.all("select * from deals") == []


class TestRejectedRows:
    def test_one_is_tried_again_although_it_did_not_change(self, imports: Imports) -> None:
        # Given a row that names a lead which is none
        imports.save_mapping(FIELDS | {"Leadbay": "LEADBAY_ID"})
        other = imports.connector()
        lead_id = "0195502a-7c00-7000-8000-000000000001"
        rows = [{"Company": "Acme renamed", "Leadbay": lead_id}, CORE]
        columns = (*FIELDS, "Leadbay")
        run = imports.imported(csv_of([rows[0], CORE], columns), other)
        assert counts_of(run) == counts(2, created=1, rejected=1)
        # When it becomes one, and another row changes
        imports.all(
            "insert into leads (id, org_id, name) values (%(id)s, %(org)s, 'Acme')", id=lead_id, org=imports.org_id
        )
        run = imports.imported(csv_of([rows[0], CORE | {"City": "Nice"}], columns), other)
        # Then the row is merged
        assert counts_of(run) == counts(2, updated=2)
        assert imports.names() == ["Acme renamed", "Core"]

    def test_one_is_told_by_its_line_each_time(self, imports: Imports) -> None:
        connector_id = imports.connector()
        nameless = {"Id": "N", "City": "Nowhere"}
        file = replace(FILE, lines=(ACME, nameless, BOLT, CORE))
        imports.imported(bytes(file), connector_id)
        imports.taken()
        run = imports.imported(bytes(Insert(0, {"Company": "Dune", "Id": "D"})(file)), connector_id)
        told = only(imports.taken(), SyncSucceeded)
        assert [(reject.line, reject.record, reject.code) for reject in told.rejects] == [
            (4, 3, "company_name_missing")
        ]
        assert [row["line"] for row in imports.rejected(told)] == ["4"]
        assert counts_of(run) == counts(5, created=1, unchanged=3, rejected=1)

    def test_a_lead_that_is_no_more_rejects_the_rows_that_named_it_by_its_id_when_they_change(
        self, imports: Imports, connector_id: UUID
    ) -> None:
        # Given a row that names a lead by its id
        imports.save_mapping(FIELDS | {"Leadbay": "LEADBAY_ID"})
        columns = (*FIELDS, "Leadbay")
        named = {"Company": "Acme", "Leadbay": str(imports.lead("Acme")["id"])}
        imports.imported(csv_of([named, CORE], columns), connector_id)
        # When the lead is deleted, and then another row changes, and then this one
        imports.all("delete from leads where name = 'Acme'")
        first = imports.imported(csv_of([named, CORE | {"City": "Nice"}], columns), connector_id)
        second = imports.imported(csv_of([named | {"City": "Nice"}, CORE | {"City": "Nice"}], columns), connector_id)
        # Then it is rejected as soon as it is read
        assert counts_of(first) == counts(2, updated=1, unchanged=1)
        assert counts_of(second) == counts(2, unchanged=1, rejected=1)
