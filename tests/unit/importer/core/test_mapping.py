"""A mapping is tied to a file's header, and applied to each record."""

import time
from typing import Any
from uuid import UUID

import pytest

from services.importer.core.binding import Binding
from services.importer.core.mapping import Mapping, bind, columns_of
from services.importer.core.record import Contact, LeadRow, Record, Refusal, Reject, masked
from services.importer.core.table import Header
from services.importer.core.targets import CustomField
from shared.mapping import STANDARD_FIELDS

ID = "0190a1b2-0000-7000-8000-000000000001"
TEXTS = {"1": CustomField("Tier", "TEXT"), "12": CustomField("Source", "TEXT")}


def bound(fields: dict[str, str], names: tuple[str, ...] | None = None, **more: Any) -> Binding:
    found = bind(a_mapping(fields, **more), Header(1, tuple(fields) if names is None else names))
    assert isinstance(found, Binding)
    return found


def a_mapping(
    fields: dict[str, str],
    statuses: dict[str, str] | None = None,
    default_status: str | None = None,
    custom_fields: dict[str, CustomField] | None = None,
) -> Mapping:
    return Mapping(1, fields, statuses or {}, default_status, TEXTS if custom_fields is None else custom_fields)


def refusal(fields: dict[str, str], *names: str) -> Refusal:
    found = bind(a_mapping(fields), Header(1, names))
    assert isinstance(found, Refusal)
    return found


def applied(target: str, cell: str, **more: Any) -> LeadRow | list[Reject]:
    """Apply a mapping of the company name and one other target to one record."""
    return read(bound({"Company": "LEAD_NAME", "Other": target}, **more), Record(7, ("Acme", cell)))


def read(binding: Binding, record: Record) -> LeadRow | list[Reject]:
    """Read one record; without its cells, which every row keeps."""
    (found,) = binding.read([record])
    return found._replace(cells=()) if isinstance(found, LeadRow) else found


def row(target: str, cell: str, **more: Any) -> LeadRow:
    found = applied(target, cell, **more)
    assert isinstance(found, LeadRow)
    return found


def test_columns_are_found_by_exact_name_first_and_then_without_case_and_spaces() -> None:
    found = bound(
        {"Name": "LEAD_NAME", " post  CODE": "LEAD_LOCATION_POSTCODE", "Gone": "CRM_ID"},
        ("NAME", "Name", "Post Code", "", "Extra"),
    )

    assert found.unmapped_columns == ("NAME", "Extra")
    assert found.missing_columns == ("Gone",)
    lead = read(found, Record(2, ("x", "Acme", "01000", "", "y")))
    assert isinstance(lead, LeadRow)
    assert (lead.name, lead.postcode) == ("Acme", "01000")


def test_a_name_that_is_alike_to_two_columns_finds_neither() -> None:
    found = bound({"Company": "LEAD_NAME", "city": "LEAD_LOCATION_CITY"}, ("Company", "City", "CITY"))

    assert found.missing_columns == ("city",)


def test_two_names_never_share_a_column() -> None:
    found = bound({"company": "CUSTOM.1", "Company": "LEAD_NAME"}, ("Company",))

    assert found.missing_columns == ("company",)
    assert read(found, Record(2, ("Acme",))) == LeadRow(line=2, name="Acme")


@pytest.mark.parametrize("key", ["City", "city"])
def test_a_mapped_column_that_stands_twice_is_refused(key: str) -> None:
    found = refusal({"Company": "LEAD_NAME", key: "LEAD_LOCATION_CITY"}, "Company", "City", "City")

    assert found.code == "duplicate_column"
    assert "City stands 2 times" in found.reason


def test_an_unmapped_column_may_stand_twice() -> None:
    assert bound({"Company": "LEAD_NAME"}, ("Company", "Note", "Note")).unmapped_columns == ("Note", "Note")


@pytest.mark.parametrize("fields", [{}, {"City": "LEAD_LOCATION_CITY"}, {"Firm": "LEAD_NAME"}])
def test_a_file_without_a_mapped_company_name_is_refused_and_told_its_columns(fields: dict[str, str]) -> None:
    found = refusal(fields, "City", "", "Soci\u00e9t\u00e9\x1b[31m", "x" * 100)

    assert found.code == "company_name_not_mapped"
    assert f"City, Soci\u00e9t\u00e9\\u001b[31m, {'x' * 59}\u2026." in found.reason
    assert ("Firm" in found.reason) == (fields == {"Firm": "LEAD_NAME"})


def test_a_refusal_names_at_most_fifty_columns() -> None:
    assert refusal({}, *(f"c{n}" for n in range(2_000))).reason.count("c") < 80
    assert "and 1950 more" in refusal({}, *(f"c{n}" for n in range(2_000))).reason


def test_headers_are_data_and_never_format_strings() -> None:
    assert "{0.__class__} %s" in refusal({}, "{0.__class__} %s").reason


def test_every_target_reaches_its_attribute() -> None:
    cells = {
        "LEAD_NAME": " Acme ",
        "LEAD_WEBSITE": "https://www.acme.fr/x",
        "LEAD_STATUS": "gagne",
        "LEAD_STATUS_DATE": "2026-03-04T10:00",
        "LEAD_LOCATION": "1 rue X, Paris",
        "LEAD_LOCATION_STREET_NUM": "1",
        "LEAD_LOCATION_STREET": "rue X",
        "LEAD_LOCATION_POSTCODE": "01000",
        "LEAD_LOCATION_CITY": "Bourg",
        "LEAD_SECTOR": "Industry",
        "LEAD_SIZE": "10-50",
        "CRM_ID": "0042",
        "LEADBAY_ID": ID.upper(),
        "DEAL_CRM_ID": "d1",
        "EMAIL": "Info@Acme.fr",
        "OWNER": "Zo\u00e9",
        "SCORE": "1E5",
        "SIREN": "732 829 320 00074",
        "CONTACT_FIRST_NAME": "Jean",
        "CONTACT_LAST_NAME": "Dupont",
        "CONTACT_EMAIL": "Jean@Acme.fr",
        "CONTACT_PHONE_NUMBER": "+33 1",
        "CONTACT_TITLE": "CEO",
        "CONTACT_LINKEDIN": "linkedin.com/in/jean",
    }
    assert set(cells) == set(STANDARD_FIELDS)
    fields = {f"h {target}": target for target in cells} | {"c": "CUSTOM.12"}

    lead = read(bound(fields, statuses={"Gagn\u00e9": "WON"}), Record(2, (*cells.values(), " 017 ")))

    assert lead == LeadRow(
        line=2,
        name="Acme",
        website="acme.fr",
        status="WON",
        status_date="2026-03-04",
        location="1 rue X, Paris",
        street_num="1",
        street="rue X",
        postcode="01000",
        city="Bourg",
        sector="Industry",
        size="10-50",
        crm_id="0042",
        leadbay_id=UUID(ID),
        deal_crm_id="d1",
        email="info@acme.fr",
        owner="Zo\u00e9",
        score="1E5",
        siren="732829320",
        custom=(("CUSTOM.12", "017"),),
        contact=Contact("Jean", "Dupont", "jean@acme.fr", "+33 1", "CEO", "linkedin.com/in/jean"),
    )


def test_a_row_of_placeholders_says_nothing_but_its_name() -> None:
    fields = {f"h {target}": target for target in STANDARD_FIELDS} | {"c": "CUSTOM.1"}
    cells = tuple("Acme" if target == "LEAD_NAME" else " N/A " for target in fields.values())

    assert read(bound(fields), Record(2, cells)) == LeadRow(line=2, name="Acme")


@pytest.mark.parametrize("cell", ["", "  ", "N/A", "-", "\u200b"])
def test_a_row_without_company_name_is_rejected(cell: str) -> None:
    (reject,) = read(bound({"Company": "LEAD_NAME"}), Record(9, (cell,)))  # type: ignore[misc]

    assert (reject.line, reject.column, reject.code) == (9, "Company", "company_name_missing")


def test_all_that_is_wrong_with_a_row_is_told_at_once() -> None:
    rejects = read(bound({"Company": "LEAD_NAME", "Id": "LEADBAY_ID"}), Record(9, ("x" * 501, "secret")))

    assert isinstance(rejects, list)
    assert [(reject.column, reject.code) for reject in rejects] == [
        ("Company", "company_name_too_long"),
        ("Id", "bad_leadbay_id"),
    ]
    assert not any("secret" in reject.reason for reject in rejects)


@pytest.mark.parametrize(
    ("target", "cell", "code"),
    [
        ("SIREN", "secret 1", "bad_siren"),
        ("EMAIL", "secret", "bad_email"),
        ("CONTACT_EMAIL", "secret", "bad_email"),
        ("LEAD_WEBSITE", "javascript:secret", "bad_website"),
        ("LEAD_STATUS_DATE", "03/04/2026 secret", "date_not_understood"),
        ("LEAD_STATUS_DATE", "03/04/2026", "date_ambiguous"),
        ("LEAD_STATUS_DATE", "31/02/2026", "date_impossible"),
        ("LEAD_WEBSITE", "secret" * 400, "too_long"),
        ("CRM_ID", "secret" * 90, "too_long"),
        ("DEAL_CRM_ID", "secret" * 90, "too_long"),
        ("LEAD_SECTOR", "secret" * 400, "too_long"),
        ("LEAD_STATUS", "secret" * 200, "too_long"),
    ],
)
def test_a_bad_optional_cell_is_left_out_with_a_warning(target: str, cell: str, code: str) -> None:
    lead = row(target, cell)

    (warning,) = lead.warnings
    assert (warning.line, warning.column, warning.code) == (7, "Other", code)
    assert warning.value == masked(cell)
    assert "secret" not in warning.reason
    assert lead == LeadRow(line=7, name="Acme", warnings=(warning,))


def test_the_later_of_two_cells_of_one_custom_field_is_kept_unless_it_is_empty() -> None:
    binding = bound({"Company": "LEAD_NAME", "a": "CUSTOM.1", "b": "CUSTOM.1"})

    found = [read(binding, Record(2, ("Acme", *pair))) for pair in (("x", "y"), ("x", "-"))]

    assert [lead.custom for lead in found if isinstance(lead, LeadRow)] == [(("CUSTOM.1", "y"),), (("CUSTOM.1", "x"),)]


@pytest.mark.parametrize(
    ("cell", "default", "status", "from_default", "unknown"),
    [
        ("Gagn\u00e9", None, "WON", False, None),
        ("  gagne ", "LOST", "WON", False, None),
        ("-", "LOST", "UNWANTED", False, None),
        ("Peut-\u00eatre ", None, None, False, "Peut-\u00eatre"),
        ("Peut-\u00eatre", "LOST", "LOST", True, "Peut-\u00eatre"),
        ("", None, None, False, None),
        ("n/a", "LOST", "LOST", True, None),
    ],
)
def test_statuses_are_translated_or_left_alone(
    cell: str, default: str | None, status: str | None, from_default: bool, unknown: str | None
) -> None:
    lead = row("LEAD_STATUS", cell, statuses={"Gagn\u00e9": "WON", "-": "UNWANTED"}, default_status=default)

    assert (lead.status, lead.status_from_default, lead.unknown_status) == (status, from_default, unknown)


def test_the_saved_spelling_of_a_status_comes_before_those_alike() -> None:
    statuses = {"won": "LOST", "WON": "WON"}

    assert row("LEAD_STATUS", "WON", statuses=statuses).status == "WON"
    assert row("LEAD_STATUS", "Won", statuses=statuses).status == "LOST"


def test_without_a_status_column_the_default_alone_decides() -> None:
    assert row("OWNER", "x").status is None
    assert row("OWNER", "x", default_status="INBOUND").status == "INBOUND"


def test_what_an_old_mapping_should_not_hold_is_ignored() -> None:
    found = bound({"Company": "LEAD_NAME", "x": "LEAD_OLD"}, statuses={"a": "OLD"}, default_status="OLD")

    assert found.unmapped_columns == ("x",)
    assert read(found, Record(2, ("Acme", "a"))) == LeadRow(line=2, name="Acme")


def test_a_file_without_a_header_is_mapped_by_position_or_refused() -> None:
    header = Header(None, ("#1", "#2", "#3"))

    by_position = bind(a_mapping({"#2": "LEAD_NAME", "#1": "CRM_ID"}), header)
    by_name = bind(a_mapping({"Company": "LEAD_NAME"}), header)

    assert isinstance(by_position, Binding)
    assert read(by_position, Record(1, ("7", "Acme", "x"))) == LeadRow(line=1, name="Acme", crm_id="7")
    assert by_position.unmapped_columns == ("#3",)
    assert isinstance(by_name, Refusal)
    assert by_name.code == "no_header"


def test_a_position_finds_a_column_of_a_file_with_a_header_too_but_a_name_comes_first() -> None:
    found = bound({"#1": "LEAD_NAME", "#3": "CRM_ID"}, ("Id", "Company", "", "#1"))

    assert read(found, Record(2, ("7", "x", "9", "Acme"))) == LeadRow(line=2, name="Acme", crm_id="9")
    assert found.missing_columns == ()


@pytest.mark.parametrize("key", ["#0", "#01", "#3", "#99999", "#\u0661", "# 1"])
def test_a_position_that_is_none_finds_nothing(key: str) -> None:
    found = bind(a_mapping({"#1": "LEAD_NAME", key: "CRM_ID"}), Header(None, ("#1", "#2")))

    assert isinstance(found, Binding)
    assert found.missing_columns == (key,)


def test_accents_written_in_two_ways_are_one_name_and_one_name_twice_is_refused() -> None:
    assert bound({"Socie\u0301te\u0301": "LEAD_NAME"}, ("Soci\u00e9t\u00e9", "Ville")).missing_columns == ()

    assert refusal({"Caf\u00e9": "LEAD_NAME"}, "Caf\u00e9", "Cafe\u0301").code == "duplicate_column"


def test_a_custom_field_that_is_gone_is_ignored_and_its_column_counts_as_unmapped() -> None:
    found = bound({"Company": "LEAD_NAME", "Tier": "CUSTOM.9"}, ("Company", "Tier"))

    assert found.unmapped_columns == ("Tier",)
    assert read(found, Record(2, ("Acme", "gold"))) == LeadRow(line=2, name="Acme")


def test_a_mapping_tells_the_folded_names_that_a_header_is_known_by() -> None:
    mapping = a_mapping({" Raison  Sociale": "LEAD_NAME", "#3": "CRM_ID"})

    assert mapping.names() == frozenset({"raison sociale"})
    assert mapping.by_position()
    assert not a_mapping({"#x": "LEAD_NAME"}).by_position()


def test_the_targets_of_the_columns_can_be_told_without_a_company_name() -> None:
    header = Header(1, ("Id", "City", "City"))

    assert columns_of(a_mapping({"id": "CRM_ID"}), header) == {0: "CRM_ID"}
    assert columns_of(a_mapping({"id": "CRM_ID", "City": "LEAD_LOCATION_CITY"}), header) == {}


def test_dates_and_numbers_are_read_in_the_format_that_their_columns_prove() -> None:
    fields = {"Company": "LEAD_NAME", "Since": "LEAD_STATUS_DATE", "Amount": "CUSTOM.3", "Day": "CUSTOM.4"}
    custom = {"3": CustomField("Amount", "NUMBER"), "4": CustomField("Day", "DATE", format="DD/MM/YYYY")}
    binding = bound(fields, custom_fields=custom)

    # A declared format needs no proof.
    assert binding.to_prove() == {1: "date", 2: "number"}
    lead = read(binding.proven({1: "MDY", 2: ","}), Record(2, ("Acme", "03/04/2026", "1.234", "03/04/2026")))

    assert isinstance(lead, LeadRow)
    assert (lead.status_date, lead.custom) == ("2026-03-04", (("CUSTOM.3", "1234"), ("CUSTOM.4", "2026-04-03")))


def test_what_was_odd_about_a_record_is_told_with_its_row() -> None:
    binding = bound({"Company": "LEAD_NAME", "City": "LEAD_LOCATION_CITY"})

    for flag in ("short_row", "stray_quote"):
        lead = read(binding, Record(4, ("Acme", ""), flag))
        assert isinstance(lead, LeadRow)
        assert [(note.line, note.column, note.code) for note in lead.warnings] == [(4, None, flag)]


def test_a_rejected_row_keeps_its_cells_and_the_shape_of_the_bad_one() -> None:
    binding = bound({"Company": "LEAD_NAME", "Id": "LEADBAY_ID"})

    (reject,) = read(binding, Record(9, ("Acme", "Ab-12")))  # type: ignore[misc]

    assert (reject.cells, reject.value) == (("Acme", "Ab-12"), "xx-99")


def test_rows_are_read_fast() -> None:
    targets = ["LEAD_NAME", "LEAD_WEBSITE", "LEAD_STATUS", "CRM_ID", "CONTACT_EMAIL", "SIREN", "LEAD_LOCATION_CITY"]
    binding = bound({target: target for target in targets}, statuses={"Won": "WON"})
    record = Record(2, ("Acme", "https://www.acme.fr/x", "won", "1", "Jean@acme.fr", "732829320", "Paris"))

    began = time.perf_counter()
    binding.read([record] * 10_000)

    assert time.perf_counter() - began < 1  # measured: 0.03 s; the slack is for busy machines
