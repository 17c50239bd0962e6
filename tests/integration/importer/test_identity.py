"""Which lead a row means, over several files: keys that arrive later, chains, shared hosts, and twins."""

import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import SyncSucceeded
from shared.database import Db
from tests.integration.importer.builders import FIELDS, Imports, counts, counts_of, csv_of
from tests.integration.scheduler.builders import only

COLUMNS = FIELDS | {
    "Siren": "SIREN",
    "Company mail": "EMAIL",
    "Postcode": "LEAD_LOCATION_POSTCODE",
    "Leadbay": "LEADBAY_ID",
}
SIRENS = ("732829320", "552100554", "443061841")


@pytest.fixture
def firms(connections: ConnectionPool[Db], imports: Imports) -> Imports:
    """An organisation that maps every key."""
    made = Imports(connections, imports.folder)
    made.save_mapping(COLUMNS)
    return made


def bring(firms: Imports, *rows: dict[str, str]) -> dict[str, int]:
    """Import a file of these rows; the counts."""
    return counts_of(firms.imported(csv_of(rows, tuple(COLUMNS))))


def test_keys_that_arrive_later_are_those_of_the_lead_that_was_found_without_them(firms: Imports) -> None:
    # Given a company known by its name and postcode alone
    assert bring(firms, {"Company": "Acme", "Postcode": "69001"}) == counts(1, created=1)
    lead_id = firms.lead("Acme")["id"]
    # When files bring a website, then an id beside it, then a SIREN beside that, each without what found it before
    assert bring(firms, {"Company": "ACME", "Postcode": "69 001", "Website": "acme.com"}) == counts(1, updated=1)
    assert bring(firms, {"Company": "Acme SA", "Website": "http://acme.com/fr", "Id": "A-1"}) == counts(1, updated=1)
    assert bring(firms, {"Company": "Acme Group", "Id": "A-1", "Siren": "732 829 320"}) == counts(1, updated=1)
    # Then the last one finds the same lead by that alone
    assert bring(firms, {"Company": "Acme", "Siren": "73282932000074"}) == counts(1, updated=1)
    lead = firms.one("select * from leads")
    assert (lead["id"], lead["website"], lead["crm_id"], lead["siren"]) == (lead_id, "acme.com", "A-1", "732829320")
    assert firms.value("select count(*) from lead_keys") == 4


@pytest.mark.parametrize("key", ["Id", "Siren"])
def test_shops_of_a_chain_share_a_website_and_stay_apart(firms: Imports, key: str) -> None:
    shops = [
        {"Company": f"Chain {place}", "Website": "chain.com", "City": place, key: number}
        for place, number in zip(("Lyon", "Paris", "Nice"), SIRENS, strict=True)
    ]
    assert bring(firms, *shops) == counts(3, created=3)
    # When they come again in another order, then each is itself
    assert bring(firms, *shops[::-1]) == counts(3, unchanged=3)
    assert firms.names() == ["Chain Lyon", "Chain Nice", "Chain Paris"]


def test_mailboxes_and_shared_hosts_are_nobody_s_website(firms: Imports) -> None:
    rows = [
        {"Company": "Acme", "City": "Lyon", "Company mail": "acme@gmail.com"},
        {"Company": "Bolt", "City": "Lyon", "Company mail": "bolt@gmail.com"},
        {"Company": "Core", "City": "Lyon", "Website": "https://www.facebook.com/core"},
        {"Company": "Dune", "City": "Lyon", "Website": "facebook.com/dune"},
        {"Company": "Echo", "City": "Lyon", "Website": "https://sites.google.com/echo"},
    ]
    assert bring(firms, *rows) == counts(5, created=5)
    assert firms.value("select count(*) from lead_keys where key like 'web:%%'") == 0
    assert bring(firms, *rows) == counts(5, unchanged=5)


def test_the_domain_of_a_company_s_own_address_stands_in_for_its_website(firms: Imports) -> None:
    bring(firms, {"Company": "Acme", "City": "Lyon", "Company mail": "hello@acme.com"})
    assert bring(firms, {"Company": "Acme SA", "City": "Nice", "Website": "www.acme.com"}) == counts(1, updated=1)
    assert firms.names() == ["Acme SA"]


def test_a_name_alone_is_no_reason_to_take_two_companies_for_one(firms: Imports) -> None:
    rows = [{"Company": "Boulangerie Martin", "City": city} for city in ("Lyon", "Nice")]
    assert bring(firms, *rows) == counts(2, created=2)
    # But a row that says nothing else finds the lead that it made
    assert bring(firms, {"Company": "Boulangerie Martin"}) == counts(1, created=1)
    assert bring(firms, {"Company": "boulangerie  martin"}) == counts(1, updated=1)


class TestTwins:
    def twins(self, firms: Imports) -> SyncSucceeded:
        """Two leads, one known by its id, one by its website, and a row that names both."""
        bring(firms, {"Company": "Acme", "Id": "A-1"}, {"Company": "Acme Web", "Website": "acme.com", "City": "Lyon"})
        return firms.told_of(csv_of([{"Company": "Acme", "Id": "A-1", "Website": "acme.com"}], tuple(COLUMNS)))

    def test_two_leads_that_turn_out_to_be_one_are_told_and_not_merged(self, firms: Imports) -> None:
        told = self.twins(firms)
        # Then the stronger key decides whom the row means
        assert (told.rows.updated, firms.names()) == (1, ["Acme", "Acme Web"])
        # And the admin is told which lead it may be as well
        (warning,) = told.warnings
        assert (warning.line, warning.record, warning.code) == (2, 1, "two_leads")
        assert str(firms.lead("Acme Web")["id"]) in warning.reason
        # And the other lead keeps its key, so nothing moves
        owner = firms.value("select lead_id from lead_keys where key = 'web:acme.com'")
        assert owner == firms.lead("Acme Web")["id"]

    def test_it_is_told_again_until_they_are_merged_and_never_changes_more(self, firms: Imports) -> None:
        self.twins(firms)
        told = firms.told_of(csv_of([{"Company": "Acme", "Id": "A-1", "Website": "acme.com"}], tuple(COLUMNS)))
        assert (told.rows.unchanged, [warning.code for warning in told.warnings]) == (1, ["two_leads"])

    def test_companies_that_cannot_be_one_are_no_twins(self, firms: Imports) -> None:
        bring(
            firms, {"Company": "Acme Lyon", "Id": "A-1", "Website": "acme.com"}, {"Company": "Acme Nice", "Id": "A-2"}
        )
        told = firms.told_of(csv_of([{"Company": "Acme Nice", "Id": "A-2", "Website": "acme.com"}], tuple(COLUMNS)))
        assert told.warning_count == 0


def test_a_leadbay_id_that_is_none_rejects_its_row(firms: Imports) -> None:
    run = bring(firms, {"Company": "Acme", "Leadbay": "A-1"}, {"Company": "Bolt", "Leadbay": "n/a", "Id": "B"})
    assert run == counts(2, created=1, rejected=1)
    (reject,) = only(firms.owed(), SyncSucceeded).rejects
    assert (reject.column, reject.code, reject.value) == ("Leadbay", "bad_leadbay_id", "x-9")
    assert firms.names() == ["Bolt"]
