"""What a column's cells look like is told in shares of the filled ones, from a bounded look."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.evidence import Evidence, look

UUID = "0190a1b2-0000-7000-8000-000000000001"
KINDS = [
    "email mailbox generic web shared_web linkedin_person linkedin_company siren phone postcode date uuid number flag",
    "street address legal_form",
]


def kinds(cell: str) -> set[str]:
    found = look([cell])
    return {kind for kind in " ".join(KINDS).split() if found.share(kind) == 1}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("jean.dupont@acme.example", {"email"}),
        (" Jean@Acme.example ", {"email"}),
        ("jean@gmail.com", {"email", "mailbox"}),
        ("jean@yahoo.co.uk", {"email", "mailbox"}),
        ("info@acme.example", {"email", "generic"}),
        ("contact+web@acme.example", {"email", "generic"}),
        ("accueil.paris@orange.fr", {"email", "generic", "mailbox"}),
        ("a@b@c", set()),
        ("@jean", set()),
        ("www.acme.example", {"web"}),
        ("https://acme.example:8080/fr?x=1", {"web"}),
        ("acme.example", {"web"}),
        ("facebook.com/acme", {"shared_web"}),
        ("https://www.linkedin.com/in/jean-dupont-1/", {"shared_web", "linkedin_person"}),
        ("fr.linkedin.com/in/jean", {"shared_web", "linkedin_person"}),
        ("linkedin.com/company/acme", {"shared_web", "linkedin_company"}),
        ("linkedin.com/feed", {"shared_web"}),
        ("S.A.R.L.", set()),
        ("732 829 320", {"siren", "number", "phone"}),
        ("73282932000074", {"siren", "number", "phone"}),
        ("732 829 321", {"number", "phone"}),
        ("01 99 00 12 34", {"phone"}),
        ("+33 (0)1.99.00.12.34", {"phone"}),
        ("020 7946 0123 ext. 12", {"phone"}),
        ("1234", {"number", "postcode"}),
        ("75009", {"number", "postcode"}),
        ("01000", {"postcode"}),
        ("F-75009", {"postcode"}),
        ("75009 CEDEX 09", {"postcode"}),
        ("EC2A 4NE", {"postcode"}),
        ("97205-1234", {"postcode", "phone"}),
        ("1012 AB", {"postcode", "legal_form"}),
        ("31/12/2026", {"date"}),
        ("31.12.26 08:30", {"date"}),
        ("2026-12-31", {"date"}),
        ("2026-12-31T08:30:00.000Z", {"date"}),
        ("12 mars 2026", {"date"}),
        ("Mar 12, 2026", {"date"}),
        ("99/99/2026", {"phone"}),
        (UUID, {"uuid"}),
        ("12", {"number"}),
        ("-1 234,50", {"number"}),
        ("1,234.5", set()),
        ("1 250,50 \u20ac", {"number"}),
        ("50%", {"number"}),
        ("10-49", set()),
        ("oui", {"flag"}),
        ("FALSE", {"flag"}),
        ("1", {"flag", "number"}),
        ("12 rue de la Paix", {"street"}),
        ("12, rue de la Paix, 75002 Paris", {"street", "address"}),
        ("14 Tabernacle Street, London EC2A 4NE", {"street", "address"}),
        ("Hauptstrasse 7", {"street"}),
        ("rue de la Paix", set()),
        ("Menuiserie Vasseur SARL", {"legal_form"}),
        ("Jean", set()),
        ("\u0663\u0664", set()),
        ("\u00b2", {"number"}),
    ],
)
def test_each_cell_counts_for_every_kind_that_it_could_be(cell: str, expected: set[str]) -> None:
    assert kinds(cell) == expected


def test_shares_are_of_filled_cells_and_placeholders_are_empty() -> None:
    found = look(["a@acme.example", "", "N/A", " ", "b@acme.example", "Jean Dupont", "Jean Dupont"])

    assert (found.read, found.filled, found.email, found.distinct, found.words) == (7, 4, 0.5, 0.75, 2.5)
    assert found.count("email") == 2
    assert found.told("email") == "2 of 4 cells are e-mail addresses"


@pytest.mark.parametrize("cells", [[], ["", "-", "n/a"]])
def test_nothing_filled_is_no_evidence(cells: list[str]) -> None:
    assert look(cells) == Evidence(read=len(cells))


def test_what_a_target_never_looks_like_is_named() -> None:
    found = look(["a@acme.example", "b@acme.example", "Paris", "31/12/2026"])

    assert found.foreign("LEAD_LOCATION_CITY") == ("email", 0.5)
    assert found.foreign("EMAIL") == ("", 0.0)


def test_at_most_two_hundred_filled_cells_are_looked_at() -> None:
    found = look([""] * 100 + ["12"] * 200 + ["a@acme.example"] * 500)

    assert (found.read, found.filled, found.number, found.email) == (300, 200, 1, 0)
    assert look(["12"] * 50, limit=20).filled == 20
    assert look([""] * 100_000).read == 2_000


@given(st.lists(st.text(max_size=30) | st.sampled_from(["a@b.fr", "www.a.fr", "12", "", "01/02/2026"]), max_size=30))
def test_shares_are_never_more_than_the_whole(cells: list[str]) -> None:
    found = look(cells)

    assert found.filled <= found.read == len(cells)
    assert all(0 <= found.share(kind) <= 1 for kind in [*" ".join(KINDS).split(), "distinct"])


@settings(max_examples=50)
@given(st.text(alphabet="1a .-/()@,+\u00e9x", min_size=1, max_size=8), st.integers(1, 200))
def test_no_text_is_slow(part: str, times: int) -> None:
    cells = [part * times + str(number) for number in range(50)]
    began = time.perf_counter()

    look(cells)

    assert time.perf_counter() - began < 0.5  # measured: under 0.01 s; the slack is for busy machines


def test_huge_cells_are_cut() -> None:
    cells = ["1" * 100_000, "a@" * 50_000, "http://" + "a." * 50_000, " " * 100_000 + "x"] * 50

    began = time.perf_counter()
    found = look(cells)

    assert time.perf_counter() - began < 0.5  # measured: under 0.01 s
    assert found.filled == 150
