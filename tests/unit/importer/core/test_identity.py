"""Each row finds the lead that it means, never another company's, and always the same one."""

import time
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.identity import Known, Resolved, keys, resolve
from services.importer.core.record import LeadRow, Reject
from services.importer.core.shared_hosts import is_shared

LEAD, OTHER = UUID(int=1001), UUID(int=1002)


def a_row(name: str = "Acme", **more: Any) -> LeadRow:
    return LeadRow(line=2, name=name, **more)


def new_ids() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def resolved(*rows: LeadRow, known: dict[str, Known] | None = None, **more: Any) -> list[Resolved]:
    found = resolve(rows, known or {}, more.get("known_ids", {}), new_ids())
    assert not [reject for reject in found if isinstance(reject, Reject)]
    return [outcome for outcome in found if isinstance(outcome, Resolved)]


def leads(*rows: LeadRow, **more: Any) -> list[int]:
    return [outcome.lead_id.int for outcome in resolved(*rows, **more)]


def test_keys_come_in_the_order_of_their_strength() -> None:
    row = a_row(" ACME  Sas", crm_id="A1", siren="732829320", website="acme.fr", postcode="75 001", city="Paris")

    assert keys(row) == ("crm:A1", "siren:732829320", "web:acme.fr", "name:acme sas|75001")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (a_row(city="Saint-\u00c9tienne"), ("name:acme|saint etienne",)),
        (a_row(postcode="?", city="Paris"), ("name:acme|paris",)),
        (a_row(location="1, rue X, Paris"), ("name:acme|1 rue x paris",)),
        (a_row(), ("name:acme|",)),
        (a_row(crm_id="1"), ("crm:1",)),
        (a_row(crm_id="aB"), ("crm:aB",)),
        (a_row(email="info@acme.fr"), ("web:acme.fr",)),
        (a_row(email="info@xn--socit-esab.fr"), ("web:soci\u00e9t\u00e9.fr",)),
        (a_row(email="info@beta.fr", website="acme.fr"), ("web:acme.fr",)),
        (a_row(email="info@acme.fr", website="facebook.com"), ("web:acme.fr",)),
        (a_row(email="acme@gmail.com", city="Lyon"), ("name:acme|lyon",)),
        (a_row(website="acme.wixsite.com", city="Lyon"), ("name:acme|lyon",)),
    ],
)
def test_a_row_is_known_by_what_is_its_own(row: LeadRow, expected: tuple[str, ...]) -> None:
    assert keys(row) == expected


@pytest.mark.parametrize(
    "domain",
    [
        *("gmail.com", "googlemail.com", "yahoo.fr", "yahoo.co.uk", "hotmail.com", "hotmail.de", "outlook.com.br"),
        *("live.fr", "msn.com", "icloud.com", "me.com", "aol.com", "gmx.at", "web.de", "proton.me", "protonmail.com"),
        *("orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr", "neuf.fr", "bbox.fr", "libero.it"),
        *("t-online.de", "mail.ru", "qq.com", "163.com", "facebook.com", "fr-fr.facebook.com", "linkedin.com"),
        *("fr.linkedin.com", "instagram.com", "twitter.com", "x.com", "youtube.com", "linktr.ee", "sites.google.com"),
        *("maps.google.fr", "google.com", "acme.wixsite.com", "acme.wordpress.com", "acme.blogspot.fr"),
        *("acme.github.io", "pagesjaunes.fr", "www.pagesjaunes.fr", "acme.myshopify.com", "acme.business.site"),
    ],
)
def test_mailboxes_and_shared_hosts_identify_nobody(domain: str) -> None:
    assert is_shared(domain)


@pytest.mark.parametrize(
    "domain", ["acme.fr", "live.acme.fr", "orange-bleue.fr", "xx.com", "myfree.fr", "yahoo.acme.io"]
)
def test_a_company_s_own_domain_identifies_it(domain: str) -> None:
    assert not is_shared(domain)


def test_long_keys_are_hashed_and_stay_apart() -> None:
    first, second = (keys(a_row(crm_id="\U0001f600" * 400 + end))[0] for end in "ab")

    assert first != second
    assert first.startswith("crm#")
    assert len(first.encode()) <= 500
    assert keys(a_row(crm_id="x" * 496))[0] == "crm:" + "x" * 496


def test_a_leadbay_id_means_that_lead_and_no_other() -> None:
    known = Known(LEAD, "other", None)

    (found,) = resolved(
        a_row(leadbay_id=LEAD, crm_id="A1"), known={"crm:A1": Known(OTHER, "A1", None)}, known_ids={LEAD: known}
    )

    assert (found.lead_id, found.is_new, found.new_keys) == (LEAD, False, ())


def test_an_unknown_leadbay_id_is_rejected_and_teaches_nothing() -> None:
    reject, after = resolve([a_row(leadbay_id=LEAD, crm_id="A1"), a_row(crm_id="A1")], {}, {}, new_ids())

    assert isinstance(reject, Reject)
    assert (reject.line, reject.code) == (2, "unknown_leadbay_id")
    assert isinstance(after, Resolved)
    assert after.is_new


def test_the_strongest_key_that_is_known_decides() -> None:
    known = {"crm:A1": Known(LEAD, "A1", None), "web:acme.fr": Known(OTHER, None, None)}

    (found,) = resolved(a_row(crm_id="A1", website="acme.fr"), known=known)

    assert (found.lead_id, found.is_new, found.new_keys) == (LEAD, False, ())


def test_several_rows_of_one_company_are_one_lead_and_only_the_first_brings_it() -> None:
    first, second, third = resolved(a_row(website="acme.fr"), a_row(website="acme.fr", crm_id="A1"), a_row(crm_id="A1"))

    assert first.lead_id == second.lead_id == third.lead_id
    assert [first.is_new, second.is_new, third.is_new] == [True, False, False]
    assert [first.new_keys, second.new_keys, third.new_keys] == [("web:acme.fr",), ("crm:A1",), ()]


def test_branches_of_a_chain_share_a_website_and_stay_apart() -> None:
    assert leads(
        a_row(crm_id="A1", website="chain.fr"),
        a_row(crm_id="A2", website="chain.fr"),
        a_row(crm_id="A2"),
    ) == [1, 2, 2]
    assert leads(
        a_row(siren="732829320", website="chain.fr"),
        a_row(siren="404833048", website="chain.fr"),
    ) == [1, 2]


def test_a_siren_never_joins_two_crm_ids() -> None:
    assert leads(a_row(crm_id="A1", siren="732829320"), a_row(crm_id="A2", siren="732829320")) == [1, 2]


def test_a_crm_id_joins_two_sirens_and_each_of_them_finds_the_lead() -> None:
    rows = [a_row(crm_id="A1", siren="732829320"), a_row(crm_id="A1", siren="404833048"), a_row(siren="404833048")]

    assert leads(*rows) == [1, 1, 1]


def test_a_weaker_key_is_tried_after_a_conflict() -> None:
    known = {"web:chain.fr": Known(OTHER, "A9", None), "name:acme|paris": Known(LEAD, None, None)}

    (found,) = resolved(a_row(crm_id="A1", website="chain.fr", city="Paris"), known=known)

    assert (found.lead_id, found.new_keys) == (LEAD, ("crm:A1",))


def test_what_a_row_teaches_holds_for_every_key_of_the_lead() -> None:
    known = {"web:acme.fr": Known(LEAD, None, None), "name:acme|paris": Known(LEAD, None, None)}

    assert leads(a_row(website="acme.fr", crm_id="A1"), a_row(city="Paris", crm_id="A2"), known=known) == [LEAD.int, 1]


def test_a_key_stays_with_its_owner() -> None:
    first, second, third = resolved(
        a_row(crm_id="A1", website="chain.fr"), a_row(crm_id="A2", website="chain.fr"), a_row("X", website="chain.fr")
    )

    assert second.new_keys == ("crm:A2",)
    assert third.lead_id == first.lead_id


def test_other_leads_that_a_row_names_are_told_and_never_merged() -> None:
    known = {
        "crm:A1": Known(LEAD, "A1", None),
        "siren:732829320": Known(OTHER, None, "732829320"),
        "web:acme.fr": Known(OTHER, None, "732829320"),
    }

    first, second = resolved(a_row(crm_id="A1", siren="732829320", website="acme.fr"), a_row(crm_id="A1"), known=known)

    assert (first.lead_id, first.new_keys, first.twins) == (LEAD, (), (OTHER,))
    assert second.twins == ()


def test_a_lead_that_something_stronger_sets_apart_is_no_twin() -> None:
    known = {"crm:A1": Known(LEAD, "A1", None), "web:chain.fr": Known(OTHER, "A2", None)}

    (found,) = resolved(a_row(crm_id="A1", website="chain.fr"), known=known)

    assert found.twins == ()


@pytest.mark.parametrize("name", ["Acme", "x" * 600])
def test_a_name_alone_makes_no_twin(name: str) -> None:
    (_, key) = keys(a_row(name, crm_id="A1", city="Paris"))
    known = {"crm:A1": Known(LEAD, "A1", None), key: Known(OTHER, None, None)}

    (found,) = resolved(a_row(name, crm_id="A1", city="Paris"), known=known)

    assert found.twins == ()


def test_a_leadbay_id_may_have_twins_too() -> None:
    known = {"web:acme.fr": Known(OTHER, None, None)}

    (found,) = resolved(
        a_row(leadbay_id=LEAD, website="acme.fr"), known=known, known_ids={LEAD: Known(LEAD, None, None)}
    )

    assert (found.lead_id, found.twins) == (LEAD, (OTHER,))


def test_a_rejected_id_keeps_the_cells_of_its_row() -> None:
    (reject,) = resolve([a_row(leadbay_id=LEAD, cells=("a", "b"))], {}, {}, new_ids())

    assert isinstance(reject, Reject)
    assert reject.cells == ("a", "b")


def test_names_need_a_place_to_join_rows_that_say_more() -> None:
    assert leads(a_row(city="Paris"), a_row(city="Lyon"), a_row(city="PARIS ")) == [1, 2, 1]
    assert leads(a_row(website="acme.fr"), a_row(website="acme.de")) == [1, 2]


def test_a_row_that_is_a_name_only_finds_its_lead_again() -> None:
    assert leads(a_row("Acme"), a_row("Beta"), a_row("ACME")) == [1, 2, 1]


SOME_ROWS = st.builds(
    a_row,
    name=st.sampled_from(["Acme", "Beta"]),
    crm_id=st.sampled_from([None, "A", "B", "C"]),
    siren=st.sampled_from([None, "732829320", "404833048"]),
    website=st.sampled_from([None, "chain.fr", "acme.fr", "facebook.com"]),
    city=st.sampled_from([None, "Paris", "Lyon"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(SOME_ROWS, max_size=12), st.lists(SOME_ROWS, max_size=12))
def test_rows_with_different_crm_ids_are_never_one_lead_in_one_batch_or_the_next(
    first: list[LeadRow], second: list[LeadRow]
) -> None:
    # Given a batch whose keys the database keeps
    before = resolved(*first)
    facts: dict[UUID, Known] = {}
    for outcome in before:
        old = facts.get(outcome.lead_id, Known(outcome.lead_id, None, None))
        facts[outcome.lead_id] = Known(
            outcome.lead_id, old.crm_id or outcome.row.crm_id, old.siren or outcome.row.siren
        )
    known = {key: facts[outcome.lead_id] for outcome in before for key in outcome.new_keys}
    numbers = count(500)

    # When the next batch comes
    found = resolve(second, known, {}, lambda: UUID(int=next(numbers)))
    after = [outcome for outcome in found if isinstance(outcome, Resolved)]

    # Then no lead has two CRM ids, and each key was given away once
    crm_ids: dict[UUID, set[str]] = {}
    given_keys = list(known)
    for outcome in [*before, *after]:
        if outcome.row.crm_id is not None:
            crm_ids.setdefault(outcome.lead_id, set()).add(outcome.row.crm_id)
    given_keys.extend(key for outcome in after for key in outcome.new_keys)
    assert all(len(ids) < 2 for ids in crm_ids.values())
    assert len(given_keys) == len(set(given_keys))


@settings(max_examples=100, deadline=None)
@given(st.lists(SOME_ROWS, max_size=15))
def test_the_same_rows_mean_the_same_leads_and_one_row_brings_each(rows: list[LeadRow]) -> None:
    found = resolved(*rows)

    assert found == resolved(*rows)
    assert sum(outcome.is_new for outcome in found) == len({outcome.lead_id for outcome in found})


def test_a_large_batch_that_fights_over_one_key_takes_linear_time() -> None:
    rows = [a_row(crm_id=str(number), website="chain.fr", city="Paris") for number in range(20_000)]

    began = time.perf_counter()
    assert len(set(leads(*rows))) == 20_000

    assert time.perf_counter() - began < 3
