"""Rejected rows are kept whole in a file that an admin can mend and drop back, and told without their content."""

import csv
import io
from collections.abc import Mapping, Sequence

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import SyncSucceeded
from shared.database import Db
from tests.integration.importer.builders import Imports, counts, counts_of
from tests.integration.scheduler.builders import only

CONTENT = (
    "Company;Id;City;Email\n"
    "Acme;A;Lyon;ann@acme.com\n"
    ";B;Besançon;bob@bolt.io\n"
    "Core;C;Nîmes;eve@core.fr;x;y\n"
    "Dune;D;Nice;dan@dune.fr\n"
    f"{'E' * 501};E;Metz;\n"
).encode("cp1252")
NAMED = ("Company", "Id", "City", "Email")


def written(rows: Sequence[Mapping[str, str]]) -> bytes:
    """The rows as a spreadsheet saves them."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def test_each_rejected_row_stands_in_the_file_with_its_line_its_code_and_what_to_do(imports: Imports) -> None:
    told = imports.told_of(CONTENT)
    assert (told.rows.created, told.rows.rejected) == (2, 3)
    # Then the event names the file, which lies beside the run's attempt
    run = imports.one("select * from runs")
    assert told.reject_blob == run["reject_blob"] == f"rejects/{imports.org_id}/{run['id']}.1.csv"
    # And it holds the rows as they came, with three columns more
    missing, extra, long = imports.rejected(told)
    assert list(missing)[:7] == [*NAMED, "line", "code", "reason"]
    assert [missing[name] for name in NAMED] == ["", "B", "Besançon", "bob@bolt.io"]
    assert (missing["line"], missing["code"]) == ("3", "company_name_missing")
    assert "Fill it in" in missing["reason"]
    # Cells beyond the last column stand at its end
    assert [extra[name] for name in NAMED] == ["Core", "C", "Nîmes", "eve@core.fr"]
    assert (extra["line"], extra["code"], extra["more"]) == ("4", "extra_cells", ["x", "y"])
    assert (long["line"], long["code"], long["Company"]) == ("6", "company_name_too_long", "E" * 501)


def test_an_event_and_the_tables_never_hold_what_a_rejected_cell_says(imports: Imports) -> None:
    told = imports.told_of(CONTENT)
    assert [(reject.line, reject.record, reject.column, reject.code) for reject in told.rejects] == [
        (3, 2, "Company", "company_name_missing"),
        (4, 3, None, "extra_cells"),
        (6, 5, "Company", "company_name_too_long"),
    ]
    assert [reject.value for reject in told.rejects] == ["", "", "x" * 40]
    rows = imports.all("select line, record, column_name, code, value from rejects order by line")
    assert [tuple(row.values()) for row in rows] == [
        (reject.line, reject.record, reject.column, reject.code, reject.value) for reject in told.rejects
    ]
    kept = " ".join(imports.dump(without=("leads", "contacts", "lead_keys"))["rejects"]) + told.model_dump_json()
    for secret in ("Besançon", "bob@bolt.io", "eve@core.fr", "EEE"):
        assert secret not in kept


def test_the_mended_rows_dropped_back_are_exactly_the_leads_that_were_missing(imports: Imports) -> None:
    # Given the rejected rows of an import, mended by hand
    first = imports.told_of(CONTENT)
    before = imports.versions()
    rows = imports.rejected(first)
    rows[0]["Company"], rows[2]["Company"] = "Bolt", "Echo"
    # When the file is imported as it is, with its three columns more
    told = imports.told_of(written(rows))
    # Then just those rows become leads, and the others are not even looked at
    assert told.rows.model_dump() == counts(3, created=3)
    assert told.reject_blob is None
    assert told.unmapped_columns == ("line", "code", "reason")
    assert imports.names() == ["Acme", "Bolt", "Core", "Dune", "Echo"]
    assert {name: imports.lead(name)["city"] for name in ("Bolt", "Core", "Echo")} == {
        "Bolt": "Besançon",
        "Core": "Nîmes",
        "Echo": "Metz",
    }
    assert {name: imports.versions()[name] for name in before} == before


def test_rows_dropped_back_as_they_are_are_rejected_again(imports: Imports) -> None:
    first = imports.told_of(CONTENT)
    assert first.reject_blob is not None
    told = imports.told_of((imports.folder / first.reject_blob).read_bytes())
    assert [reject.code for reject in told.rejects] == [reject.code for reject in first.rejects]
    assert told.rows.model_dump() == counts(3, rejected=3)


def test_no_cell_of_the_file_is_run_by_a_spreadsheet_and_each_comes_back_as_it_was(imports: Imports) -> None:
    imports.save_mapping({"Company": "LEAD_NAME", "City": "LEAD_LOCATION_CITY", "Tier": "CUSTOM.7", "+1": "OWNER"})
    content = b"Company,City,Tier,+1\n,Lyon,=cmd|' /C calc'!A0,@bob\n,Nice,-1,+33\n"
    told = imports.told_of(content)
    assert told.reject_blob is not None
    # Then a formula is marked as text, also in the header
    cells = [cell for row in csv.reader(io.StringIO((imports.folder / told.reject_blob).read_text())) for cell in row]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@")]
    # And when the rows come back, the marks are gone
    rows = [dict(row) | {"Company": name} for row, name in zip(imports.rejected(told), ("Acme", "Bolt"), strict=True)]
    again = imports.told_of(written(rows))
    assert again.rows.model_dump() == counts(2, created=2)
    acme = imports.lead("Acme")
    assert acme["custom"] == {"CUSTOM.7": "=cmd|' /C calc'!A0"}
    assert (acme["owner"], imports.lead("Bolt")["owner"]) == ("@bob", "+33")


def test_a_column_of_the_file_that_is_called_code_is_still_the_only_one(imports: Imports) -> None:
    imports.save_mapping({"Company": "LEAD_NAME", "code": "CRM_ID", "Line": "LEAD_SECTOR"})
    told = imports.told_of(b"Company,code,Line\n,C-1,Retail\n")
    (row,) = imports.rejected(told)
    assert (row["code"], row["Line"]) == ("C-1", "Retail")
    assert (row["reject code"], row["reject line"]) == ("company_name_missing", "2")
    assert imports.told_of(written([row | {"Company": "Acme"}])).rows.model_dump() == counts(1, created=1)
    assert (imports.lead("Acme")["crm_id"], imports.lead("Acme")["sector"]) == ("C-1", "Retail")


def test_a_file_without_a_header_has_rejects_that_can_be_dropped_back(imports: Imports) -> None:
    imports.save_mapping({"#1": "LEAD_NAME", "#2": "CRM_ID", "#3": "CONTACT_PHONE_NUMBER"})
    told = imports.told_of(b"Acme,1,+33 1 02 03 04 05\n,2,+33 1 02 03 04 06\nCore,3,+33 1 02 03 04 07\n")
    (row,) = imports.rejected(told)
    again = imports.told_of(written([row | {"#1": "Bolt"}]))
    assert again.rows.model_dump() == counts(1, created=1)
    assert imports.names() == ["Acme", "Bolt", "Core"]


def test_a_record_that_could_not_be_split_is_kept_as_its_text(imports: Imports) -> None:
    told = imports.told_of(b'Company,City\nAcme,Lyon\n"Bolt, Inc,Paris\nCore,Lille\n')
    (row,) = imports.rejected(told)
    assert (row["Company"], row["City"], row["code"]) == ('"Bolt, Inc,Paris', "", "unclosed_quote")


def test_only_so_many_are_kept_and_fewer_told_but_all_are_counted(
    connections: ConnectionPool[Db], imports: Imports
) -> None:
    small = Imports(connections, imports.folder, kept_rejects=5, told_rejects=2, batch_rows=3)
    small.save_mapping()
    run = small.imported(b"Company,City\nAcme,Lyon\n" + b",Nowhere\n" * 9)
    told = only(small.owed(), SyncSucceeded)
    assert counts_of(run) == counts(10, created=1, rejected=9)
    assert small.value("select count(*) from rejects") == 5
    assert [row["line"] for row in small.rejected(told)] == ["3", "4", "5", "6", "7"]
    assert (len(told.rejects), told.rows.rejected) == (2, 9)


@pytest.mark.parametrize("content", [b"Company\nAcme\n", b"Company,Website\nAcme,not a site\n"], ids=["none", "a cell"])
def test_without_a_rejected_row_there_is_no_file(imports: Imports, content: bytes) -> None:
    assert imports.told_of(content).reject_blob is None
    assert imports.value("select reject_blob from runs") is None
    assert not (imports.folder / "rejects").exists()


def test_a_leadbay_id_of_nobody_is_rejected_with_its_whole_row(imports: Imports) -> None:
    imports.save_mapping({"Company": "LEAD_NAME", "Leadbay": "LEADBAY_ID", "City": "LEAD_LOCATION_CITY"})
    lead_id = "0195502a-7c00-7000-8000-000000000001"
    told = imports.told_of(f"Company,Leadbay,City\nAcme,{lead_id},Lyon\nBolt,,Nice\n".encode())
    (row,) = imports.rejected(told)
    assert (row["Company"], row["Leadbay"], row["City"], row["code"]) == ("Acme", lead_id, "Lyon", "unknown_leadbay_id")
    (reject,) = told.rejects
    assert (reject.line, reject.record) == (2, 1)
