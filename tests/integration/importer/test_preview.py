"""After a good test the admin sees what the file looks like: once, and the file's beginning is not kept."""

from uuid import uuid4

import pytest

from shared.contracts import Previewed
from shared.errors import advice
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import only

ROWS = [
    {"Company": f"Firm {n}", "Website": f"firm{n}.com", "Status": "Customer" if n % 2 else "Maybe", "City": "Lyon"}
    for n in range(10)
]
COLUMNS = ("Company", "Website", "Status", "City", "Remarks")
CONTENT = csv_of(ROWS, COLUMNS)


def previewed(imports: Imports, content: bytes, *, whole_file: bool = True) -> Previewed:
    """What is told of the beginning of a file."""
    request = imports.tested(content, whole_file=whole_file)
    imports.previews.on_preview(request)
    told = only(imports.taken(), Previewed)
    assert (told.organisation_id, told.test_id, told.in_reply_to) == (imports.org_id, request.test_id, "the question")
    assert not imports.blob_file(request).exists()
    return told


def test_without_a_mapping_columns_and_statuses_come_with_suggestions(bare: Imports) -> None:
    told = previewed(bare, CONTENT)
    assert (told.code, told.mapping_version, told.rows_seen, told.whole_file) == (None, 0, 10, True)
    assert told.reading is not None
    assert (told.reading.encoding, told.reading.delimiter, told.reading.header_line) == ("utf-8", ",", 1)
    assert {column.name: column.target for column in told.columns} == {
        "Company": "LEAD_NAME",
        "Website": "LEAD_WEBSITE",
        "Status": "LEAD_STATUS",
        "City": "LEAD_LOCATION_CITY",
        "Remarks": None,
    }
    assert told.columns[0].samples == ("Firm 0", "Firm 1", "Firm 2", "Firm 3", "Firm 4")
    assert told.columns[0].confidence is not None
    assert {status.raw: (status.count, status.status) for status in told.statuses} == {
        "Customer": (5, "WON"),
        "Maybe": (5, None),
    }
    assert told.unmapped_columns == ("Remarks",)
    # And nothing of it was imported
    assert bare.names() == []


def test_with_a_mapping_they_come_with_what_it_says(imports: Imports) -> None:
    imports.save_mapping({"Company": "LEAD_NAME", "City": "LEAD_SECTOR", "Status": "LEAD_STATUS", "Fax": "CUSTOM.7"})
    told = previewed(imports, CONTENT)
    assert (told.code, told.mapping_version) == (None, 2)
    assert {column.name: (column.target, column.confidence) for column in told.columns} == {
        "Company": ("LEAD_NAME", None),
        "Website": (None, None),
        "Status": ("LEAD_STATUS", None),
        "City": ("LEAD_SECTOR", None),
        "Remarks": (None, None),
    }
    assert {status.raw: status.status for status in told.statuses} == {"Customer": "WON", "Maybe": None}
    assert (told.unmapped_columns, told.missing_columns) == (("Website", "Remarks"), ("Fax",))


def test_the_last_row_of_a_cut_beginning_is_not_counted(bare: Imports) -> None:
    cut = CONTENT[: CONTENT.index(b"firm9.com") + 4]
    told = previewed(bare, cut, whole_file=False)
    assert (told.rows_seen, told.whole_file, told.code) == (9, False, None)


def test_the_lines_of_a_cell_that_is_cut_are_no_rows(bare: Imports) -> None:
    rows = b"".join(b'Firm %d,"one\ntwo, three\nfour",Lyon\n' % number for number in range(5))
    told = previewed(bare, b"Company,Remarks,City\n" + rows + b'Last,"five\nsix, seven\neight, nine', whole_file=False)
    assert told.rows_seen == 5
    assert told.columns[1].samples == ("one\ntwo, three\nfour",)


def test_a_beginning_that_is_cut_within_a_character_is_read_all_the_same(bare: Imports) -> None:
    content = b"Company,City\n" + b"".join(f"Firm {n},Lyon\n".encode() for n in range(500)) + "É".encode()[:1]
    told = previewed(bare, content, whole_file=False)
    assert told.reading is not None
    assert (told.reading.encoding, told.rows_seen) == ("utf-8", 500)


def test_how_the_connector_s_file_is_read_holds_for_its_test_too(bare: Imports) -> None:
    connector_id = bare.connector(delimiter="|", encoding="cp850")
    request = bare.tested("Société|Ville\nÉlan|Orléans\n".encode("cp850"), connector_id=connector_id)
    bare.previews.on_preview(request)
    told = only(bare.taken(), Previewed)
    assert told.connector_id == connector_id
    assert told.columns[0].samples == ("Élan",)
    assert told.reading is not None
    assert (told.reading.encoding, told.reading.delimiter) == ("cp850", "|")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"PK\x03\x04" + bytes(500), "not_text"), (b"", "empty_file"), (b"\r\n \r\n", "empty_file")],
    ids=["a workbook", "nothing", "blank lines"],
)
def test_a_file_that_would_be_refused_is_told_as_such(bare: Imports, content: bytes, code: str) -> None:
    told = previewed(bare, content)
    assert (told.code, told.message) == (code, advice(code).message)
    assert told.detail
    assert (told.columns, told.rows_seen) == ((), 0)


def test_a_mapping_that_does_not_fit_is_told_beside_the_columns(imports: Imports) -> None:
    told = previewed(imports, b"Firm,Town\nAcme,Lyon\nBolt,Nice\n")
    assert (told.code, told.message) == ("company_name_not_mapped", advice("company_name_not_mapped").message)
    assert "Firm, Town" in told.detail
    assert [column.name for column in told.columns] == ["Firm", "Town"]


def test_a_repeated_request_is_told_once(bare: Imports) -> None:
    request = bare.tested(CONTENT)
    bare.previews.on_preview(request)
    bare.taken()
    # Also when whoever told it died before the beginning was dropped
    bare.blob_file(request).write_bytes(CONTENT)
    bare.previews.on_preview(request)
    assert bare.owed() == []
    assert not bare.blob_file(request).exists()


def test_another_organisation_s_test_is_never_told(bare: Imports) -> None:
    request = bare.tested(CONTENT)
    before = bare.dump()
    bare.previews.on_preview(request.model_copy(update={"org_id": uuid4()}))
    assert bare.dump() == before
    # And the organisation itself still gets its preview
    assert bare.blob_file(request).exists()
    bare.previews.on_preview(request)
    assert only(bare.owed(), Previewed).organisation_id == bare.org_id


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_beginning_that_was_lost_is_no_loss(bare: Imports, damage: str) -> None:
    request = bare.tested(CONTENT)
    if damage == "gone":
        bare.blob_file(request).unlink()
    else:
        bare.blob_file(request).write_bytes(CONTENT.replace(b"Firm 3", b"Firm 4"))
    bare.previews.on_preview(request)
    assert bare.owed() == []
    assert not bare.blob_file(request).exists()
