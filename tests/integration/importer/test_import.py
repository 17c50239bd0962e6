"""A file becomes leads whole or not at all, once, in its own organisation, and never against what people hold."""

import random
import time
from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from services.importer.store import Store
from shared.contracts import (
    FetchRequested,
    ImportRequested,
    NotificationPushed,
    RowCounts,
    SyncFailed,
    SyncSucceeded,
    SyncUnchanged,
)
from shared.database import Db
from tests.integration.importer.builders import (
    FIELDS,
    TABLES,
    Imports,
    counts,
    counts_of,
    csv_of,
)
from tests.integration.scheduler.builders import Desk, at_once, kinds, only

ACME = {"Company": "Acme", "Website": "https://www.acme.com/about", "Id": "A-1", "City": "Lyon", "Status": "Customer"}
BOLT = {"Company": "Bolt", "Website": "bolt.io", "Id": "B-1", "City": "Paris", "Status": "Prospect"}
CORE = {"Company": "Core", "Website": "core.fr", "Id": "C-1", "City": "Lille"}
PERSON = {"Email": "Ann@acme.com", "First name": "Ann"}
DEAL = {"Deal": "D-1", "Status": "Customer", "Since": "2026-01-31"}
# The blob store hands out a mebibyte at a time: a fault at the end of more than that comes after rows were merged.
BULK = [{"Company": f"Bulk {number}", "Id": f"bulk-{number}", "Tier": "x" * 1900} for number in range(700)]


class TestFirstImport:
    def test_a_file_becomes_leads_contacts_and_deals(self, imports: Imports) -> None:
        # Given a file of three companies
        content = csv_of([ACME | PERSON | DEAL | {"Tier": "gold"}, BOLT, CORE])
        request = imports.request(content)
        # When it is imported
        imports.handler.on_import(request)
        # Then each is a lead, under its own fields
        acme = imports.lead("Acme")
        assert (acme["website"], acme["status"], acme["status_date"]) == ("acme.com", "WON", date(2026, 1, 31))
        assert (acme["city"], acme["crm_id"], acme["custom"]) == ("Lyon", "A-1", {"CUSTOM.7": "gold"})
        assert (imports.lead("Bolt")["status"], imports.lead("Core")["status"]) == ("WANTED", "DEFAULT")
        # And the person and the deal belong to theirs
        contact = imports.one("select * from contacts")
        assert (contact["lead_id"], contact["email"], contact["first_name"]) == (acme["id"], "ann@acme.com", "Ann")
        deal = imports.one("select * from deals")
        assert (deal["lead_id"], deal["crm_id"], deal["status"]) == (acme["id"], "D-1", "WON")
        # And the run and the connector say what was done
        run = imports.run(request.run_id)
        assert (run["stage"], run["outcome"], run["mapping_version"]) == ("done", "succeeded", 1)
        assert counts_of(run) == counts(3, created=3)
        connector = imports.one("select * from connectors")
        assert (connector["file_checksum"], connector["file_mapping_version"]) == (request.checksum, 1)
        assert (connector["file_looked_at"], connector["file_code"]) == (request.looked_at, None)
        assert connector["host_keys"] == [request.host_key]

    def test_the_events_are_owed_by_the_transaction_that_wrote_the_leads(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME, BOLT, {"City": "Nowhere"}]))
        imports.handler.on_import(request)
        # Then the success and the notification are owed, in that order
        told, notification = imports.owed()
        assert isinstance(told, SyncSucceeded)
        assert isinstance(notification, NotificationPushed)
        assert (told.in_reply_to, told.run_id, told.checksum) == ("the question", request.run_id, request.checksum)
        assert told.rows == RowCounts(read=3, created=2, rejected=1)
        assert [(reject.line, reject.code) for reject in told.rejects] == [(4, "company_name_missing")]
        assert (notification.in_progress, notification.file_import_id) == (False, request.run_id)
        progress = notification.bulk_progress
        assert (progress.total_count, progress.success_count, progress.failure_count) == (3, 2, 1)
        # And one transaction wrote all of it
        written = "select distinct xmin::text as by from {}"
        writers = {
            imports.value(written.format(table)) for table in ("leads", "runs", "connectors", "outbox", "rejects")
        }
        assert len(writers) == 1

    def test_what_the_mapping_does_not_know_is_told(self, imports: Imports) -> None:
        columns = [*FIELDS, "Colour"]
        columns.remove("Tier")
        bad = {"Company": "Acme", "Status": "Maybe", "Website": "not a site", "Colour": "red"}
        run = imports.imported(csv_of([bad, bad | {"Company": "Bolt"}], columns))
        told = only(imports.owed(), SyncSucceeded)
        assert (told.unknown_statuses, told.unmapped_columns, told.missing_columns) == (
            {"Maybe": 2},
            ("Colour",),
            ("Tier",),
        )
        assert (told.warning_count, told.warnings[0].column, told.warnings[0].code) == (2, "Website", "bad_website")
        assert counts_of(run) == counts(2, created=2)
        assert imports.lead("Acme")["status"] == "DEFAULT"

    @pytest.mark.parametrize(
        "content",
        [
            b"\xef\xbb\xbf" + csv_of([ACME, BOLT]),
            csv_of([ACME, BOLT], delimiter=";"),
            b"\xef\xbb\xbf" + csv_of([ACME, BOLT], delimiter=";").replace(b"\r\n", b"\n"),
            csv_of([ACME, BOLT], delimiter="\t"),
        ],
        ids=["BOM", "semicolons", "BOM and semicolons", "tabs"],
    )
    def test_exports_of_other_programs_are_read_alike(self, imports: Imports, content: bytes) -> None:
        assert counts_of(imports.imported(content)) == counts(2, created=2)
        assert imports.names() == ["Acme", "Bolt"]
        assert imports.lead("Acme")["crm_id"] == "A-1"

    def test_rows_of_one_company_are_one_lead(self, imports: Imports) -> None:
        rows = [ACME | {"Email": f"{name}@acme.com", "Deal": f"D-{name}"} for name in ("ann", "bob", "eve")]
        run = imports.imported(csv_of(rows))
        assert counts_of(run) == counts(3, created=1, updated=2)
        assert imports.names() == ["Acme"]
        assert imports.value("select count(*) from contacts") == 3
        assert imports.value("select count(*) from deals") == 3

    def test_a_rejected_row_is_kept_with_the_line_on_which_it_stands(self, imports: Imports) -> None:
        # Given rows whose quoted cells go over several lines, blank lines, and rows that cannot be imported
        header = b"Company,City,Status\n"
        lines = [
            b'"Acme\nInc","Ly\non",Customer\n',
            b"\n",
            b",Paris,\n",
            b'"Bolt",a,b,c\n',
            b'Core,"L\n\nille",\n',
            b",,Lost\n",
        ]
        content = header + b"".join(lines)
        # When the file is imported
        run = imports.imported(content)
        # Then each reject names the physical line on which its record begins, and its column
        rejects = imports.all("select line, column_name, code, reason, org_id from rejects order by line")
        assert [(row["line"], row["column_name"], row["code"]) for row in rejects] == [
            (6, "Company", "company_name_missing"),
            (7, None, "extra_cells"),
            (11, "Company", "company_name_missing"),
        ]
        assert {row["org_id"] for row in rejects} == {imports.org_id}
        # And the others are leads
        assert counts_of(run) == counts(6, created=2, rejected=3, ignored=1)
        assert len(imports.names()) == 2


class TestRepeats:
    def test_the_same_request_has_one_effect(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME | PERSON | DEAL, BOLT]))
        imports.handler.on_import(request)
        after_one = imports.dump()
        imports.handler.on_import(request)
        assert imports.dump() == after_one

    def test_it_has_one_effect_also_when_ten_importers_have_it(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME | PERSON | DEAL, BOLT]))
        at_once(10, lambda _number: imports.handler.on_import(request))
        run = imports.run(request.run_id)
        assert (run["outcome"], run["attempt"], counts_of(run)) == ("succeeded", 1, counts(2, created=2))
        assert kinds(imports.owed()) == [SyncSucceeded, NotificationPushed]
        assert imports.names() == ["Acme", "Bolt"]

    def test_a_file_version_that_was_imported_is_not_imported_again(self, imports: Imports) -> None:
        content, connector_id = csv_of([ACME, BOLT]), imports.connector()
        imports.imported(content, connector_id)
        imports.taken()
        before = imports.versions()
        # When another run brings the same bytes
        run = imports.imported(content, connector_id)
        # Then it ends as unchanged, and no row is written
        assert (run["outcome"], counts_of(run)) == ("unchanged", counts())
        assert kinds(imports.owed()) == [SyncUnchanged]
        assert imports.versions() == before

    def test_it_is_imported_again_when_the_mapping_changed(self, imports: Imports) -> None:
        content, connector_id = csv_of([ACME, BOLT]), imports.connector()
        imports.imported(content, connector_id)
        imports.save_mapping(statuses={"Customer": "LOST"})
        run = imports.imported(content, connector_id)
        assert (run["outcome"], run["mapping_version"]) == ("succeeded", 2)
        assert counts_of(run) == counts(2, updated=1, unchanged=1)
        assert imports.lead("Acme")["status"] == "LOST"

    def test_a_run_that_is_over_is_not_imported(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME]))
        imports.all("update runs set stage = 'done', outcome = 'cancelled'")
        before = imports.dump()
        imports.handler.on_import(request)
        assert imports.dump() == before


class TestChangedFile:
    def test_only_what_changed_is_written(self, imports: Imports) -> None:
        # Given two companies, each with a contact and a deal
        connector_id = imports.connector()
        bolt = BOLT | {"Email": "bob@bolt.io", "Deal": "D-2"}
        imports.imported(csv_of([ACME | PERSON | DEAL, bolt, CORE]), connector_id)
        before = {table: imports.versions(table) for table in TABLES}
        # When one changed, one did not, one is new and one is not in the file any more
        run = imports.imported(
            csv_of(
                [ACME | PERSON | DEAL | {"City": "Nice"}, bolt, CORE | {"Company": "New", "Id": "N", "Website": ""}]
            ),
            connector_id,
        )
        # Then each is counted as what it is
        assert counts_of(run) == counts(3, created=1, updated=1, unchanged=1)
        assert imports.lead("Acme")["city"] == "Nice"
        assert imports.names() == ["Acme", "Bolt", "Core", "New"]
        # And only the lead that changed was written again
        after = {table: imports.versions(table) for table in TABLES}
        assert after["leads"]["Acme"] != before["leads"]["Acme"]
        assert {name: after["leads"][name] for name in ("Bolt", "Core")} == {
            name: before["leads"][name] for name in ("Bolt", "Core")
        }
        assert (after["contacts"], after["deals"]) == (before["contacts"], before["deals"])

    def test_a_new_contact_or_deal_of_a_known_lead_is_an_update(self, imports: Imports) -> None:
        imports.imported(csv_of([ACME, BOLT, CORE]))
        run = imports.imported(csv_of([ACME | PERSON, BOLT | {"Deal": "D-9"}, CORE]))
        assert counts_of(run) == counts(3, updated=2, unchanged=1)

    def test_an_empty_cell_never_erases(self, imports: Imports) -> None:
        imports.imported(csv_of([ACME | PERSON | DEAL | {"Tier": "gold"}]))
        before = imports.leads_written()
        # When the file says nothing any more but who it is
        emptied = {"Company": "Acme", "Id": "A-1", "Email": "ann@acme.com", "Deal": "D-1", "City": "N/A", "Tier": "-"}
        run = imports.imported(csv_of([emptied]))
        # Then everything stays
        assert counts_of(run) == counts(1, unchanged=1)
        assert imports.leads_written() == before

    def test_peoples_status_stays_when_no_status_column_is_mapped(self, imports: Imports) -> None:
        imports.imported(csv_of([ACME]))
        imports.all("update leads set status = 'UNWANTED'")
        # When contacts alone are imported
        imports.save_mapping({name: target for name, target in FIELDS.items() if not target.startswith("LEAD_STATUS")})
        run = imports.imported(csv_of([ACME | PERSON, BOLT]))
        # Then known leads keep their status, and new ones have none
        assert counts_of(run) == counts(2, created=1, updated=1)
        assert (imports.lead("Acme")["status"], imports.lead("Bolt")["status"]) == ("UNWANTED", "DEFAULT")

    def test_a_default_status_is_for_new_leads_whose_cell_is_empty(self, imports: Imports) -> None:
        imports.save_mapping(default_status="INBOUND")
        imports.imported(csv_of([ACME]))
        imports.imported(csv_of([ACME | {"Status": ""}, CORE]))
        assert (imports.lead("Acme")["status"], imports.lead("Core")["status"]) == ("WON", "INBOUND")

    def test_another_status_does_not_keep_the_date_of_the_one_before(self, imports: Imports) -> None:
        imports.imported(csv_of([ACME | DEAL]))
        # When the same status comes without a date, then the date stays
        imports.imported(csv_of([ACME | DEAL | {"Since": "", "City": "Nice"}]))
        assert imports.lead("Acme")["status_date"] == date(2026, 1, 31)
        # When another status comes without a date, then it has none
        imports.imported(csv_of([ACME | DEAL | {"Since": "", "Status": "Lost"}]))
        for table in ("leads", "deals"):
            found = imports.one(f"select status, status_date from {table}")
            assert (found["status"], found["status_date"]) == ("LOST", None)

    def test_a_leadbay_id_names_that_lead_and_no_other(self, imports: Imports) -> None:
        imports.imported(csv_of([ACME, BOLT]))
        imports.save_mapping(FIELDS | {"Leadbay": "LEADBAY_ID"})
        named = {"Company": "Bolt renamed", "Leadbay": str(imports.lead("Bolt")["id"])}
        run = imports.imported(csv_of([named], [*FIELDS, "Leadbay"]))
        assert counts_of(run) == counts(1, updated=1)
        assert imports.names() == ["Acme", "Bolt renamed"]


class TestRefusedFiles:
    def refused(self, imports: Imports, content: bytes, code: str) -> SyncFailed:
        """Import a file that cannot be, over leads that exist already."""
        connector_id = imports.connector()
        imports.imported(csv_of([ACME | PERSON | DEAL]), connector_id)
        imports.taken()
        before = imports.leads_written()
        run = imports.imported(content, connector_id)
        assert (run["outcome"], run["code"], counts_of(run)) == ("failed", code, counts())
        assert imports.leads_written() == before
        assert imports.value("select count(*) from rejects") == 0
        (told,) = imports.taken()
        assert isinstance(told, SyncFailed)
        assert (told.code, told.run_id, told.detail) == (code, run["id"], run["detail"])
        # The same bytes are not read again
        assert imports.imported(content, connector_id)["outcome"] == "unchanged"
        return told

    def test_without_a_company_name_the_file_is_refused_and_its_columns_are_named(self, imports: Imports) -> None:
        content = csv_of([{"Firm": "Acme", "Town": "Lyon"}], ["Firm", "Town"])
        told = self.refused(imports, content, "company_name_not_mapped")
        assert "Firm, Town" in told.detail
        assert "Company" in told.detail
        assert told.action

    def test_a_file_that_has_too_many_rows_is_refused_when_many_were_merged_already(
        self, connections: ConnectionPool[Db], imports: Imports
    ) -> None:
        small = Imports(connections, imports.folder, batch_rows=100, max_rows=700)
        small.save_mapping()
        self.refused(small, csv_of([ACME | {"City": "Nice"}, *BULK]), "too_many_rows")

    def test_a_file_that_is_no_text_is_refused(self, imports: Imports) -> None:
        self.refused(imports, b"PK\x03\x04" + bytes(2000), "not_text")

    def test_a_file_that_is_not_in_the_encoding_set_for_it_is_refused(self, imports: Imports) -> None:
        connector_id = imports.connector(encoding="utf-16")
        run = imports.imported(csv_of([ACME])[:-1], connector_id)
        assert (run["outcome"], run["code"]) == ("failed", "decode_failed")
        assert imports.names() == []

    def test_a_file_without_a_word_is_refused(self, imports: Imports) -> None:
        self.refused(imports, b"\r\n\r\n", "empty_file")

    def test_a_mapped_column_that_stands_twice_is_refused(self, imports: Imports) -> None:
        self.refused(imports, b"Company,City,City\nAcme,Lyon,Nice\n", "duplicate_column")


class TestLostBlobs:
    def sent_back(self, imports: Imports, desk: Desk, request: ImportRequested) -> None:
        """The run goes back to be fetched again, and nothing else happened."""
        run = imports.run(request.run_id)
        assert (run["stage"], run["outcome"], run["blob"], run["checksum"]) == ("waiting", None, None, None)
        assert imports.names() == []
        assert imports.owed() == []
        # When its server has room, then a fetcher looks with fresh eyes
        desk.handler.tick()
        (job,) = imports.taken()
        assert isinstance(job, FetchRequested)
        assert (job.run_id, job.known) == (request.run_id, None)

    def test_a_missing_blob_is_fetched_again(self, imports: Imports, desk: Desk) -> None:
        request = imports.request(csv_of([ACME]))
        imports.blob_file(request).unlink()
        imports.handler.on_import(request)
        self.sent_back(imports, desk, request)
        # When the file comes again, then it is imported
        again = imports.blob_file(request)
        again.write_bytes(csv_of([ACME]))
        imports.handler.on_import(request)
        assert imports.run(request.run_id)["outcome"] == "succeeded"

    @pytest.mark.parametrize(
        ("good", "bad"), [(b"Tail", b"Tale"), (b"Tail", b"\xff\xff\xff\xff"), (b"Company", b"Compony")]
    )
    @pytest.mark.parametrize("rows", [[ACME], [ACME, *BULK]], ids=["small", "large"])
    def test_a_damaged_blob_is_fetched_again_whatever_the_damage_looks_like(
        self, imports: Imports, desk: Desk, rows: list[dict[str, str]], good: bytes, bad: bytes
    ) -> None:
        request = imports.request(csv_of([*rows, {"Company": "Tail"}]))
        blob = imports.blob_file(request)
        blob.write_bytes(blob.read_bytes().replace(good, bad, 1))
        imports.handler.on_import(request)
        self.sent_back(imports, desk, request)

    def test_a_truncated_blob_is_fetched_again(self, imports: Imports, desk: Desk) -> None:
        request = imports.request(csv_of([ACME, BOLT]))
        imports.blob_file(request).write_bytes(b"")
        imports.handler.on_import(request)
        self.sent_back(imports, desk, request)


class TestOrganisations:
    def test_leads_with_the_same_keys_stay_apart(self, imports: Imports) -> None:
        # Given the same companies in another organisation
        other = uuid4()
        imports.save_mapping(org_id=other)
        rows = [ACME | PERSON | DEAL, BOLT | {"Email": "bob@bolt.io", "First name": "Ann"}]
        imports.imported(csv_of(rows), org_id=other)
        strange = imports.all("select t.*, t.xmin::text from leads t where org_id = %(org)s order by id", org=other)
        # When they are imported here, with other values
        run = imports.imported(csv_of([row | {"City": "Nice", "First name": "Zoe"} for row in rows]))
        # Then they are new here, and there nothing was touched
        assert counts_of(run) == counts(2, created=2)
        assert strange == imports.all(
            "select t.*, t.xmin::text from leads t where org_id = %(org)s order by id", org=other
        )
        for table in TABLES:
            per_org = imports.all(f"select org_id, count(*) as n from {table} group by 1")
            assert len(per_org) == 2
            assert len({row["n"] for row in per_org}) == 1
        first_names = {
            row["org_id"]: row["first_name"] for row in imports.all("select org_id, first_name from contacts")
        }
        assert first_names == {other: "Ann", imports.org_id: "Zoe"}

    def test_a_leadbay_id_of_another_organisation_is_a_rejected_row(self, imports: Imports) -> None:
        other = uuid4()
        imports.save_mapping(org_id=other)
        imports.imported(csv_of([ACME]), org_id=other)
        before = imports.versions()
        imports.save_mapping(FIELDS | {"Leadbay": "LEADBAY_ID"})
        stolen = {"Company": "Mine now", "Leadbay": str(imports.lead("Acme", other)["id"])}
        run = imports.imported(csv_of([stolen, BOLT], [*FIELDS, "Leadbay"]))
        assert counts_of(run) == counts(2, created=1, rejected=1)
        assert imports.value("select code from rejects") == "unknown_leadbay_id"
        assert (imports.names(), imports.names(other)) == (["Bolt"], ["Acme"])
        assert imports.versions()["Acme"] == before["Acme"]

    def test_a_request_with_a_forged_organisation_does_nothing(self, imports: Imports) -> None:
        other = uuid4()
        imports.save_mapping(org_id=other)
        request = imports.request(csv_of([ACME]))
        imports.request(csv_of([ACME]), org_id=other)
        before = imports.dump()
        imports.handler.on_import(request.model_copy(update={"org_id": other}))
        assert imports.dump() == before

    def test_a_request_for_another_organisations_blob_reads_nothing_of_it(self, imports: Imports, desk: Desk) -> None:
        other = uuid4()
        theirs = imports.request(csv_of([ACME]), org_id=other)
        mine = imports.request(csv_of([BOLT]))
        forged = mine.model_copy(update={"blob": theirs.blob, "checksum": theirs.checksum})
        imports.handler.on_import(forged)
        assert imports.run(mine.run_id)["outcome"] is None
        assert (imports.names(), imports.names(other), imports.owed()) == ([], [], [])
        # The blob that is read is that of the organisation, whatever key the request names
        desk.handler.tick()
        imports.handler.on_import(mine.model_copy(update={"blob": theirs.blob}))
        assert (imports.names(), imports.names(other)) == (["Bolt"], [])


class TestFence:
    def test_a_connector_deleted_while_its_file_is_imported_gets_no_leads(self, imports: Imports, desk: Desk) -> None:
        request = imports.request(csv_of([ACME, BOLT]))
        with imports.stopped_before_merging(request):
            desk.ask("sftp_connector.delete", connector_id=str(request.connector_id))
            imports.taken()
        assert (imports.names(), imports.owed()) == ([], [])
        assert imports.run(request.run_id)["outcome"] == "cancelled"
        assert imports.one("select * from connectors")["file_checksum"] is None

    def test_a_run_cancelled_by_a_change_of_its_connector_gets_no_leads(self, imports: Imports, desk: Desk) -> None:
        request = imports.request(csv_of([ACME, BOLT]))
        with imports.stopped_before_merging(request):
            desk.ask("sftp_connector.update", connector_id=str(request.connector_id), path="/other.csv")
            imports.taken()
        assert (imports.names(), imports.owed()) == ([], [])
        assert imports.one("select * from connectors")["file_checksum"] is None

    @pytest.mark.parametrize("noticed", [False, True], ids=["at the end", "on the way"])
    def test_an_import_that_lost_its_lease_writes_nothing(self, imports: Imports, desk: Desk, noticed: bool) -> None:
        request = imports.request(csv_of([ACME, BOLT]))
        with imports.stopped_before_merging(request):
            # When its lease ends and another importer takes the run over
            desk.let_leases_end()
            desk.sweep.step()
            assert imports.taken() == [request]
            with imports.connections.connection() as db:
                claim = Store(db).claim(request, 60)
            assert claim is not None
            if noticed:
                imports.leases.extend()
        # Then the first one wrote nothing, and the run is still the other's
        assert (imports.names(), imports.owed()) == ([], [])
        run = imports.run(request.run_id)
        assert (run["stage"], run["attempt"]) == ("importing", claim.attempt)

    def test_a_refusal_by_an_import_that_lost_its_lease_is_not_told(
        self, connections: ConnectionPool[Db], imports: Imports, desk: Desk
    ) -> None:
        small = Imports(connections, imports.folder, max_rows=1)
        small.save_mapping()
        desk.org_id = small.org_id
        request = small.request(csv_of([ACME, BOLT]))
        with small.stopped_before_merging(request):
            desk.ask("sftp_connector.delete", connector_id=str(request.connector_id))
            imports.taken()
        assert imports.owed() == []
        assert imports.run(request.run_id)["outcome"] == "cancelled"

    def test_a_lease_that_is_kept_cannot_be_taken(self, imports: Imports, desk: Desk) -> None:
        request = imports.request(csv_of([ACME]))
        with imports.stopped_before_merging(request):
            # When the lease was about to end and the importer extends it
            desk.let_leases_end()
            imports.leases.extend()
            # Then nobody else gets the run
            desk.sweep.step()
            imports.handler.on_import(request)
            assert imports.owed() == []
        assert imports.run(request.run_id)["outcome"] == "succeeded"

    def test_a_lease_that_is_given_back_can_be_taken_at_once(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME]))
        with imports.stopped_before_merging(request):
            imports.leases.give_back()
            with imports.connections.connection() as db:
                assert Store(db).claim(request, 60) is not None
        assert imports.names() == []

    def test_an_import_that_fails_leaves_nothing_and_can_be_taken_at_once(self, imports: Imports) -> None:
        request = imports.request(csv_of([ACME | PERSON | DEAL]))
        # When something breaks after leads and contacts were written
        imports.all("alter table deals rename to broken")
        with pytest.raises(psycopg.errors.UndefinedTable):
            imports.handler.on_import(request)
        imports.all("alter table broken rename to deals")
        # Then nothing is left of it, and the same message, delivered again, finds the run free
        assert (imports.names(), imports.owed()) == ([], [])
        imports.handler.on_import(request)
        run = imports.run(request.run_id)
        assert (run["outcome"], run["attempt"]) == ("succeeded", 2)


class TestTwoConnectors:
    def test_one_waits_for_the_other_longer_than_for_any_other_lock(self, imports: Imports, database_url: str) -> None:
        # Given connections that wait for a lock a tenth of a second only
        options = {"row_factory": dict_row, "options": "-c lock_timeout=100ms -c timezone=UTC"}
        with ConnectionPool[Db](database_url, kwargs=options, min_size=1, max_size=4, open=True) as impatient:
            hasty = Imports(impatient, imports.folder)
            hasty.save_mapping()
            request = hasty.request(csv_of([ACME]))
            # When another import of the organisation takes longer
            with hasty.stopped_before_merging(request):
                time.sleep(0.3)
            # Then the import waited for it
            assert hasty.run(request.run_id)["outcome"] == "succeeded"

    def test_the_same_companies_at_once_in_reverse_order_become_one_lead_each(
        self, connections: ConnectionPool[Db], imports: Imports
    ) -> None:
        # Given two files of the same 500 companies, one in reverse order
        small = Imports(connections, imports.folder, batch_rows=100)
        small.save_mapping()
        rows = [ACME | {"Company": f"Firm {n}", "Id": f"F-{n}", "Website": f"firm{n}.com"} for n in range(500)]
        requests = [small.request(csv_of(rows)), small.request(csv_of(rows[::-1]))]
        # When both are imported at once, the second when its turn comes
        at_once(2, lambda number: small.handler.on_import(requests[number]))
        for job in small.taken():
            if isinstance(job, ImportRequested):
                small.handler.on_import(job)
        # Then each company is one lead, made by the first and found by the second
        runs = [small.run(request.run_id) for request in requests]
        assert sorted(run["rows_created"] for run in runs) == [0, 500]
        assert sorted(run["rows_unchanged"] for run in runs) == [0, 500]
        assert sorted(small.names()) == sorted(row["Company"] for row in rows)


class TestBatches:
    @pytest.mark.parametrize("seed", range(4))
    def test_the_size_of_a_batch_makes_no_difference(
        self, connections: ConnectionPool[Db], imports: Imports, seed: int
    ) -> None:
        # Given a file with several rows of each company, and its next version
        dice = random.Random(seed)
        rows = [a_row(dice, number) for number in range(60)]
        changed = [row if dice.random() < 0.7 else a_row(dice, number) for number, row in enumerate(rows)]
        # When both are imported row by row, by twos, and at once
        found = []
        for batch_rows in (1, 2, 5000):
            sized = Imports(connections, imports.folder, batch_rows=batch_rows)
            sized.save_mapping()
            connector_id = sized.connector()
            first = sized.imported(csv_of(rows), connector_id)
            leads_then = content(sized)
            second = sized.imported(csv_of(changed), connector_id)
            found.append((leads_then, counts_of(first), undated(content(sized)), settled(counts_of(second))))
        # Then leads and counts are the same
        assert found[0] == found[1] == found[2]
        assert all(found[0][1][name] for name in ("created", "updated", "rejected", "ignored"))


def a_row(dice: random.Random, number: int) -> dict[str, str]:
    """A row of one of a few companies, with a contact of its own; sometimes blank, sometimes without a name."""
    luck = dice.random()
    if luck < 0.05:
        return {}
    company = dice.randrange(8)
    return {
        "Company": "" if luck < 0.15 else f"Firm {company}",
        "Id": f"F-{company}",
        "Website": dice.choice(["", f"firm{company}.com"]),
        "City": dice.choice(["", "Lyon", "Paris", "Lille"]),
        "Status": dice.choice(["", "Customer", "Lost", "Prospect", "Unheard of"]),
        "Since": dice.choice(["", "2026-01-31", "2026-02-28"]),
        "Email": f"person{number}@firm{company}.com",
        "First name": dice.choice(["Ann", "Bob", "Eve"]),
        "Deal": dice.choice(["", f"D-{number}"]),
        "Tier": dice.choice(["", "gold", "silver"]),
    }


def content(imports: Imports) -> dict[str, list[dict[str, Any]]]:
    """The organisation's leads, contacts, deals and keys, under names instead of random ids."""
    own = {"org": imports.org_id}
    rows = {table: imports.all(f"select * from {table} where org_id = %(org)s", **own) for table in TABLES}
    names: Mapping[UUID, str] = {row["id"]: row["name"] for row in rows["leads"]}
    hidden = {"id", "org_id", "created_at", "updated_at"}
    plain = {
        table: [
            {
                name: names.get(value, value) if name == "lead_id" else value
                for name, value in row.items()
                if name not in hidden
            }
            for row in found
        ]
        for table, found in rows.items()
    }
    return {table: sorted(found, key=str) for table, found in plain.items()}


def undated(found: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """A known lead whose status goes to another and back within one file may keep its date, or lose it on the way."""
    return found | {"leads": [row | {"status_date": None} for row in found["leads"]]}


def settled(found: dict[str, int]) -> dict[str, int]:
    """Rows of a known lead count as updated when their batch changes it: between these two, batches may differ."""
    return found | {"updated": found["updated"] + found["unchanged"], "unchanged": 0}
