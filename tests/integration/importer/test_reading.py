"""Files of any encoding and dialect become the same leads, and how each was read is kept and told."""

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import SyncSucceeded
from shared.database import Db
from tests.integration.importer.builders import Imports, counts, counts_of, field
from tests.integration.scheduler.builders import only

FRENCH = {
    "Société": "LEAD_NAME",
    "Ville": "LEAD_LOCATION_CITY",
    "Prénom": "CONTACT_FIRST_NAME",
    "Budget": "CUSTOM.7",
}
BUDGET = field("Budget", "PRICE", currency="EUR")
TEXT = (
    "Société;Ville;Prénom;Budget\r\n"
    "Crêperie Élan;Orléans;Zoé;1 200,50 €\r\n"
    '"Bœuf & Cie; frères";Besançon;Hélène;"980,00"\r\n'
    "Garage Müller;Sélestat;Noël;\r\n"
)
NAMES = ["Bœuf & Cie; frères", "Crêperie Élan", "Garage Müller"]


@pytest.fixture
def french(connections: ConnectionPool[Db], imports: Imports) -> Imports:
    """An organisation that maps the columns of a French file."""
    made = Imports(connections, imports.folder)
    made.save_mapping(FRENCH, custom_fields={"7": BUDGET})
    return made


@pytest.mark.parametrize(
    ("encoding", "told"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("cp1252", "cp1252"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
    ],
)
def test_a_french_export_is_read_in_whatever_encoding_it_comes(french: Imports, encoding: str, told: str) -> None:
    # When the file is imported
    run = french.imported(TEXT.encode(encoding))
    # Then every accent is right, and so are the prices
    assert counts_of(run) == counts(3, created=3)
    assert set(french.names()) == set(NAMES)
    assert french.lead("Crêperie Élan")["city"] == "Orléans"
    assert french.lead("Crêperie Élan")["custom"] == {"CUSTOM.7": "1200.5"}
    assert french.contacts("first_name") == [("Hélène",), ("Noël",), ("Zoé",)]
    # And how it was read is kept with the run and told
    event = only(french.owed(), SyncSucceeded)
    assert event.reading is not None
    assert run["reading"] == event.reading.model_dump()
    assert (event.reading.encoding, event.reading.delimiter, event.reading.quote) == (told, ";", '"')
    assert (event.reading.line_end, event.reading.header_line) == ("CRLF", 1)
    assert event.reading.encoding_confidence > 0


@pytest.mark.parametrize(
    ("encoding", "names"),
    [
        pytest.param("cp1252", ["Pâtisserie Aubépine", "Façades du Rhône", "Épinal Béton", "À relancer"], id="French"),
        pytest.param("cp1252", ["Bäckerei Schröder", "Großhandel Weiß", "Müller & Söhne"], id="German"),
        pytest.param("cp1250", ["Zakład Usługowy Łódź", "Żółty Ślimak", "Świeży Chleb Gdańsk"], id="Polish"),
        pytest.param("cp1250", ["Szőlőfürt Borászat", "Építő Zrt.", "Fűtés Székesfehérvár"], id="Hungarian"),
        pytest.param("cp1257", ["Zaļā Āzija", "Rēzekne Jānis"], id="Latvian"),
        pytest.param("cp1251", ["ООО Ромашка", "Москва Хлеб"], id="Russian"),
    ],
)
def test_a_short_list_of_names_keeps_its_letters(imports: Imports, encoding: str, names: list[str]) -> None:
    imports.imported("\n".join(("Company,City", *(f"{name},X" for name in names))).encode(encoding))
    assert set(imports.names()) == set(names)


def test_what_the_connector_says_overrules_what_is_detected(french: Imports) -> None:
    # Given a file that would be read otherwise: cp850 looks like another encoding, and apostrophes are its quotes
    text = "Société|Ville\n'Élan | Fils'|Orléans\nBœufs d''Or|Sète\n".replace("œ", "oe")
    content = text.encode("cp850")
    plain = french.told_of(content)
    assert plain.reading is not None
    assert plain.reading.encoding != "cp850"
    french.all("delete from leads")
    # When its connector names all three
    connector_id = french.connector(encoding="cp850", delimiter="|", quote="'")
    told = french.told_of(content, connector_id)
    # Then that counts
    assert told.reading is not None
    assert (told.reading.encoding, told.reading.encoding_confidence) == ("cp850", 100)
    assert (told.reading.delimiter, told.reading.quote) == ("|", "'")
    assert "Élan | Fils" in french.names()


def test_without_quoting_a_quote_is_a_character_like_others(imports: Imports) -> None:
    content = b'Company,City\n"Acme,Lyon\nBolt 7" pipes,Paris\n'
    imports.imported(content, imports.connector(quote="", delimiter=","))
    assert imports.names() == ['"Acme', 'Bolt 7" pipes']


def test_a_byte_that_is_no_text_costs_its_own_row_alone(french: Imports) -> None:
    # Given a long UTF-8 file with one byte of another encoding
    rows = "".join(f"Société {number};Orléans;Zoé;\n" for number in range(50))
    content = f"Société;Ville;Prénom;Budget\n{rows}".encode() + b"Caf\xe9;Lyon;;\n" + "Fin & Fête;Nice;;\n".encode()
    # When it is imported
    run = french.imported(content)
    # Then that row is rejected for its text, and the one after it is a lead
    assert counts_of(run) == counts(52, created=51, rejected=1)
    (reject,) = only(french.owed(), SyncSucceeded).rejects
    assert (reject.line, reject.record, reject.code) == (52, 51, "bad_text")
    assert "Fin & Fête" in french.names()


def test_the_sign_with_which_old_programs_end_a_file_is_no_row(imports: Imports) -> None:
    assert counts_of(imports.imported(b"Company,City\r\nAcme,Lyon\r\n\x1a")) == counts(2, created=1, ignored=1)


class TestHeaders:
    ROWS = b"Acme,Lyon,+33 1 02 03 04 05\nBolt,Paris,+33 1 02 03 04 06\nCore,Lille,+33 1 02 03 04 07\n"

    def test_a_file_without_names_of_columns_is_refused(self, imports: Imports) -> None:
        run = imports.imported(self.ROWS)
        assert (run["outcome"], run["code"]) == ("failed", "no_header")
        assert "#1" in run["detail"]
        assert imports.names() == []

    def test_it_is_imported_from_its_first_row_when_columns_are_mapped_by_position(self, imports: Imports) -> None:
        imports.save_mapping({"#1": "LEAD_NAME", "#2": "LEAD_LOCATION_CITY", "#3": "CONTACT_PHONE_NUMBER"})
        run = imports.imported(self.ROWS)
        assert counts_of(run) == counts(3, created=3)
        assert imports.names() == ["Acme", "Bolt", "Core"]
        assert imports.lead("Acme")["city"] == "Lyon"
        assert run["reading"]["header_line"] is None

    def test_a_header_is_no_row_although_columns_are_mapped_by_position(self, imports: Imports) -> None:
        imports.save_mapping({"#1": "LEAD_NAME", "#2": "LEAD_LOCATION_CITY"})
        run = imports.imported(b"Company,City,Phone\n" + self.ROWS)
        assert counts_of(run) == counts(3, created=3)
        assert run["reading"]["header_line"] == 1

    def test_columns_are_found_whatever_their_case_accents_and_spaces(self, imports: Imports) -> None:
        imports.save_mapping({"Société": "LEAD_NAME", "Code postal": "LEAD_LOCATION_POSTCODE"})
        told = imports.told_of(b" SOCIETE ;code  Postal\nAcme;01000\n")
        assert (told.missing_columns, told.unmapped_columns) == ((), ())
        assert imports.lead("Acme")["postcode"] == "01000"

    def test_what_stands_above_the_header_is_left_out_and_told(self, imports: Imports) -> None:
        told = imports.told_of(b"Export of our CRM,,\nMarch 2026,,\nCompany,City,Website\nAcme,Lyon,acme.com\n")
        assert told.reading is not None
        assert told.reading.header_line == 3
        assert (told.rows.read, told.rows.created, told.rows.ignored) == (3, 1, 2)
        assert [(warning.line, warning.code) for warning in told.warnings] == [(1, "preamble"), (2, "preamble")]


class TestRaggedRows:
    def test_a_short_row_is_padded_and_told(self, imports: Imports) -> None:
        told = imports.told_of(b"Company,City,Website\nAcme,Lyon,acme.com\nBolt\nCore,Lille,core.fr\n")
        assert imports.names() == ["Acme", "Bolt", "Core"]
        (warning,) = told.warnings
        assert (warning.line, warning.record, warning.code, warning.column) == (3, 2, "short_row", None)
        assert told.warning_count == 1

    def test_a_long_row_is_rejected_because_a_cell_may_have_slipped(self, imports: Imports) -> None:
        told = imports.told_of(b"Company,City,Website\nAcme,Lyon,acme.com\nBolt, Inc,Paris,bolt.io\n")
        assert imports.names() == ["Acme"]
        (reject,) = told.rejects
        assert (reject.line, reject.record, reject.code) == (3, 2, "extra_cells")
