"""A person at a company is found again by e-mail, else by LinkedIn, else by name, and two people stay two."""

import pytest
from psycopg_pool import ConnectionPool

from shared.database import Db
from tests.integration.importer.builders import Imports, csv_of

FIELDS = {
    "Company": "LEAD_NAME",
    "Id": "CRM_ID",
    "First": "CONTACT_FIRST_NAME",
    "Last": "CONTACT_LAST_NAME",
    "Mail": "CONTACT_EMAIL",
    "Phone": "CONTACT_PHONE_NUMBER",
    "Title": "CONTACT_TITLE",
    "LinkedIn": "CONTACT_LINKEDIN",
}
ZOE = {"Company": "Acme", "Id": "A", "First": "Zoé", "Last": "Élan"}
MAIL = {"Mail": "Zoe@Acme.com"}
PROFILE = {"LinkedIn": "https://www.linkedin.com/in/Zoe-Elan"}


@pytest.fixture(params=[1, 5000], ids=["row by row", "at once"])
def staff(request: pytest.FixtureRequest, connections: ConnectionPool[Db], imports: Imports) -> Imports:
    """An organisation that imports people; its batches are of one row, or of many."""
    made = Imports(connections, imports.folder, batch_rows=request.param)
    made.save_mapping(FIELDS)
    return made


def bring(staff: Imports, *people: dict[str, str]) -> None:
    """Import a file of people."""
    staff.imported(csv_of(people, tuple(FIELDS)))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param({}, MAIL, id="an e-mail"),
        pytest.param({}, PROFILE, id="a profile"),
        pytest.param(PROFILE, PROFILE | MAIL, id="an e-mail beside the profile"),
        pytest.param(MAIL, MAIL | PROFILE, id="a profile beside the e-mail"),
        pytest.param(MAIL, {}, id="no e-mail any more"),
        pytest.param(MAIL | PROFILE, PROFILE, id="the profile alone"),
    ],
)
@pytest.mark.parametrize("together", [True, False], ids=["in one file", "in the next file"])
def test_a_person_who_gets_or_loses_a_mark_is_the_same_person(
    staff: Imports, before: dict[str, str], after: dict[str, str], together: bool
) -> None:
    # When somebody comes twice, the second time with more or less to be found by
    if together:
        bring(staff, ZOE | before, ZOE | after | {"Title": "CEO"})
    else:
        bring(staff, ZOE | before)
        bring(staff, ZOE | after | {"Title": "CEO"})
    # Then there is one contact, who has all of it
    known = before | after
    expected = ("Zoé", "Élan", known.get("Mail", "").lower() or None, known.get("LinkedIn"), "CEO")
    assert staff.contacts("first_name", "last_name", "email", "linkedin", "title") == [expected]
    # And the same file again changes nothing
    versions = staff.versions("contacts")
    bring(staff, ZOE | after | {"Title": "CEO"})
    assert staff.versions("contacts") == versions


def test_two_people_of_one_name_with_different_addresses_are_two(staff: Imports) -> None:
    bring(staff, ZOE | {"Mail": "zoe.a@acme.com"}, ZOE | {"Mail": "zoe.b@acme.com"})
    bring(staff, ZOE | {"Mail": "zoe.a@acme.com", "Title": "CEO"}, ZOE | {"Mail": "zoe.b@acme.com", "Title": "CFO"})
    assert staff.contacts("email", "title") == [("zoe.a@acme.com", "CEO"), ("zoe.b@acme.com", "CFO")]


def test_one_address_is_one_person_whatever_the_name(staff: Imports) -> None:
    bring(staff, ZOE | MAIL)
    bring(staff, ZOE | {"Last": "Élan-Roux", "Mail": "ZOE@ACME.COM"})
    assert staff.contacts("last_name", "email") == [("Élan-Roux", "zoe@acme.com")]


def test_the_same_person_at_two_companies_is_a_contact_of_each(staff: Imports) -> None:
    bring(staff, ZOE | MAIL, ZOE | MAIL | {"Company": "Bolt", "Id": "B"})
    assert len(staff.contacts("lead_id")) == 2


def test_a_phone_number_is_kept_as_written_and_as_digits_to_compare_by(staff: Imports) -> None:
    bring(
        staff,
        ZOE | {"Phone": "+33 (0)6 01 02 03 04"},
        {"Company": "Acme", "Id": "A", "First": "Ann", "Phone": "06.01.02.03.04"},
        {"Company": "Acme", "Id": "A", "First": "Bob", "Phone": "ask Ann"},
        {"Company": "Acme", "Id": "A", "First": "Eve"},
    )
    assert staff.contacts("first_name", "phone", "phone_key") == [
        ("Ann", "06.01.02.03.04", "0601020304"),
        ("Bob", "ask Ann", None),
        ("Eve", None, None),
        ("Zoé", "+33 (0)6 01 02 03 04", "+33601020304"),
    ]
    # When only the spelling of a number changes, then so does what is shown, and not what it means
    bring(staff, {"Company": "Acme", "Id": "A", "First": "Ann", "Phone": "06 01 02 03 04"})
    assert ("Ann", "06 01 02 03 04", "0601020304") in staff.contacts("first_name", "phone", "phone_key")


def test_a_bad_address_is_left_out_and_the_person_kept(staff: Imports) -> None:
    told = staff.told_of(csv_of([ZOE | {"Mail": "zoe at acme"}], tuple(FIELDS)))
    assert staff.contacts("first_name", "email") == [("Zoé", None)]
    (warning,) = told.warnings
    assert (warning.column, warning.code, warning.value) == ("Mail", "bad_email", "xxx xx xxxx")


def test_two_people_of_one_name_stay_two_when_one_of_them_comes_without_an_address(staff: Imports) -> None:
    # Given two people of one name, the first of whom was known before any address was
    bring(staff, ZOE)
    bring(staff, ZOE | {"Mail": "zoe.a@acme.com"})
    bring(staff, ZOE | {"Mail": "zoe.b@acme.com"})
    # When one file names the first one by name and the second by address
    bring(staff, ZOE | {"Title": "CEO"}, ZOE | {"Mail": "zoe.b@acme.com", "Title": "CFO"})
    # Then nobody's address changes
    assert staff.contacts("email", "title") == [("zoe.a@acme.com", "CEO"), ("zoe.b@acme.com", "CFO")]
