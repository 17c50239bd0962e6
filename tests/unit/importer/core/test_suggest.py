"""For a file without a mapping, columns and statuses are proposed by their words and by what the cells look like."""

import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.suggest import LEAST, Column, Suggestion, status_of, suggest
from shared.mapping import LEAD_STATUSES, STANDARD_FIELDS

EXPORTS = Path(__file__).parents[3] / "data" / "crm"
SURE = 70
FIRST_NAME, LAST_NAME = "CONTACT_FIRST_NAME", "CONTACT_LAST_NAME"
NO_FIELDS = """
Country|Pays|State/Region|Create Date|Date de cr\u00e9ation|Last contact date|Amount|Montant|Notes|Deal Name|Fax
status_id|Nom de l'affaire|Opportunity Name|Contact ID|Associated Contact IDs|Company LinkedIn URL|html_url
Email opt out|Adresse 2|primary_contact_primary_email_type|Owner email|Parent account|Type de client
Civilit\u00e9|Country of birth|Website visits|xyzzy|Champ 7|#3|\u5ba2\u6237
"""
SOME_NAMES = """
Company|Nom|Pr\u00e9nom|Email|E-mail|Contact|Adresse|Ville|Id|Deal name|Deal ID|Statut|Stage|LinkedIn|SIREN|#3
xyz|Record
"""
NO_STATUSES = """
?|123|\U0001f389|--|Peut-\u00eatre|not won|Not lost|pas gagn\u00e9|Non gagn\u00e9|won't buy|not very interested
almost won|interested but no budget|to be signed|Won/Lost|Call the customer|Rappel urgent client X non
"""
UUIDS = [f"0190a1b2-0000-7000-8000-00000000{n:04d}" for n in range(20)]
PEOPLE = [f"jean.dupont{n}@acme{n}.example" for n in range(20)]
OFFICES = [f"{name}@acme{n}.example" for n in range(7) for name in ("info", "contact", "accueil")]
SITES = [f"https://www.acme{n}.example/fr" for n in range(20)]
PROFILES = [f"https://www.linkedin.com/in/jean-{n}" for n in range(20)]
PAGES = [f"https://www.linkedin.com/company/acme-{n}" for n in range(20)]
ADDRESSES = [f"{n} rue de la Paix, 75002 Paris" for n in range(1, 20)]
STREETS = [f"{n} rue de la Paix" for n in range(1, 20)]
COMPANIES = [f"Acme {n} SARL" for n in range(20)]


def listed(texts: str) -> list[str]:
    return texts.strip().replace("\n", "|").split("|")


def columns(header: str, **cells: list[str]) -> list[Column]:
    """Build columns from a header such as `Name|Email`, those with cells by their names with `_` for a space."""
    return [Column(name, tuple(cells.get(name.replace(" ", "_"), ()))) for name in header.split("|")]


def fields(header: str, least: int = LEAST, **cells: list[str]) -> dict[str, str]:
    found = suggest(columns(header, **cells))
    return {field.column: field.target for field in found.fields if field.confidence >= least}


def one(name: str, cells: list[str]) -> tuple[str, int] | None:
    """Tell target and confidence of one column beside a company's name."""
    found = suggest([Column("Company", ()), Column(name, tuple(cells))])
    return next(((field.target, field.confidence) for field in found.fields if field.column == name), None)


def export(name: str) -> tuple[list[Column], dict[str, Any]]:
    expected = json.loads((EXPORTS / f"{name}.expected.json").read_text())
    text = (EXPORTS / f"{name}.csv").read_bytes().decode(expected["encoding"])
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=expected["delimiter"])
    return [Column(title, tuple(row[place] for row in rows)) for place, title in enumerate(header)], expected


@pytest.mark.parametrize("name", sorted(path.stem for path in EXPORTS.glob("*.csv")))
def test_the_exports_of_crms_are_understood(name: str) -> None:
    found_columns, expected = export(name)

    found = suggest(found_columns)

    assert {field.column: field.target for field in found.fields if field.confidence >= SURE} == expected["fields"]
    assert {status.raw: status.status for status in found.statuses} == expected["statuses"]


def test_there_is_an_export_of_each_crm_in_each_language() -> None:
    crms = ("attio", "close", "excel", "hubspot", "pipedrive", "salesforce")

    assert {path.stem for path in EXPORTS.glob("*.csv")} == {f"{crm}.{lang}" for crm in crms for lang in ("en", "fr")}


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ("Company|company name|Account Name|AccountName|Organization - Name|ORGANIZATION_NAME", "LEAD_NAME"),
        ("Soci\u00e9t\u00e9|SOCIETE|Raison sociale|Nom de l'entreprise|Nom_Societe|Entreprise(s)|Compte", "LEAD_NAME"),
        ("Client|lead_name|display_name|Associated Company|Record|Firma|Empresa|Ragione sociale", "LEAD_NAME"),
        (
            "Website|Website URL|Company Domain Name|Domains|Site web|Site internet|url|Webseite|WEB SITE",
            "LEAD_WEBSITE",
        ),
        ("Lead Status|Deal Stage|StageName|status_label|Lifecycle stage|Statut|\u00c9tat|Etape|Phase", "LEAD_STATUS"),
        ("Close date|CloseDate|Date de cl\u00f4ture|Status date|Deal - Won time|Date du statut", "LEAD_STATUS_DATE"),
        ("Full address|Adresse compl\u00e8te|Organization - Full/combined address|Adresse|Address", "LEAD_LOCATION"),
        ("N\u00b0 rue|House number|Organisation - Num\u00e9ro de maison|Street Number", "LEAD_LOCATION_STREET_NUM"),
        ("Rue|Street|BillingStreet|Rue de facturation|Organization - Street/road name", "LEAD_LOCATION_STREET"),
        ("Code postal|CP|BillingPostalCode|ZIP|Primary location > Postcode|PLZ", "LEAD_LOCATION_POSTCODE"),
        ("Ville|City|Billing City|address_1_city|Primary location > City|Town|Ort", "LEAD_LOCATION_CITY"),
        ("Industry|Secteur|Secteur d'activit\u00e9|Activit\u00e9|Branche|custom.Industry", "LEAD_SECTOR"),
        ("Number of Employees|NumberOfEmployees|Effectif|Nombre d'employ\u00e9s|Employee range", "LEAD_SIZE"),
        ("Record ID|Account ID|AccountId|Company ID|Id|Identifiant|R\u00e9f. client|N\u00b0 client|Our ref", "CRM_ID"),
        ("Deal ID|Opportunity ID|ID de l'opportunit\u00e9|Deal - ID|Affaire - ID", "DEAL_CRM_ID"),
        ("Email|E-mail|eMail|Mail|Courriel|Adresse e-mail|Company email", "EMAIL"),
        ("Owner|Deal owner|Commercial|Propri\u00e9taire de l'entreprise|Sales rep|Charg\u00e9 d'affaires", "OWNER"),
        ("Score|Lead score|Rating|HubSpot Score", "SCORE"),
        ("SIREN|N\u00b0 SIREN|SIRET|Num\u00e9ro de SIRET|custom.SIREN", "SIREN"),
        ("First name|firstName|FNAME|Pr\u00e9nom|Pr\u00e9nom du contact|Vorname", "CONTACT_FIRST_NAME"),
        ("Last name|Surname|Nom de famille|Nachname|Apellidos|Cognome", "CONTACT_LAST_NAME"),
        ("Contact email|Email du contact|primary_contact_primary_email|Person - Email - Work", "CONTACT_EMAIL"),
        (
            "Phone|T\u00e9l.|T\u00e9l\u00e9phone|Portable|Mobile phone|Person - Phone - Mobile|Telefon",
            "CONTACT_PHONE_NUMBER",
        ),
        ("Job title|Title|Fonction|Poste|primary_contact_title|Intitul\u00e9 du poste", "CONTACT_TITLE"),
        ("LinkedIn|LinkedIn URL|Person Linkedin Url|Profil LinkedIn", "CONTACT_LINKEDIN"),
    ],
)
def test_headers_are_known_in_their_many_spellings(names: str, target: str) -> None:
    for name in names.split("|"):
        found = fields(name, SURE)
        assert found == {name: target}, name


@pytest.mark.parametrize("name", listed(NO_FIELDS))
def test_headers_of_no_field_suggest_nothing(name: str) -> None:
    assert fields(name) == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Name", {"Name": "LEAD_NAME"}),
        ("Nom|Ville", {"Nom": "LEAD_NAME", "Ville": "LEAD_LOCATION_CITY"}),
        ("Nom|Pr\u00e9nom", {"Nom": LAST_NAME, "Pr\u00e9nom": FIRST_NAME}),
        ("Name|First name|Company", {"Name": LAST_NAME, "First name": FIRST_NAME, "Company": "LEAD_NAME"}),
        ("Name|Surname", {"Name": FIRST_NAME, "Surname": LAST_NAME}),
        ("Name|First name|Last name", {"Name": "LEAD_NAME", "First name": FIRST_NAME, "Last name": LAST_NAME}),
        ("Nom du contact|Pr\u00e9nom du contact", {"Nom du contact": LAST_NAME, "Pr\u00e9nom du contact": FIRST_NAME}),
        ("Nom|Contact - Nom|Pr\u00e9nom", {"Nom": "LEAD_NAME", "Contact - Nom": LAST_NAME, "Pr\u00e9nom": FIRST_NAME}),
        ("Nom de l'employ\u00e9|Nb de salari\u00e9s", {"Nb de salari\u00e9s": "LEAD_SIZE"}),
        ("Email|First name", {"Email": "CONTACT_EMAIL", "First name": FIRST_NAME}),
        ("Email|Contact email", {"Email": "EMAIL", "Contact email": "CONTACT_EMAIL"}),
        ("Email|Company email", {"Email": "CONTACT_EMAIL", "Company email": "EMAIL"}),
        ("Adresse|CP", {"Adresse": "LEAD_LOCATION_STREET", "CP": "LEAD_LOCATION_POSTCODE"}),
        ("Id|Account ID", {"Account ID": "CRM_ID"}),
        ("Record ID|Deal name", {"Record ID": "DEAL_CRM_ID"}),
        ("Deal name|Name|Company", {"Company": "LEAD_NAME"}),
        ("Nom commercial|Raison sociale", {"Raison sociale": "LEAD_NAME"}),
        ("SIRET|SIREN", {"SIREN": "SIREN"}),
        ("Mobile|Phone", {"Phone": "CONTACT_PHONE_NUMBER"}),
        ("Shipping City|Billing City", {"Billing City": "LEAD_LOCATION_CITY"}),
        ("Lifecycle stage|Stage|Lead status|Deal stage", {"Deal stage": "LEAD_STATUS"}),
        ("Lifecycle stage|Lead status", {"Lead status": "LEAD_STATUS"}),
    ],
)  # fmt: skip
def test_words_of_several_meanings_are_decided_by_the_other_columns(header: str, expected: dict[str, str]) -> None:
    assert fields(header, SURE) == expected


@pytest.mark.parametrize("name", ["Contact", "Full name", "Primary contact", "primary_contact_name", "Nom du contact"])
def test_a_whole_name_goes_into_the_last_name_with_little_confidence(name: str) -> None:
    assert one(name, []) == ("CONTACT_LAST_NAME", 55)
    assert name not in fields(f"Company|{name}|First name|Last name")


def test_addresses_of_offices_are_the_company_s_even_beside_people() -> None:
    assert fields("Email|Pr\u00e9nom", Email=OFFICES)["Email"] == "EMAIL"
    assert fields("Email|Pr\u00e9nom", Email=PEOPLE)["Email"] == "CONTACT_EMAIL"


def test_names_with_a_legal_form_are_companies_even_beside_a_first_name() -> None:
    assert fields("Nom|Pr\u00e9nom", Nom=COMPANIES)["Nom"] == "LEAD_NAME"


def test_a_whole_address_is_one_even_beside_its_city() -> None:
    assert fields("Adresse|Ville", Adresse=ADDRESSES)["Adresse"] == "LEAD_LOCATION"
    assert fields("Adresse|Ville", Adresse=STREETS)["Adresse"] == "LEAD_LOCATION_STREET"


def test_an_id_that_differs_where_the_company_repeats_is_not_the_company_s() -> None:
    twice = ["Acme", "Zeta"] * 10

    assert fields("Record ID|Company|First name", Record_ID=UUIDS, Company=twice).get("Record ID") is None
    assert fields("Record ID|Company|First name", Record_ID=UUIDS, Company=COMPANIES)["Record ID"] == "CRM_ID"


@pytest.mark.parametrize(
    ("name", "cells", "target"),
    [
        ("Website", PEOPLE, "LEAD_WEBSITE"),
        ("Website", PAGES, "LEAD_WEBSITE"),
        ("Email", SITES, "EMAIL"),
        ("LinkedIn", PAGES, "CONTACT_LINKEDIN"),
        ("SIREN", [str(n) for n in range(100_000_000, 100_000_020)], "SIREN"),
        ("Ville", PEOPLE, "LEAD_LOCATION_CITY"),
        ("CP", COMPANIES, "LEAD_LOCATION_POSTCODE"),
        ("Phone", COMPANIES, "CONTACT_PHONE_NUMBER"),
        ("Statut", UUIDS, "LEAD_STATUS"),
        ("Statut", COMPANIES, "LEAD_STATUS"),
        ("State", ["CA", "NY", "TX"] * 6, "LEAD_STATUS"),
        ("Date de cl\u00f4ture", COMPANIES, "LEAD_STATUS_DATE"),
        ("Pr\u00e9nom", PEOPLE, "CONTACT_FIRST_NAME"),
        ("R\u00e9f. client", ["oui", "non"] * 10, "CRM_ID"),
        ("Leadbay ID", [str(n) for n in range(20)], "LEADBAY_ID"),
        ("Leadbay ID", [], "LEADBAY_ID"),
        ("Record ID", UUIDS, "LEADBAY_ID"),
        ("#3", UUIDS, "LEADBAY_ID"),
    ],
)
def test_values_refute_a_header(name: str, cells: list[str], target: str) -> None:
    found = one(name, cells)

    assert found is None or found[0] != target


@pytest.mark.parametrize(
    ("name", "cells", "expected"),
    [
        ("Champ 7", PEOPLE, ("CONTACT_EMAIL", 64)),
        ("#3", OFFICES, ("EMAIL", 64)),
        ("col_c", ["a@gmail.com", "b@orange.fr"] * 5, ("CONTACT_EMAIL", 54)),
        ("col_c", SITES, ("LEAD_WEBSITE", 62)),
        ("col_c", PROFILES, ("CONTACT_LINKEDIN", 66)),
        ("col_c", ["732 829 320", "73282932000074"] * 5, ("SIREN", 66)),
        ("col_c", ADDRESSES, ("LEAD_LOCATION", 58)),
        ("col_c", [f"+33 1 99 00 12 {n}" for n in range(10, 30)], ("CONTACT_PHONE_NUMBER", 58)),
        ("col_c", ["Gagn\u00e9", "Perdu", "En cours"] * 5, ("LEAD_STATUS", 58)),
        ("Website", PEOPLE, ("CONTACT_EMAIL", 55)),
        ("col_c", PAGES, None),
        ("col_c", PEOPLE[:4], None),
        ("col_c", PEOPLE[:10] + COMPANIES[:10], None),
        ("col_c", [str(n) for n in range(20)], None),
        ("col_c", ["oui", "non"] * 10, None),
        ("Owner email", PEOPLE, None),
    ],
)
def test_values_speak_where_the_header_says_nothing(
    name: str, cells: list[str], expected: tuple[str, int] | None
) -> None:
    assert one(name, cells) == expected


def test_some_wrong_cells_cost_confidence_and_few_cells_cost_little() -> None:
    def sure(cells: list[str]) -> int:
        return (one("Website", cells) or ("", 0))[1]

    all_right, half, one_wrong = sure(SITES), sure(SITES[:10] + PEOPLE[:10]), sure(PEOPLE[:1])
    assert all_right > 95
    assert 50 < one_wrong < half < 95


def test_an_empty_column_keeps_what_its_header_says() -> None:
    assert one("Website", [""] * 50) == ("LEAD_WEBSITE", 88)
    assert fields("Phone|Mobile", Phone=["", ""], Mobile=["06 39 98 00 01", "06 39 98 00 02"]) == {
        "Mobile": "CONTACT_PHONE_NUMBER"
    }


def test_a_status_that_tells_won_from_lost_comes_before_a_stage() -> None:
    stages, ends = ["Demo planned", "Qualified"] * 5, ["won", "lost", "open", "open", "open"] * 2

    assert fields("Deal Stage|Deal Status", Deal_Stage=stages, Deal_Status=ends) == {"Deal Status": "LEAD_STATUS"}
    assert fields("Deal Stage|Deal Status", Deal_Stage=stages, Deal_Status=stages) == {"Deal Stage": "LEAD_STATUS"}
    assert fields("Company|State", State=["Won", "Lost", "New"] * 5)["State"] == "LEAD_STATUS"


@pytest.mark.parametrize(
    ("name", "cells", "evidence"),
    [
        ("Website", [], "the header says so"),
        ("Website", ["", ""], "the header says so; no cell is filled"),
        ("Website", [*SITES[:9], "none of it"], "the header says so; 9 of 10 cells are web addresses"),
        ("Ville", ["Paris"] * 7 + PEOPLE[:3], "the header says so, but 3 of 10 cells are e-mail addresses"),
        ("Statut", ["Perdu"] * 5, "the header says so; its values are words of statuses"),
        ("Website gizmo", SITES[:5], "a part of the header says so; 5 of 5 cells are web addresses"),
        ("Email", OFFICES[:1], "the header says so, beside the other columns; 1 of 1 cells are e-mail addresses"),
        ("col_c", PEOPLE, "20 of 20 cells are e-mail addresses"),
    ],
)  # fmt: skip
def test_the_evidence_is_told_in_plain_words(name: str, cells: list[str], evidence: str) -> None:
    found = suggest([Column(name, tuple(cells))])

    assert [field.evidence for field in found.fields] == [evidence]


def test_columns_that_a_mapping_cannot_name_are_left_out() -> None:
    for names in (["Company", "Company"], ["Company", " Company "], [""], ["  "], ["Company" * 200], ["Company\0"]):
        assert suggest([Column(name, ()) for name in names]) == Suggestion((), ())
    assert fields("Company|City|City") == {"Company": "LEAD_NAME"}


def test_statuses_are_counted_under_their_most_frequent_spelling() -> None:
    cells = ("Gagn\u00e9", "gagne ", "Gagn\u00e9", "Perdu", "", "N/A", "Peut-\u00eatre", "x" * 1_001, "\0")

    found = suggest([Column("Statut", cells)]).statuses

    assert [(status.raw, status.count, status.status, status.confidence) for status in found] == [
        ("Gagn\u00e9", 3, "WON", 100),
        ("Perdu", 1, "LOST", 100),
        ("Peut-\u00eatre", 1, None, 0),
    ]


def test_at_most_fifty_statuses_are_told() -> None:
    cells = ["Won"] * 3 + [f"Custom {chr(97 + n % 26)}{n}" for n in range(80)]

    found = suggest([Column("Deal Stage", tuple(cells) * 2)]).statuses

    assert (len(found), found[0].raw) == (50, "Won")


def test_without_a_status_column_there_are_no_statuses() -> None:
    assert suggest(columns("Company", Company=["Won", "Lost"])).statuses == ()


@pytest.mark.parametrize(
    ("status", "texts"),
    [
        (
            "WON",
            "Closed won|closedwon|CLOSED-WON|Won|Won \U0001f389|Gagn\u00e9|GAGNEE|gagn\u00e9(e)|Gagn\u00e9s|Sign\u00e9",
        ),
        (
            "WON",
            "Customer|Client|Active customer|Abonn\u00e9|4. Gagn\u00e9|Cl\u00f4tur\u00e9e gagn\u00e9e|Gewonnen|Vinto",
        ),
        (
            "LOST",
            "Closed lost|closedlost|Lost|Perdu|Perdue|Churned|R\u00e9sili\u00e9|Ex-client|Former customer|Sans suite",
        ),
        (
            "UNWANTED",
            "Unqualified|Disqualified|Not interested|Pas int\u00e9ress\u00e9|Hors cible|Bad fit|Do not contact",
        ),
        ("UNWANTED", "Junk|Refus\u00e9|Non qualifi\u00e9|NON-QUALIFI\u00c9|Ne plus contacter|Not qualified"),
        (
            "WANTED",
            "Qualified|Interested|In progress|En cours|Opportunity|3 - Negotiation|N\u00e9gociation|Proposal sent",
        ),
        (
            "WANTED",
            "Devis envoy\u00e9|Demo planned|Rendez-vous pris|Contacted|\u00c0 relancer|A RELANCER|Qualified to buy",
        ),
        ("INBOUND", "Inbound|Entrant|Website request|Demande entrante|MQL|Marketing Qualified Lead"),
        ("DEFAULT", "New|Nouveau|Prospect|Lead|Open|\u00c0 contacter|Subscriber|1\ufe0f\u20e3 Nouveau|10% - Prospect"),
        ("DEFAULT", "Never contacted|Open - Not Contacted|Potential customer|Pas encore client"),
    ],
)
def test_known_status_texts_are_sure(status: str, texts: str) -> None:
    for text in texts.split("|"):
        assert status_of(text) == (status, 100), text


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Gagn\u00e9 par Paul", "WON"),
        ("Won - renewal", "WON"),
        ("Perdu (prix)", "LOST"),
        ("Lost - not interested", "LOST"),
        ("R\u00e9siliation en cours", "LOST"),
        ("Client pas int\u00e9ress\u00e9", "UNWANTED"),
        ("isn\u2019t interested", "UNWANTED"),
        ("\u00c9tape 3 : N\u00e9gociation", "WANTED"),
        ("Proposal sent to customer", "WANTED"),
        ("Qualified lead (MQL)", "INBOUND"),
    ],
)
def test_a_known_word_inside_a_status_is_less_sure(text: str, status: str) -> None:
    found = status_of(text)

    assert found is not None
    assert found[0] == status
    assert 60 < found[1] < 100


@pytest.mark.parametrize("text", ["", *listed(NO_STATUSES)])
def test_unknown_negated_and_doubtful_statuses_mean_nothing(text: str) -> None:
    assert status_of(text) is None


NAMES = st.sampled_from(listed(SOME_NAMES)) | st.text(max_size=12)
CELLS = st.sampled_from([*PEOPLE[:2], *SITES[:2], "Won", "Perdu", "", "N/A", "oui", "75002", "12", *ADDRESSES[:1]])
COLUMNS = st.builds(Column, NAMES, st.lists(CELLS | st.text(max_size=8), max_size=12).map(tuple))


@settings(max_examples=200)
@given(st.lists(COLUMNS, max_size=8), st.randoms(use_true_random=False))
def test_any_file_gets_a_sound_suggestion_whatever_its_order(given_columns: list[Column], random: Any) -> None:
    found = suggest(given_columns)

    names, targets = [field.column for field in found.fields], [field.target for field in found.fields]
    assert len(set(names)) == len(names)
    assert len(set(targets)) == len(targets)
    assert set(targets) <= set(STANDARD_FIELDS)
    assert names == [column.name for column in given_columns if column.name in names]
    assert all(LEAST <= field.confidence <= 100 for field in found.fields)
    assert all(status.status in (*LEAD_STATUSES, None) and 0 <= status.confidence <= 100 for status in found.statuses)
    shuffled = random.sample(given_columns, len(given_columns))
    again = suggest(shuffled)
    assert (set(again.fields), again.statuses) == (set(found.fields), found.statuses)


@given(st.text())
def test_any_text_is_a_status_or_none(text: str) -> None:
    found = status_of(text)

    assert found is None or (found[0] in LEAD_STATUSES and 60 <= found[1] <= 100)


def seconds(given_columns: list[Column]) -> float:
    began = time.perf_counter()
    suggest(given_columns)
    return time.perf_counter() - began


def test_a_usual_file_is_answered_fast() -> None:
    cells = (*PEOPLE, *SITES, *ADDRESSES, *COMPANIES, *PROFILES) * 2

    assert seconds([Column(f"Champ {n}", cells) for n in range(30)]) < 0.5  # measured: 0.04 s


def test_hostile_columns_are_answered_fast() -> None:
    wide = [Column(f"Champ {n}", tuple(f"{n} rue {row}, 75002 Paris" for row in range(200))) for n in range(2_000)]
    huge = ("1" * 100_000, "a@" * 50_000, "w " * 50_000, "\u00e9 " * 50_000, "\u200b" * 100_000) * 40

    assert seconds(wide) < 4  # measured: 0.6 s; the slack is for busy machines
    assert seconds([Column(name, huge) for name in ("Statut", "Email", "x", "Nom " * 25_000)]) < 4  # measured: 0.3 s
