"""A person is found again by the strongest thing known, and never mixed up with another one."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.people import COLUMNS, Person, asked_for, contact_key, doubtful, fold_people
from services.importer.core.record import Contact

LEAD, OTHER = UUID(int=1001), UUID(int=1002)
JANE = Person("email:jane@acme.fr", "jane@acme.fr", "in/jane", "Jane", "Doe")


def folded(*contacts: Contact, known: tuple[Person, ...] = ()) -> list[dict[str, Any]]:
    return [dict(zip(("key", *COLUMNS), row, strict=True)) for row in fold_people(contacts, known)]


def keys(*contacts: Contact, known: tuple[Person, ...] = ()) -> list[str]:
    return [person["key"] for person in folded(*contacts, known=known)]


@pytest.mark.parametrize(
    ("contact", "key"),
    [
        (Contact(email="Jane@Acme.fr", linkedin="in/jane", last_name="Doe"), "email:jane@acme.fr"),
        (Contact(linkedin="in/Jane", last_name="Doe"), "linkedin:in/jane"),
        (Contact(first_name="Zo\u00e9", last_name="DOE", phone="+331"), "name:zo\u00e9 doe"),
        (Contact(last_name="Doe", phone="+331"), "name:doe"),
        (Contact(phone="+331", title="CEO"), "other:+331"),
        (Contact(title="CEO"), "other:CEO"),
    ],
)
def test_a_person_is_found_again_by_the_strongest_thing_known(contact: Contact, key: str) -> None:
    assert contact_key(contact) == key


@pytest.mark.parametrize(
    "contact",
    [
        Contact(email="JANE@acme.fr", first_name="Janet"),
        Contact(linkedin="in/Jane"),
        Contact(first_name="JANE", last_name="doe"),
        Contact(first_name="Jane", last_name="Doe", phone="1"),
        Contact(first_name="Jane Doe", linkedin="in/jane"),
    ],
)
def test_a_known_person_keeps_the_key_that_the_database_has(contact: Contact) -> None:
    assert keys(contact, known=(JANE,)) == [JANE.key]


@pytest.mark.parametrize(
    "contact",
    [
        Contact(email="jane.doe@acme.fr", first_name="Jane", last_name="Doe"),
        Contact(email="jane.doe@acme.fr", linkedin="in/jane"),
        Contact(linkedin="in/other", first_name="Jane", last_name="Doe"),
        Contact(first_name="Jane"),
        Contact(phone="+331"),
    ],
)
def test_whoever_differs_in_something_stronger_is_somebody_else(contact: Contact) -> None:
    assert keys(contact, known=(JANE,)) == [contact_key(contact)]


def test_what_a_row_teaches_finds_the_person_in_the_next_one() -> None:
    (found,) = folded(
        Contact(first_name="Jane", last_name="Doe"),
        Contact(first_name="Jane", last_name="Doe", email="jane@acme.fr", title="CTO"),
        Contact(email="JANE@acme.fr", title="CEO"),
    )

    assert (found["key"], found["email"], found["title"], found["last_name"]) == (
        *("name:jane doe", "JANE@acme.fr", "CEO"),
        "Doe",
    )


def test_two_people_of_one_name_are_told_apart_by_their_addresses() -> None:
    doubles = [Contact(first_name="Jane", last_name="Doe", email=f"jane{number}@acme.fr") for number in (1, 2, 1)]

    assert keys(*doubles) == ["email:jane1@acme.fr", "email:jane2@acme.fr"]


def test_an_address_that_somebody_took_over_still_finds_the_first_of_them() -> None:
    assert keys(Contact(email="jane@acme.fr", first_name="Bob"), known=(JANE,)) == [JANE.key]


def test_phones_come_with_their_key_and_an_empty_cell_erases_nothing() -> None:
    (found,) = folded(Contact(email="a@b.fr", phone="+33 (0)1 23"), Contact(email="a@b.fr", title="CEO"))

    assert (found["phone"], found["phone_key"], found["title"]) == ("+33 (0)1 23", "+33123", "CEO")


def test_a_person_who_was_known_but_not_met_is_not_written() -> None:
    assert folded(known=(JANE,)) == []


def test_a_known_key_tells_who_is_meant_unless_several_come_and_one_of_them_has_no_address() -> None:
    sure = [(LEAD, "email:a@b.fr"), (LEAD, "email:c@d.fr"), (OTHER, "name:jane")]
    unsure = [(LEAD, "email:a@b.fr"), (LEAD, "name:jane"), (OTHER, "name:jane")]

    assert doubtful(sure) == set()
    assert doubtful(unsure) == {(LEAD, "email:a@b.fr"), (LEAD, "name:jane")}


def test_the_database_is_asked_for_everything_that_could_find_somebody() -> None:
    contact = Contact("Jane", "Doe", "Jane@Acme.fr", "+331", "CEO", "in/Jane")

    assert asked_for([(LEAD, contact), (LEAD, contact), (OTHER, None)]) == {
        "lead_ids": [LEAD],
        "keys": ["email:jane@acme.fr"],
        "emails": ["jane@acme.fr"],
        "linkedins": ["in/jane"],
        "names": ["jane doe"],
    }


SOME = st.none() | st.sampled_from(["a", "A", "b", "c d"])
PEOPLE = st.builds(
    Contact,
    first_name=SOME,
    last_name=SOME,
    email=st.none() | st.sampled_from(["x@y.fr", "X@y.fr", "z@y.fr"]),
    linkedin=st.none() | st.sampled_from(["in/a", "in/b"]),
    phone=st.just("1"),
)


@given(contacts=st.lists(PEOPLE, max_size=8))
def test_no_key_is_written_twice_and_nobody_has_two_addresses(contacts: list[Contact]) -> None:
    found = folded(*contacts)

    assert len({person["key"] for person in found}) == len(found)
    given_addresses = {contact.email.lower() for contact in contacts if contact.email}
    assert {person["email"].lower() for person in found if person["email"]} == given_addresses


# Whoever has two profiles in one file is two people from the second import on.
ONE_PROFILE = st.builds(
    Contact,
    first_name=SOME,
    last_name=SOME,
    email=st.none() | st.sampled_from(["x@y.fr", "z@y.fr"]),
    phone=st.just("1"),
    title=st.none(),
    linkedin=st.none(),
)


@given(contacts=st.lists(ONE_PROFILE, max_size=8))
def test_the_same_rows_find_the_same_people_again(contacts: list[Contact]) -> None:
    first = folded(*contacts)
    known = tuple(
        Person(person["key"], person["email"], person["linkedin"], person["first_name"], person["last_name"])
        for person in first
    )

    again = folded(*contacts, known=known)

    assert {person["key"] for person in again} <= {person["key"] for person in first}
