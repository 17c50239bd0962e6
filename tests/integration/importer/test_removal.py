"""Of an organisation that was deleted nothing is left, however much there was, and nothing comes again."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from services.importer.removal import Removals
from shared.contracts import Deleted, OrganisationRemoved, Refused, RemovalRequested
from shared.metrics import Metrics
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import Desk, only

FILE = csv_of(
    [
        {"Company": f"Acme {n}", "Id": str(n), "Email": f"p{n}@acme.com", "Deal": f"D{n}", "Website": f"acme{n}.com"}
        for n in range(30)
    ]
    + [{"City": "a row without a name"}]
)


@pytest.fixture
def removals(imports: Imports, metrics: Metrics) -> Removals:
    """The importer's part, in slices of less than what there is."""
    return Removals(imports.service, imports.blobs, metrics, slice_rows=7)


@pytest.fixture
def other_id(imports: Imports) -> UUID:
    """Another organisation, with a file that was imported."""
    other_id = uuid4()
    imports.save_mapping(org_id=other_id)
    imports.imported(FILE, org_id=other_id)
    return other_id


@pytest.fixture
def full(imports: Imports, desk: Desk) -> Imports:
    """An organisation that has something of everything."""
    connector_id = desk.created()
    desk.ask("custom_field.saved", field_id="9", name="Size", kind="TEXT")
    desk.ask("sftp_connector.test", host="192.0.2.10", username="crm", password="x", path="/x.csv")
    imports.imported(FILE)
    desk.all(
        "insert into host_keys_seen (org_id, host, port, host_key) values (%(org)s, 'sftp.acme.com', 22, 'key')",
        org=desk.org_id,
    )
    assert desk.connector(connector_id)["sealed_password"]
    desk.taken()
    return imports


def tables_of(desk: Desk, org_id: UUID) -> dict[str, int]:
    """How many rows of the organisation each table holds."""
    names = desk.all(
        "select relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and attname = 'org_id'"
        " where relnamespace = 'public'::regnamespace and relkind = 'r'"
    )
    return {
        row["name"]: desk.value(f"select count(*) from {row['name']} where org_id = %(org)s", org=org_id)
        for row in names
    }


def blobs_of(imports: Imports, org_id: UUID) -> list[Path]:
    return [path for path in imports.folder.rglob("*") if path.is_file() and str(org_id) in str(path)]


def carried_out(desk: Desk, removals: Removals) -> OrganisationRemoved:
    """Every request that is owed, until the end is told."""
    for _ in range(100):
        owed = desk.taken()
        for told in owed:
            if isinstance(told, OrganisationRemoved):
                return told
        for job in owed:
            if isinstance(job, RemovalRequested):
                removals.on_removal(job)
    raise AssertionError("the removal does not end")


def test_everything_goes_and_others_keep_theirs(full: Imports, desk: Desk, removals: Removals, other_id: UUID) -> None:
    # Given something in every table
    before = tables_of(desk, desk.org_id)
    assert all(count for name, count in before.items() if name != "removals"), before
    others = tables_of(desk, other_id)
    kept = blobs_of(full, other_id)

    asked = desk.ask("organisation.deleted")
    told = carried_out(desk, removals)

    assert (told.organisation_id, told.in_reply_to, told.leads, told.blobs) == (desk.org_id, asked, 30, 3)
    assert {name: count for name, count in tables_of(desk, desk.org_id).items() if count} == {"removals": 1}
    assert blobs_of(full, desk.org_id) == []
    assert tables_of(desk, other_id) == others
    assert blobs_of(full, other_id) == kept


def test_logins_are_gone_and_runs_have_ended_at_once(full: Imports, desk: Desk) -> None:
    desk.ask("organisation.deleted")

    assert desk.value("select count(*) from connectors where sealed_password is not null and state <> 'deleted'") == 0
    assert desk.value("select count(*) from runs where stage <> 'done'") == 0
    assert [type(told) for told in desk.owed() if isinstance(told, RemovalRequested)] == [RemovalRequested]


def test_what_the_organisation_asks_afterwards_is_refused(full: Imports, desk: Desk, removals: Removals) -> None:
    desk.ask("organisation.deleted")
    carried_out(desk, removals)

    for event, data in (
        ("sftp_connector.create", {"host": "192.0.2.10", "username": "crm", "password": "x", "path": "/x.csv"}),
        ("import_mapping.saved", {"fields": {"a": "LEAD_NAME"}, "statuses": {}}),
        ("organisation.deleted", {}),
    ):
        asked = desk.ask(event, **data)
        refused = only(desk.taken(), Refused)
        assert (refused.in_reply_to, refused.code) == (asked, "organisation_deleted")
    assert {name for name, count in tables_of(desk, desk.org_id).items() if count} == {"removals"}


def test_only_an_admin_may(full: Imports, desk: Desk) -> None:
    desk.ask("organisation.deleted", role="MEMBER")

    assert only(desk.taken(), Refused).code == "admin_only"
    assert desk.value("select count(*) from removals") == 0


def test_an_import_in_hand_writes_nothing_more(full: Imports, desk: Desk, removals: Removals) -> None:
    request = full.request(csv_of([{"Company": "Late"}, {"City": "a row without a name"}]))
    with full.stopped_before_merging(request):
        desk.ask("organisation.deleted")
        carried_out(desk, removals)

    assert {name for name, count in tables_of(desk, desk.org_id).items() if count} == {"removals"}
    assert blobs_of(full, desk.org_id) == []


def test_a_file_that_a_fetcher_brings_afterwards_is_dropped(full: Imports, desk: Desk, removals: Removals) -> None:
    request = full.request(csv_of([{"Company": "Late"}]))
    desk.ask("organisation.deleted")
    carried_out(desk, removals)
    full.blobs.keep(full.blobs.stage([b"late"]), request.blob)

    full.handler.on_import(request)

    assert blobs_of(full, desk.org_id) == []


def test_a_request_that_was_lost_is_sent_again_and_a_repeated_one_changes_nothing(
    full: Imports, desk: Desk, removals: Removals
) -> None:
    desk.ask("organisation.deleted")
    request = only(desk.taken(), RemovalRequested)
    desk.sweep.step()
    assert desk.taken() == []

    desk.all("update removals set lease_until = now() - interval '1 second'")
    desk.sweep.step()
    assert only(desk.taken(), RemovalRequested) == request

    removals.on_removal(request)
    carried_out(desk, removals)
    removals.on_removal(request)
    assert desk.taken() == []
    desk.all("update removals set lease_until = now() - interval '1 second'")
    desk.sweep.step()
    assert desk.taken() == []


def test_deleting_a_connector_is_no_end_of_its_organisation(full: Imports, desk: Desk) -> None:
    leads = desk.value("select count(*) from leads")
    connector_id = desk.value("select id from connectors where state = 'active' order by created_at limit 1")

    desk.ask("sftp_connector.delete", connector_id=str(connector_id))

    assert only(desk.taken(), Deleted).connector_id == connector_id
    assert desk.value("select count(*) from leads") == leads
