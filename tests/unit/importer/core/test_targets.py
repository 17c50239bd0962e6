"""Each kind of custom field reads its cells in its own way, and says why it cannot."""

import pytest

from services.importer.core.doubt import Doubt
from services.importer.core.targets import CONTACT, LEAD, CustomField, custom
from shared.mapping import STANDARD_FIELDS


def read(field: CustomField, cell: str, proven: str | None = None) -> object:
    """What a cell becomes, or the code of why it becomes nothing."""
    kind = custom("CUSTOM.7", field)
    found = cell if kind.read is None else kind.read(cell, proven)
    return found.code if isinstance(found, Doubt) else found


def test_every_standard_field_is_read_somewhere() -> None:
    assert {*LEAD, *CONTACT} == set(STANDARD_FIELDS)


def test_keys_of_indexes_are_bounded_to_what_an_index_takes() -> None:
    for target in ("LEAD_NAME", "CRM_ID", "DEAL_CRM_ID", "LEAD_LOCATION_POSTCODE", "LEAD_LOCATION_CITY"):
        assert LEAD[target].limit * 4 <= 2_000


def test_only_the_name_and_the_leadbay_id_cost_the_whole_row() -> None:
    assert {target for target, kind in (LEAD | CONTACT).items() if kind.fatal} == {"LEAD_NAME", "LEADBAY_ID"}


def test_a_custom_field_lands_under_its_target() -> None:
    assert custom("CUSTOM.7", CustomField("Tier", "TEXT")).attribute == "CUSTOM.7"


@pytest.mark.parametrize(
    ("field", "cell", "proven", "value"),
    [
        (CustomField("x", "TEXT"), "1E5", None, "1E5"),
        (CustomField("x", "NUMBER"), "1 234,5", ",", "1234.5"),
        (CustomField("x", "NUMBER"), "1,234", ",", "1.234"),
        (CustomField("x", "NUMBER"), "1,234", ".", "1234"),
        (CustomField("x", "NUMBER"), "1,234", None, "number_ambiguous"),
        (CustomField("x", "NUMBER"), "12 EUR", None, "number_not_understood"),
        (CustomField("x", "NUMBER"), "1e999999", None, "number_too_large"),
        (CustomField("x", "PRICE", currency="EUR"), "12,50 \u20ac", ",", "12.5"),
        (CustomField("x", "PRICE", currency="EUR"), "$12", None, "currency_differs"),
        (CustomField("x", "PRICE", currency="EUR"), "a lot", None, "number_not_understood"),
        (CustomField("x", "DATE"), "31/01/2026", None, "2026-01-31"),
        (CustomField("x", "DATE"), "03/04/2026", "MDY", "2026-03-04"),
        (CustomField("x", "DATE"), "03/04/2026", None, "date_ambiguous"),
        (CustomField("x", "DATE", format="DD/MM/YYYY"), "03/04/2026", "MDY", "2026-04-03"),
        (CustomField("x", "DATE", format="DD/MM/YYYY"), "2026-04-03", None, "2026-04-03"),
        (CustomField("x", "DATE", format="DD/MM/YYYY"), "3 April 2026", None, "date_not_understood"),
        (CustomField("x", "DATETIME"), "2026-04-03 10:00", None, "2026-04-03T10:00:00"),
        (CustomField("x", "DATETIME"), "31/02/2026 10:00", None, "date_impossible"),
        (CustomField("x", "DATETIME", format="%d.%m.%Y %H:%M"), "03.04.2026 10:05", None, "2026-04-03T10:05:00"),
        (CustomField("x", "EXTERNAL_ID", url_template="https://crm/{value}"), "{0.__class__}", None, "{0.__class__}"),
        (CustomField("x", "A KIND OF LATER"), "kept", None, "kept"),
    ],
)
def test_cells_are_read_by_the_kind_of_their_field(
    field: CustomField, cell: str, proven: str | None, value: str
) -> None:
    assert read(field, cell, proven) == value


@pytest.mark.parametrize(
    ("field", "proof"),
    [
        (CustomField("x", "TEXT"), ""),
        (CustomField("x", "EXTERNAL_ID"), ""),
        (CustomField("x", "NUMBER"), "number"),
        (CustomField("x", "PRICE", currency="EUR"), "number"),
        (CustomField("x", "DATE"), "date"),
        (CustomField("x", "DATETIME"), "date"),
        (CustomField("x", "DATE", format="DD/MM/YYYY"), ""),
        (CustomField("x", "DATETIME", format="DD/MM/YYYY HH:mm"), ""),
    ],
)
def test_only_what_can_be_spelled_in_two_ways_must_be_proven(field: CustomField, proof: str) -> None:
    assert custom("CUSTOM.7", field).proof == proof
