"""Each value function says what a text means, and nothing where it means nothing."""

import time
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum.fr import siren as stdnum_siren
from stdnum.fr import siret as stdnum_siret

from services.importer.core import formulas, normalise
from shared.mapping import status_key

ANY_TEXT = st.text(max_size=40)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (" Acme \u00a0", "Acme"),
        ("\ufeffAcme\u200b ", "Acme"),
        ("\u200b \u00a0\u2060", None),
        ("0", "0"),
        ("007", "007"),
        ("1E5", "1E5"),
        ("Nan", "Nan"),
        ("Nil", "Nil"),
        ("NA", "NA"),
        ("- Acme", "- Acme"),
        *(
            (empty, None)
            for empty in ("", " ", "N/A", "n/a", "#N/A", "-", "--", " - ", "\u2014", "null", "NULL", "Null")
        ),
        *((empty, None) for empty in ("none", "None", "NONE", "nan", "NaN", "nil", "#REF!", "#DIV/0!", "(null)")),
    ],
)
def test_text_is_stripped_and_placeholders_are_empty(cell: str, value: str | None) -> None:
    assert normalise.text(cell) == value


def test_names_are_compared_without_case_width_and_repeated_spaces() -> None:
    assert normalise.name_key("  ACME \u00a0 Soci\u00e9t\u00e9 ") == normalise.name_key("acme Socie\u0301te\u0301")
    assert normalise.name_key("\uff21cme") == "acme"
    assert normalise.name_key("Stra\u00dfe") == normalise.name_key("STRASSE")
    assert normalise.name_key("Soci\u00e9t\u00e9") != normalise.name_key("Societe")


@settings(max_examples=100, deadline=None)
@given(ANY_TEXT)
def test_folding_twice_changes_nothing(value: str) -> None:
    for fold in (status_key, normalise.place_key, normalise.postcode_key):
        assert fold(fold(value)) == fold(value)


def test_statuses_and_places_are_compared_without_accents() -> None:
    assert status_key(" GAGN\u00c9 \u00a0 ! ") == status_key("gagne !")
    assert normalise.place_key("Saint-\u00c9tienne (Loire)") == "saint etienne loire"
    assert normalise.place_key("???") == ""
    assert normalise.postcode_key(" 01 000 ") == "01000"
    assert normalise.postcode_key("SW1A 1AA") == "sw1a1aa"


@pytest.mark.parametrize(
    ("website", "host"),
    [
        ("acme.fr", "acme.fr"),
        ("HTTPS://www.Acme.FR:8443/contact?x=1#y", "acme.fr"),
        ("//acme.fr/", "acme.fr"),
        ("http://acme.fr.", "acme.fr"),
        ("shop.acme.fr", "shop.acme.fr"),
        ("www.fr", "www.fr"),
        ("acme.fr:", "acme.fr"),
        ("acme.fr\\x", "acme.fr"),
        ("http://xn--socit-esab.fr", "soci\u00e9t\u00e9.fr"),
        ("SOCI\u00c9T\u00c9.fr", "soci\u00e9t\u00e9.fr"),
        ("socie\u0301te\u0301.fr", "soci\u00e9t\u00e9.fr"),
        ("\uff21\uff23\uff2d\uff25.fr", "acme.fr"),
        ("acme\u3002jp", "acme.jp"),
        (
            "http://\u092d\u093e\u0930\u0924.\u092d\u093e\u0930\u0924",
            "\u092d\u093e\u0930\u0924.\u092d\u093e\u0930\u0924",
        ),
        *(
            (junk, None)
            for junk in (
                *("javascript:alert(1)", "data:text/html,x", "ftp://acme.fr", "mailto:a@acme.fr", "a@acme.fr"),
                *("our website", "acme .fr", "acme", "localhost", "http://", "", ".", "..", "acme..fr", ".acme.fr"),
                *("192.168.0.1", "http://127.0.0.1/x", "[::1]", "http://[2001:db8::1]/", "0x7f.1", "2130706433"),
                *("\uff11\uff12\uff17.0.0.1", "-acme.fr", "acme-.fr", "S.A", "user:pass@acme.fr", "acme.fr:http"),
                *("xn--acme-.fr", "xn--\u00e9.fr", "xn--99999999.fr", "acme.fr%00", "acme.fr\n.com", "a\u2100b.fr"),
                *("x" * 64 + ".fr", "x." * 127 + "fr", "\u0301acme.\u00e9", "acme.\u0661\u0662", "ac_me.fr"),
            )
        ),
    ],
)
def test_a_website_is_its_host_or_nothing(website: str, host: str | None) -> None:
    assert normalise.host(website) == host


@settings(max_examples=200, deadline=None)
@given(st.text("aZ.-:/@w\u00e9\u0301\u3002 xn1\u00df", max_size=20) | ANY_TEXT)
def test_a_host_is_its_own_host(website: str) -> None:
    host = normalise.host(website)

    assert host is None or host.startswith("www.") or normalise.host(host) in (host, host.removeprefix("www."))


@pytest.mark.parametrize(
    ("address", "value"),
    [
        (" Jean.Dupont+x@Acme.FR ", "jean.dupont+x@acme.fr"),
        ("o'neil@acme.co.uk", "o'neil@acme.co.uk"),
        ("x@soci\u00e9t\u00e9.fr", "x@soci\u00e9t\u00e9.fr"),
        *(
            (junk, None)
            for junk in (
                *("", "jean", "@acme.fr", "jean@", "jean@acme", "a b@acme.fr", "a@b@acme.fr", "a@127.0.0.1"),
                *("a@acme.fr, b@acme.fr", "Jean <jean@acme.fr>", "a\u200bb@acme.fr", "a@acme.fr.", "mailto:a@acme.fr"),
                *("x" * 65 + "@acme.fr", "x@" + "y." * 130 + "fr", "a\x00@acme.fr", "a@-acme.fr"),
            )
        ),
    ],
)
def test_an_email_is_one_address_in_lower_case_or_nothing(address: str, value: str | None) -> None:
    assert normalise.email(address) == value


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("732829320", "732829320"),
        ("732 829 320", "732829320"),
        ("732.829.320", "732829320"),
        ("73282932000074", "732829320"),
        ("732 829 320 00074", "732829320"),
        ("356000000", "356000000"),
        ("35600000049837", "356000000"),
        *(
            (junk, None)
            for junk in (
                *("732829321", "73282932000075", "000000000", "00000000000000", "7,33E+08", "732829320.0", "73282932"),
                *("FR12732829320", "", "\u0667\u0663\u0662\u0668\u0662\u0669\u0663\u0662\u0660", "\u00b2" * 9, "abc"),
            )
        ),
    ],
)
def test_a_siren_has_nine_digits_that_check(number: str, value: str | None) -> None:
    assert normalise.siren(number) == value


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 10**14 - 1).map(lambda n: f"{n:014d}") | st.integers(0, 99999).map(lambda n: f"356000000{n:05d}"))
def test_check_digits_agree_with_python_stdnum(digits: str) -> None:
    assert bool(normalise.siren(digits)) == (stdnum_siret.is_valid(digits) and digits[:9] != "0" * 9)
    assert bool(normalise.siren(digits[:9])) == (stdnum_siren.is_valid(digits[:9]) and digits[:9] != "0" * 9)


@pytest.mark.parametrize(
    ("phone", "key"),
    [
        ("+33 (0)1 23.45-67", "+331234567"),
        ("0033 1 23 45 67 89", "+33123456789"),
        ("01 23 45 67 89", "0123456789"),
        ("  +1 555", "+1555"),
        ("0012345", "0012345"),
        ("(+33) 1", "331"),
        ("+", None),
        ("call me", None),
        ("\u0661\u0662", None),
    ],
)
def test_phones_are_compared_by_their_digits_and_country(phone: str, key: str | None) -> None:
    assert normalise.phone_key(phone) == key


@pytest.mark.parametrize("cell", ["=1+1", "+33 1 23", "-5", "@acme", " =1+1"])
def test_the_apostrophe_that_a_file_for_people_has_before_a_formula_is_taken_off_again(cell: str) -> None:
    assert normalise.text(formulas.neutralised(cell)) == normalise.text(cell)


def test_an_apostrophe_before_a_word_stays() -> None:
    assert normalise.text("'t Hoekje") == "'t Hoekje"


def test_a_lead_id_is_a_uuid_in_its_usual_spelling() -> None:
    usual = "0190A1B2-0000-7000-8000-000000000001"

    assert normalise.lead_id(usual) == UUID(usual)
    for other in (usual.replace("-", ""), f"{{{usual}}}", f"urn:uuid:{usual}", usual + "0", "", "\uff11" + usual[1:]):
        assert normalise.lead_id(other) is None


@pytest.mark.parametrize("function", [normalise.host, normalise.email, normalise.phone_key, normalise.siren])
@pytest.mark.parametrize("unit", ["a-", "a.", ".", "@", "xn--a.", "\u00e9.", "://", "0", "a" * 63 + "."])
def test_hostile_texts_are_bounded_in_time(function: Callable[[str], str | None], unit: str) -> None:
    began = time.perf_counter()
    function(unit * (2_000 // len(unit)))

    assert time.perf_counter() - began < 0.1
