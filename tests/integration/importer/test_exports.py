"""What CRMs and spreadsheets export is imported whole: with its mapping, and with the one that was suggested for it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from shared.contracts import MappingNeeded, SyncSucceeded
from shared.mapping import status_key
from tests.integration.importer.builders import Imports
from tests.integration.scheduler.builders import only

EXPORTS = Path(__file__).parents[2] / "data" / "crm"
NAMES = sorted(path.stem for path in EXPORTS.glob("*.csv"))
PEOPLE = ("CONTACT_FIRST_NAME", "CONTACT_LAST_NAME", "CONTACT_EMAIL", "CONTACT_PHONE_NUMBER")


def rows_of(content: bytes, expected: dict[str, Any]) -> list[dict[str, str]]:
    """The export's rows, by targets instead of columns, read by the standard library."""
    text = io.StringIO(content.decode(expected["encoding"]), newline="")
    return [
        {target: row[column].strip() for column, target in expected["fields"].items()}
        for row in csv.DictReader(text, delimiter=expected["delimiter"])
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_export_becomes_leads_and_contacts_without_a_rejected_row(bare: Imports, name: str) -> None:
    # Given an export, and a mapping of its columns and statuses
    expected = json.loads((EXPORTS / f"{name}.expected.json").read_text())
    content = (EXPORTS / f"{name}.csv").read_bytes()
    statuses = {raw: status for raw, status in expected["statuses"].items() if status}
    bare.save_mapping(expected["fields"], statuses)
    # When it is imported
    told = bare.told_of(content)
    # Then all of it was read in its encoding, and nothing is rejected or left out
    rows = rows_of(content, expected)
    assert told.reading is not None
    assert (told.reading.encoding, told.reading.delimiter) == (expected["encoding"], expected["delimiter"])
    assert (told.rows.read, told.rows.rejected, told.rows.ignored) == (len(rows), 0, 0)
    assert (told.missing_columns, told.reject_blob) == ((), None)
    # And every company is a lead
    assert {lead["name"] for lead in bare.all("select name from leads")} == {row["LEAD_NAME"] for row in rows}
    assert told.rows.created == bare.value("select count(*) from leads")
    # And its people, ids and places are there
    assert (bare.value("select count(*) from contacts") > 0) == any(row.get(key) for row in rows for key in PEOPLE)
    for target, column in (("CRM_ID", "crm_id"), ("LEAD_LOCATION_CITY", "city"), ("OWNER", "owner")):
        found = {lead[column] for lead in bare.all(f"select {column} from leads") if lead[column]}
        assert found <= {row[target] for row in rows if target in row}
    # And statuses are those of the mapping; the unknown ones are counted
    unknown = {status_key(raw) for raw, status in expected["statuses"].items() if status is None}
    assert {status_key(raw) for raw in told.unknown_statuses} == unknown
    # And the file as it is changes nothing when it is imported once more
    again = bare.told_of(content)
    assert (again.rows.created, again.rows.rejected) == (0, 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_suggestion_saved_as_it_is_imports_the_same(bare: Imports, name: str) -> None:
    content = (EXPORTS / f"{name}.csv").read_bytes()
    bare.imported(content)
    needed = only(bare.taken(), MappingNeeded)
    bare.save_mapping(
        {column.name: column.target for column in needed.columns if column.target},
        {status.raw: status.status for status in needed.statuses if status.status},
    )
    told = bare.told_of(content)
    assert isinstance(told, SyncSucceeded)
    assert (told.rows.read, told.rows.rejected) == (needed.rows, 0)
    assert told.rows.created > 0
