"""Numbers, prices and dates are read as their own column proves them; what it does not prove is left out and told."""

from datetime import date

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import SyncSucceeded
from shared.database import Db
from tests.integration.importer.builders import FIELDS, Imports, field

SIX = {
    "1": field("Motto", "TEXT"),
    "2": field("Seats", "NUMBER"),
    "3": field("Budget", "PRICE", currency="EUR"),
    "4": field("Signed", "DATE"),
    "5": field("Last call", "DATETIME"),
    "6": field("Invoice id", "EXTERNAL_ID", url_template="https://crm.acme.com/{value}"),
}
NAMES = ("Company", "Motto", "Seats", "Budget", "Signed", "Last call", "Invoice id")
MAPPING = {"Company": "LEAD_NAME"} | {name: f"CUSTOM.{number}" for number, name in enumerate(NAMES[1:], 1)}


@pytest.fixture
def six(connections: ConnectionPool[Db], imports: Imports) -> Imports:
    """An organisation with a custom field of each kind."""
    made = Imports(connections, imports.folder)
    made.save_mapping(MAPPING, custom_fields=SIX)
    return made


def rows(*cells: str) -> bytes:
    """A file of the six columns; each text is a row, its cells separated by semicolons."""
    return "\n".join((";".join(NAMES), *cells, "")).encode()


def codes(told: SyncSucceeded) -> list[tuple[int, str | None, str]]:
    """Where the warnings are and what they say."""
    return [(warning.line, warning.column, warning.code) for warning in told.warnings]


def test_each_kind_of_custom_field_is_kept_in_one_spelling(six: Imports) -> None:
    told = six.told_of(
        rows(
            "Acme;Plus vite !;1 250,5;1 200,50 €;28/02/2026;28/02/2026 14:05;INV/007",
            "Bolt;-;12;99,9;01/03/2026;2026-03-01T08:00:00Z;0042",
        )
    )
    assert told.warning_count == 0
    assert six.lead("Acme")["custom"] == {
        "CUSTOM.1": "Plus vite !",
        "CUSTOM.2": "1250.5",
        "CUSTOM.3": "1200.5",
        "CUSTOM.4": "2026-02-28",
        "CUSTOM.5": "2026-02-28T14:05:00",
        "CUSTOM.6": "INV/007",
    }
    # And a placeholder is no value, an id is no number
    assert six.lead("Bolt")["custom"] == {
        "CUSTOM.2": "12",
        "CUSTOM.3": "99.9",
        "CUSTOM.4": "2026-03-01",
        "CUSTOM.5": "2026-03-01T08:00:00Z",
        "CUSTOM.6": "0042",
    }


def test_a_column_that_proves_nothing_has_only_its_ambiguous_cells_left_out(six: Imports) -> None:
    # Given numbers and dates that may be read in two ways, beside such as may not
    told = six.told_of(
        rows(
            "Acme;;1,250;1.200;03/04/2026;03/04/2026 10:00;",
            "Bolt;;7;12 EUR;05/05/2026;2026-01-31 10:00;",
        )
    )
    # Then nothing is guessed
    assert six.lead("Acme")["custom"] == {}
    assert six.lead("Bolt")["custom"] == {
        "CUSTOM.2": "7",
        "CUSTOM.3": "12",
        "CUSTOM.4": "2026-05-05",
        "CUSTOM.5": "2026-01-31T10:00:00",
    }
    # And each cell that was left out is told by line and column, masked
    assert codes(told) == [
        (2, "Seats", "number_ambiguous"),
        (2, "Budget", "number_ambiguous"),
        (2, "Signed", "date_ambiguous"),
        (2, "Last call", "date_ambiguous"),
    ]
    assert [warning.value for warning in told.warnings] == ["9,999", "9.999", "99/99/9999", "99/99/9999 99:99"]
    assert {warning.record for warning in told.warnings} == {1}
    assert (told.rows.created, told.warning_count) == (2, 4)


def test_the_proof_may_stand_in_the_last_row_of_a_long_file(six: Imports) -> None:
    # Given 12,000 rows that prove nothing, and one that does
    many = [f"Firm {number};;1,250;;03/04/2026;;" for number in range(12_000)]
    told = six.told_of(rows(*many, "Last;;1,25;;31/12/2026;;"))
    # Then every row is read by it
    assert told.warning_count == 0
    assert told.rows.created == 12_001
    found = six.all("select distinct custom from leads where name like 'Firm %%'")
    assert [row["custom"] for row in found] == [{"CUSTOM.2": "1.25", "CUSTOM.4": "2026-04-03"}]


def test_cells_that_contradict_each_other_prove_nothing(six: Imports) -> None:
    told = six.told_of(
        rows("Acme;;;;31/12/2026;;", "Bolt;;;;12/31/2026;;", "Core;;;;03/04/2026;;", "Dune;;1,5;;;;", "Echo;;1.5;;;;")
    )
    assert {name: six.lead(name)["custom"] for name in six.names()} == {
        "Acme": {"CUSTOM.4": "2026-12-31"},
        "Bolt": {"CUSTOM.4": "2026-12-31"},
        "Core": {},
        "Dune": {"CUSTOM.2": "1.5"},
        "Echo": {"CUSTOM.2": "1.5"},
    }
    assert codes(told) == [(4, "Signed", "date_ambiguous")]


def test_a_declared_format_needs_no_proof_and_allows_nothing_else(
    connections: ConnectionPool[Db], six: Imports
) -> None:
    six.save_mapping(MAPPING, custom_fields=SIX | {"4": field("Signed", "DATE", format="MM/dd/yyyy")})
    told = six.told_of(
        rows("Acme;;;;03/04/2026;;", "Bolt;;;;2026-03-04;;", "Core;;;;31/12/2026;;", "Dune;;;;4 March 2026;;")
    )
    assert {name: six.lead(name)["custom"].get("CUSTOM.4") for name in six.names()} == {
        "Acme": "2026-03-04",
        "Bolt": "2026-03-04",
        "Core": None,
        "Dune": None,
    }
    assert codes(told) == [(4, "Signed", "date_impossible"), (5, "Signed", "date_not_understood")]


def test_a_price_in_another_currency_is_no_value_of_the_field(six: Imports) -> None:
    told = six.told_of(rows("Acme;;;$12.50;;;", "Bolt;;;12.50 EUR;;;"))
    assert (six.lead("Acme")["custom"], six.lead("Bolt")["custom"]) == ({}, {"CUSTOM.3": "12.5"})
    assert codes(told) == [(2, "Budget", "currency_differs")]


def test_a_deleted_custom_field_is_left_alone_and_its_column_told(six: Imports) -> None:
    # Given a lead with a value of a field
    six.imported(rows("Acme;Always;;;;;"))
    # When the field is deleted, while the mapping names it still
    six.save_mapping(MAPPING, custom_fields={key: value for key, value in SIX.items() if key != "1"})
    told = six.told_of(rows("Acme;Never;5;;;;"))
    # Then its column is ignored like one that nobody mapped, and what the lead holds stays
    assert told.unmapped_columns == ("Motto",)
    assert told.missing_columns == ()
    assert six.lead("Acme")["custom"] == {"CUSTOM.1": "Always", "CUSTOM.2": "5"}


def test_two_columns_may_fill_one_custom_field(six: Imports) -> None:
    fields = {"Company": "LEAD_NAME", "Phone": "CUSTOM.1", "Mobile": "CUSTOM.1"}
    six.save_mapping(fields, custom_fields=SIX)
    told = six.told_of(b"Company,Phone,Mobile\nAcme,111,\nBolt,,222\n")
    assert told.unmapped_columns == ()
    assert (six.lead("Acme")["custom"], six.lead("Bolt")["custom"]) == ({"CUSTOM.1": "111"}, {"CUSTOM.1": "222"})


def test_the_date_of_a_status_is_proven_by_its_column_too(imports: Imports) -> None:
    told = imports.told_of(b"Company,Status,Since\nAcme,Customer,03/04/2026\nBolt,Lost,04/13/2026\nCore,Lost,soon\n")
    dates = {name: imports.lead(name)["status_date"] for name in imports.names()}
    assert dates == {"Acme": date(2026, 3, 4), "Bolt": date(2026, 4, 13), "Core": None}
    assert codes(told) == [(4, "Since", "date_not_understood")]


class TestStatuses:
    @pytest.mark.parametrize("spelling", ["Gagné", "gagne", "GAGNÉ", "  Gagné ", "Gagné\u00a0"])
    def test_case_accents_and_stray_spaces_make_no_difference(self, imports: Imports, spelling: str) -> None:
        imports.save_mapping(statuses={" Gagné": "WON"})
        told = imports.told_of(f"Company,Status\nAcme,{spelling}\n".encode())
        assert imports.lead("Acme")["status"] == "WON"
        assert told.unknown_statuses == {}

    def test_a_text_that_no_mapping_knows_is_counted_and_the_row_imported(self, imports: Imports) -> None:
        imports.save_mapping(statuses={"Won": "WON"}, default_status="INBOUND")
        content = "Company,Status\nA,Won\nB,Not won\nC,Not won\nD,Maybe\nE,\nF,n/a\n"
        told = imports.told_of(content.encode())
        assert told.unknown_statuses == {"Not won": 2, "Maybe": 1}
        statuses = {name: imports.lead(name)["status"] for name in imports.names()}
        assert statuses == {"A": "WON"} | dict.fromkeys("BCDEF", "INBOUND")

    def test_without_a_default_an_unknown_one_leaves_what_the_lead_has(self, imports: Imports) -> None:
        imports.imported(b"Company,Id,Status\nAcme,A,Customer\n")
        told = imports.told_of(b"Company,Id,Status\nAcme,A,Dormant\n")
        assert (told.unknown_statuses, told.rows.unchanged) == ({"Dormant": 1}, 1)
        assert imports.lead("Acme")["status"] == "WON"

    def test_contacts_alone_leave_every_status_and_its_date_untouched(self, imports: Imports) -> None:
        imports.imported(b"Company,Id,Status,Since\nAcme,A,Customer,2026-01-31\n")
        imports.save_mapping({name: FIELDS[name] for name in ("Company", "Id", "Email", "First name")})
        told = imports.told_of(b"Company,Id,Email,First name,Status\nAcme,A,ann@acme.com,Ann,Lost\n")
        assert (told.rows.updated, told.unmapped_columns) == (1, ("Status",))
        lead = imports.lead("Acme")
        assert (lead["status"], lead["status_date"]) == ("WON", date(2026, 1, 31))
        assert imports.contacts("email", "first_name") == [("ann@acme.com", "Ann")]
