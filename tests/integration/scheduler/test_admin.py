"""What an admin asks for is done once, whole, for the own organisation only, and answered with events."""

import functools
import itertools
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.scheduler.core.planning import Connector
from services.scheduler.rows import connector_of
from shared.contracts import (
    UI_EVENTS,
    AboutConnector,
    CloudEvent,
    ConnectionTested,
    ConnectionTestRequested,
    ConnectorTold,
    Created,
    Deleted,
    Endpoint,
    FetchReported,
    FetchRequested,
    MappingSaved,
    Paused,
    Refused,
    Resumed,
    SyncCancelled,
    SyncQueued,
    Told,
    Updated,
)
from shared.errors import BadMessage, SecretUnreadable
from shared.sealing import Place
from tests.integration.scheduler.builders import (
    CANARY,
    FORM,
    HOST,
    HOST_KEY,
    OTHER_HOST,
    OTHER_KEY,
    PASSWORD,
    Desk,
    at_once,
    kinds,
    only,
)

# A valid event of each type; the id of a connector is added where one is needed.
VALID: dict[str, dict[str, Any]] = {
    "sftp_connector.test": dict(FORM),
    "sftp_connector.create": dict(FORM),
    "sftp_connector.update": {"name": "Leads", "path": "/other.csv", "password": PASSWORD},
    "sftp_connector.delete": {},
    "sftp_connector.sync_now": {},
    "sftp_connector.pause": {},
    "sftp_connector.resume": {},
    "sftp_connector.accept_host_key": {"host_key": OTHER_KEY},
    "import_mapping.saved": {"fields": {"Company": "LEAD_NAME"}, "statuses": {"won": "WON"}},
    "custom_field.saved": {"field_id": "7", "name": "Tier", "kind": "TEXT"},
    "custom_field.deleted": {"field_id": "7"},
    "organisation.deleted": {},
}
ABOUT_CONNECTORS = [
    *(name for name, asked in UI_EVENTS.items() if issubclass(asked, AboutConnector)),
    "sftp_connector.test",
]
UNTOUCHED = ("inbox", "outbox")
WRONG: list[tuple[str, object]] = [
    ("host", ""),
    ("host", f"{CANARY} with spaces"),
    ("host", f"sftp://{CANARY}"),
    ("host", "a" * 254),
    ("host", None),
    ("port", 0),
    ("port", 65536),
    ("port", CANARY),
    ("username", ""),
    ("username", f"{CANARY}\n"),
    ("password", ""),
    ("password", CANARY * 100),
    ("password", [CANARY]),
    ("path", f"{CANARY}.csv"),
    ("path", f"/{CANARY}/"),
    ("path", f"/{CANARY}\x00.csv"),
    ("name", CANARY * 10),
    ("interval_seconds", 0),
    ("interval_seconds", 59),
    ("interval_seconds", 604_801),
]


def valid(event_type: str, connector_id: UUID) -> dict[str, Any]:
    about = {"connector_id": str(connector_id)} if event_type in ABOUT_CONNECTORS else {}
    return VALID[event_type] | about


def refusal(desk: Desk, code: str) -> Refused:
    """The only thing that is owed."""
    (refused,) = desk.taken()
    assert isinstance(refused, Refused)
    assert refused.code == code
    return refused


def stored(desk: Desk, connector_id: UUID) -> Connector:
    return connector_of(desk.connector(connector_id))


def opened(desk: Desk, connector_id: UUID) -> str:
    """The connector's password, as a fetcher opens it."""
    return opened_at(desk, connector_id, stored(desk, connector_id).endpoint)


def opened_at(desk: Desk, subject_id: UUID, endpoint: Endpoint) -> str:
    place = Place(desk.org_id, subject_id, endpoint.host, endpoint.port, endpoint.username)
    return desk.opener.open(endpoint.sealed_password, place)


def handled(desk: Desk, event: CloudEvent, _number: int) -> None:
    desk.admin.handle(event)


def test_every_event_of_the_ui_is_covered() -> None:
    assert set(VALID) == set(UI_EVENTS)


class TestCreate:
    def test_a_form_becomes_a_connector_and_a_first_sync_at_once(self, desk: Desk) -> None:
        # When the admin connects
        event_id = desk.ask("sftp_connector.create", **FORM, name="Leads")
        # Then the connector is told, its first run is queued, and the job for a fetcher is owed, in that order
        created, queued, job = desk.owed()
        assert isinstance(created, Created)
        assert isinstance(queued, SyncQueued)
        assert isinstance(job, FetchRequested)
        row = desk.connector(created.connector.id)
        assert (row["org_id"], row["name"], row["host"], row["port"]) == (desk.org_id, "Leads", HOST, 22)
        assert {created.in_reply_to, queued.in_reply_to, desk.run(job.run_id)["reply_to"]} == {event_id}
        assert (queued.trigger, queued.already_running, queued.run_id) == ("first", False, job.run_id)
        assert desk.open_runs(row["id"]) == [job.run_id]
        # And the job carries all that a fetcher needs
        assert (job.known, job.endpoint.path, job.endpoint.host_keys) == (None, "/exports/leads.csv", ())
        assert opened_at(desk, job.connector_id, job.endpoint) == PASSWORD

    def test_the_password_stands_nowhere_in_the_database(self, desk: Desk) -> None:
        # Given a connector, a test, a changed password, and a form that was refused
        desk.ask("sftp_connector.create", **FORM)
        connector_id = desk.value("select id from connectors")
        desk.ask("sftp_connector.test", **FORM)
        desk.ask("sftp_connector.update", connector_id=str(connector_id), password=PASSWORD + "2")
        desk.ask("sftp_connector.create", **(FORM | {"host": ""}))
        # Then no table holds it in plain words
        dump = desk.dump()
        assert all(dump[table] for table in ("connectors", "runs", "outbox", "inbox", "connection_tests"))
        assert CANARY not in json.dumps(dump)
        assert opened(desk, connector_id) == PASSWORD + "2"

    def test_a_form_may_name_another_port_and_interval(self, desk: Desk) -> None:
        connector_id = desk.created(port=2222, interval_seconds=60)
        row = desk.connector(connector_id)
        assert (row["port"], row["interval_seconds"]) == (2222, 60)

    def test_a_wrong_field_is_named_and_its_value_is_not_repeated(self, desk: Desk) -> None:
        before = desk.dump(without=UNTOUCHED)
        for field, value in WRONG:
            # When the form comes with a wrong field
            desk.ask("sftp_connector.create", **(FORM | {field: value}))
            # Then the refusal names it, says what is wrong, and repeats nothing of the form
            assert CANARY not in json.dumps(desk.dump()), (field, value)
            refused = refusal(desk, "invalid_fields")
            assert [(error.field, value) for error in refused.errors] == [(field, value)]
            assert refused.errors[0].message
        assert desk.dump(without=UNTOUCHED) == before

    def test_all_wrong_fields_are_listed_together(self, desk: Desk) -> None:
        desk.ask("sftp_connector.create", host="a b", port=0, path="x", password="", interval_seconds=0)
        refused = refusal(desk, "invalid_fields")
        wrong = {"host", "port", "path", "password", "interval_seconds", "username"}
        assert {error.field for error in refused.errors} == wrong

    def test_the_host_key_of_the_last_test_is_pinned(self, desk: Desk) -> None:
        # Given tests of this server, of another port, and of another organisation
        for port, key, org_id in (
            (22, OTHER_KEY, desk.org_id),
            (22, HOST_KEY, desk.org_id),
            (2222, OTHER_KEY, desk.org_id),
            (22, OTHER_KEY, uuid4()),
        ):
            desk.ask("sftp_connector.test", **(FORM | {"port": port, "organisation_id": str(org_id)}))
            test_id = only(desk.taken(), ConnectionTestRequested).test_id
            desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=True, steps=(), host_key=key))
        # When the form is sent, then the connector accepts the key of its own last test, and no other
        assert desk.connector(desk.created())["host_keys"] == [HOST_KEY]


class TestWhoMayAsk:
    def test_only_admins_change_anything(self, desk: Desk) -> None:
        connector_id = desk.created()
        before = desk.dump(without=UNTOUCHED)
        for event_type, role in itertools.product(UI_EVENTS, ("MEMBER", "admin", "")):
            # When somebody else asks
            event_id = desk.ask(event_type, **valid(event_type, connector_id), role=role)
            # Then it is refused, and nothing changed
            refused = refusal(desk, "admin_only")
            assert (refused.organisation_id, refused.in_reply_to) == (desk.org_id, event_id)
            assert desk.dump(without=UNTOUCHED) == before, (event_type, role)

    def test_another_organisations_connector_does_not_exist(self, desk: Desk) -> None:
        connector_id = desk.created()
        before = desk.dump(without=UNTOUCHED)
        stranger = uuid4()
        for event_type in ABOUT_CONNECTORS:
            # When an admin of another organisation names the connector
            desk.ask(event_type, **(valid(event_type, connector_id) | {"organisation_id": str(stranger)}))
            # Then that organisation is told that it has none, and nothing changed
            refused = refusal(desk, "connector_not_found")
            assert (refused.organisation_id, refused.connector_id) == (stranger, connector_id)
            assert desk.dump(without=UNTOUCHED) == before, event_type

    def test_a_connector_id_that_is_none_is_a_wrong_field(self, desk: Desk) -> None:
        for event_type in ABOUT_CONNECTORS:
            desk.ask(event_type, **(VALID[event_type] | {"connector_id": CANARY}))
            refused = refusal(desk, "invalid_fields")
            assert ([error.field for error in refused.errors], refused.connector_id) == (["connector_id"], None)

    def test_an_event_of_nobody_is_no_message_and_is_not_remembered(self, desk: Desk) -> None:
        connector_id = desk.created()
        before = desk.dump()
        for event_type, missing in itertools.product(UI_EVENTS, ("organisation_id", "user_id", "role")):
            # When an event does not say for whom, or by whom, it is
            event = desk.event(event_type, **valid(event_type, connector_id))
            del event.data[missing]
            with pytest.raises(BadMessage) as told:
                desk.admin.handle(event)
            # Then nothing is kept of it, nor told of what it held
            assert desk.dump() == before, (event_type, missing)
            assert CANARY not in str(told.value)

    def test_an_unknown_type_is_no_message_and_is_not_remembered(self, desk: Desk) -> None:
        before = desk.dump()
        with pytest.raises(BadMessage):
            desk.ask("sftp_connector.explode", **FORM)
        assert desk.dump() == before


class TestRepeats:
    def test_an_event_has_one_effect_however_often_it_comes(self, desk: Desk) -> None:
        for event_type in UI_EVENTS:
            event = desk.event(event_type, **valid(event_type, desk.created()))
            # When it comes twice
            desk.admin.handle(event)
            after_one = desk.dump()
            desk.admin.handle(event)
            # Then the second changed nothing at all
            assert desk.owed(), event_type
            assert desk.dump() == after_one, event_type

    def test_an_event_has_one_effect_also_when_eight_threads_have_it(self, desk: Desk) -> None:
        for event_type in UI_EVENTS:
            # Given what such an event leads to when it comes once
            desk.org_id = uuid4()
            desk.ask(event_type, **valid(event_type, desk.insert_connector()))
            once = kinds(desk.taken())
            # When another of its kind is handled by eight threads at once
            desk.org_id = uuid4()
            event = desk.event(event_type, **valid(event_type, desk.insert_connector()))
            at_once(8, functools.partial(handled, desk, event))
            # Then it led to the same, once
            assert (event_type, kinds(desk.taken())) == (event_type, once)
            assert desk.value("select count(*) from inbox where event_id = %(id)s", id=event.id) == 1

    def test_the_same_id_from_another_source_is_another_event(self, desk: Desk) -> None:
        first = desk.event("sftp_connector.create", **FORM)
        desk.admin.handle(first)
        desk.admin.handle(CloudEvent.model_validate(first.model_dump() | {"source": "leadbay/other-ui"}))
        assert desk.value("select count(*) from connectors") == 2

    def test_a_refused_event_stays_refused(self, desk: Desk) -> None:
        connector_id = desk.created()
        event = desk.event("sftp_connector.update", connector_id=str(connector_id), host=OTHER_HOST)
        desk.admin.handle(event)
        refusal(desk, "password_required")
        desk.admin.handle(event)
        assert desk.owed() == []


class TestUpdate:
    def test_another_name_keeps_the_password_the_host_keys_and_the_file(self, desk: Desk) -> None:
        connector_id = desk.created()
        desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=HOST_KEY)
        desk.give_file(connector_id)
        desk.taken()
        run, before = desk.open_runs(connector_id), stored(desk, connector_id)
        # When only the name changes
        desk.ask("sftp_connector.update", connector_id=str(connector_id), name="Leads")
        # Then all else is as it was, the open run goes on, and the UI is told
        after = stored(desk, connector_id)
        assert (after.name, after.endpoint, after.file) == ("Leads", before.endpoint, before.file)
        assert desk.open_runs(connector_id) == run
        updated, queued = desk.taken()
        assert isinstance(updated, Updated)
        assert (updated.connector.name, updated.connector.host_keys) == ("Leads", (HOST_KEY,))
        assert isinstance(queued, SyncQueued)
        assert (queued.already_running, [queued.run_id]) == (True, run)

    @pytest.mark.parametrize("change", [{"host": OTHER_HOST}, {"port": 2222}, {"username": "other"}], ids=str)
    def test_another_server_or_user_needs_the_password_again(self, desk: Desk, change: dict[str, Any]) -> None:
        connector_id = desk.created()
        desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=HOST_KEY)
        desk.give_file(connector_id)
        desk.taken()
        before = desk.dump(without=UNTOUCHED)
        # When the change comes without the password, then it is refused
        desk.ask("sftp_connector.update", connector_id=str(connector_id), **change)
        refused = refusal(desk, "password_required")
        assert [error.field for error in refused.errors] == ["password"]
        assert desk.dump(without=UNTOUCHED) == before
        # When it comes with the password, then that is sealed for the new place
        desk.ask("sftp_connector.update", connector_id=str(connector_id), **change, password="new")
        assert opened(desk, connector_id) == "new"
        # And another server starts without accepted keys and without a known file; another user does not
        row = desk.connector(connector_id)
        same_server = "username" in change
        assert row["host_keys"] == ([HOST_KEY] if same_server else [])
        assert (row["file_checksum"] is not None) is same_server

    def test_a_server_that_moves_to_a_tested_place_keeps_the_key_of_that_test(self, desk: Desk) -> None:
        connector_id = desk.created()
        desk.ask("sftp_connector.test", **(FORM | {"host": OTHER_HOST}))
        test_id = only(desk.taken(), ConnectionTestRequested).test_id
        desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=True, steps=(), host_key=OTHER_KEY))
        desk.ask("sftp_connector.update", connector_id=str(connector_id), host=OTHER_HOST, password="new")
        assert desk.connector(connector_id)["host_keys"] == [OTHER_KEY]

    def test_another_path_forgets_the_file_version(self, desk: Desk) -> None:
        connector_id = desk.created()
        desk.give_file(connector_id)
        # When the path changes, for which no password is needed
        desk.ask("sftp_connector.update", connector_id=str(connector_id), path="/other.csv")
        # Then the new run looks at the file with fresh eyes
        job = only(desk.taken(), FetchRequested)
        assert (job.known, job.full_check, job.endpoint.path) == (None, True, "/other.csv")
        assert stored(desk, connector_id).file is None

    def test_another_password_cancels_the_open_run_and_queues_one_that_uses_it(self, desk: Desk) -> None:
        connector_id = desk.created()
        (old_run,) = desk.open_runs(connector_id)
        # When the password changes
        desk.ask("sftp_connector.update", connector_id=str(connector_id), password="new")
        # Then the run that was started with the old one is over, and another took its place
        job = only(desk.taken(), FetchRequested)
        assert (desk.run(old_run)["outcome"], desk.open_runs(connector_id)) == ("cancelled", [job.run_id])
        assert opened_at(desk, connector_id, job.endpoint) == "new"
        # And the old run's answer changes nothing
        before = desk.dump()
        desk.handler.on_report(FetchReported(run_id=old_run, verdict="failed", code="login_refused"))
        assert desk.dump() == before

    def test_a_wrong_field_changes_nothing(self, desk: Desk) -> None:
        connector_id = desk.created()
        before = desk.dump(without=UNTOUCHED)
        desk.ask("sftp_connector.update", connector_id=str(connector_id), name="Good", path="bad", port=0)
        assert {error.field for error in refusal(desk, "invalid_fields").errors} == {"path", "port"}
        assert desk.dump(without=UNTOUCHED) == before

    def test_a_connector_that_leadbay_paused_is_tried_again_with_its_new_password(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(state="paused", paused_code="login_refused", failures=2)
        desk.ask("sftp_connector.update", connector_id=str(connector_id), password="new")
        row = desk.connector(connector_id)
        assert (row["state"], row["paused_code"], row["failures"]) == ("active", None, 0)
        assert kinds(desk.taken()) == [Updated, SyncQueued, FetchRequested]

    def test_a_connector_that_an_admin_paused_stays_paused(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(state="paused")
        desk.ask("sftp_connector.update", connector_id=str(connector_id), password="new")
        assert desk.connector(connector_id)["state"] == "paused"
        assert kinds(desk.taken()) == [Updated]


class TestDelete:
    def test_the_password_is_gone_at_once_and_runs_end_but_leads_stay(self, desk: Desk) -> None:
        connector_id = desk.created()
        (run_id,) = desk.open_runs(connector_id)
        desk.all("insert into leads (id, org_id, name) values (%(id)s, %(org)s, 'Acme')", id=uuid4(), org=desk.org_id)
        # When the connector is deleted
        event_id = desk.ask("sftp_connector.delete", connector_id=str(connector_id))
        # Then password and open run are gone, the leads are not, and the UI is told
        row = desk.connector(connector_id)
        assert (row["state"], row["sealed_password"], row["host_keys"]) == ("deleted", None, [])
        assert desk.run(run_id)["outcome"] == "cancelled"
        assert desk.value("select name from leads") == "Acme"
        cancelled, deleted = desk.taken()
        assert isinstance(cancelled, SyncCancelled)
        assert (cancelled.run_id, cancelled.in_reply_to) == (run_id, desk.run(run_id)["reply_to"])
        assert deleted == Deleted(organisation_id=desk.org_id, in_reply_to=event_id, connector_id=connector_id)

    def test_a_job_that_waits_to_be_sent_is_taken_back(self, desk: Desk) -> None:
        # Given a connector whose first look is still owed to the queue
        desk.ask("sftp_connector.create", **FORM)
        connector_id = desk.value("select id from connectors")
        assert desk.value("select count(*) from outbox where kind = 'job'") == 1
        # When it is deleted, then no job with its sealed password leaves any more
        desk.ask("sftp_connector.delete", connector_id=str(connector_id))
        assert desk.value("select count(*) from outbox where kind = 'job'") == 0

    def test_later_events_about_it_are_refused(self, desk: Desk) -> None:
        connector_id = desk.created()
        desk.ask("sftp_connector.delete", connector_id=str(connector_id))
        desk.taken()
        before = desk.dump(without=UNTOUCHED)
        for event_type in ABOUT_CONNECTORS:
            desk.ask(event_type, **valid(event_type, connector_id))
            refusal(desk, "connector_not_found")
            assert desk.dump(without=UNTOUCHED) == before, event_type

    def test_a_deleted_connector_is_never_due(self, desk: Desk) -> None:
        connector_id = desk.created()
        desk.ask("sftp_connector.delete", connector_id=str(connector_id))
        desk.all("update connectors set due_at = now() - interval '1 day'")
        desk.taken()
        desk.handler.tick()
        assert desk.owed() == []


class TestPauseAndResume:
    def test_a_paused_connector_is_told_and_a_resumed_one_is_looked_at_at_once(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(failures=3)
        # When it is paused
        desk.ask("sftp_connector.pause", connector_id=str(connector_id))
        (paused,) = desk.taken()
        assert isinstance(paused, Paused)
        assert (paused.connector.state, paused.connector.next_check_at, paused.code) == ("paused", None, None)
        # When it is resumed, then it starts afresh
        desk.ask("sftp_connector.resume", connector_id=str(connector_id))
        owed = desk.taken()
        assert kinds(owed) == [Resumed, SyncQueued, FetchRequested]
        assert only(owed, Resumed).connector.state == "active"
        assert desk.connector(connector_id)["failures"] == 0


class TestSyncNow:
    def test_the_second_is_told_that_a_run_is_open_already(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        first = desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
        second = desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
        # Then there is one run, and one job
        told, job, again = desk.taken()
        assert isinstance(told, SyncQueued)
        assert isinstance(job, FetchRequested)
        assert isinstance(again, SyncQueued)
        assert (told.in_reply_to, told.already_running) == (first, False)
        assert (again.in_reply_to, again.already_running) == (second, True)
        assert desk.open_runs(connector_id) == [told.run_id] == [again.run_id] == [job.run_id]

    def test_eight_at_once_open_one_run(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        at_once(8, lambda _number: desk.ask("sftp_connector.sync_now", connector_id=str(connector_id)))
        owed = desk.taken()
        assert len(desk.open_runs(connector_id)) == 1
        assert kinds(owed).count(FetchRequested) == 1
        assert [told.already_running for told in owed if isinstance(told, SyncQueued)].count(False) == 1


class TestAcceptHostKey:
    def test_the_key_is_trusted_beside_the_others_and_the_file_is_looked_at(self, desk: Desk) -> None:
        # Given a connector that was paused because its server showed another key
        connector_id = desk.insert_connector(host_keys=[HOST_KEY], state="paused", paused_code="host_key_changed")
        # When the new key is accepted
        desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=OTHER_KEY)
        # Then both are trusted, and the next look has them
        updated, queued, job = desk.taken()
        assert isinstance(updated, ConnectorTold)
        assert (updated.connector.state, updated.connector.host_keys) == ("active", (HOST_KEY, OTHER_KEY))
        assert kinds([queued]) == [SyncQueued]
        assert isinstance(job, FetchRequested)
        assert job.endpoint.host_keys == (HOST_KEY, OTHER_KEY)

    def test_the_same_key_is_kept_once(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(host_keys=[HOST_KEY])
        desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key=HOST_KEY)
        assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]

    def test_what_is_no_fingerprint_is_refused(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.ask("sftp_connector.accept_host_key", connector_id=str(connector_id), host_key="anything")
        assert [error.field for error in refusal(desk, "invalid_fields").errors] == ["host_key"]


class TestConnectionTest:
    def test_a_new_form_is_tried_with_a_password_that_opens_for_this_test_only(self, desk: Desk) -> None:
        # When a form is tested
        desk.ask("sftp_connector.test", **FORM, port=2222)
        # Then the job for a fetcher is owed, and no connector was made
        (job,) = desk.taken()
        assert isinstance(job, ConnectionTestRequested)
        assert (job.subject_id, desk.value("select count(*) from connectors")) == (job.test_id, 0)
        place = Place(desk.org_id, job.test_id, HOST, 2222, "leadbay")
        assert desk.opener.open(job.endpoint.sealed_password, place) == PASSWORD
        # And at no other place does it open
        for other in (
            Place(uuid4(), job.test_id, HOST, 2222, "leadbay"),
            Place(desk.org_id, uuid4(), HOST, 2222, "leadbay"),
            Place(desk.org_id, job.test_id, OTHER_HOST, 2222, "leadbay"),
            Place(desk.org_id, job.test_id, HOST, 22, "leadbay"),
            Place(desk.org_id, job.test_id, HOST, 2222, "root"),
        ):
            with pytest.raises(SecretUnreadable):
                desk.opener.open(job.endpoint.sealed_password, other)

    def test_a_new_form_without_a_password_is_refused(self, desk: Desk) -> None:
        desk.ask("sftp_connector.test", **{name: value for name, value in FORM.items() if name != "password"})
        assert [error.field for error in refusal(desk, "password_required").errors] == ["password"]

    def test_the_stored_password_serves_for_another_file_of_the_same_login(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(host_keys=[HOST_KEY])
        form = FORM | {"connector_id": str(connector_id), "password": None, "path": "/other.csv"}
        desk.ask("sftp_connector.test", **form)
        job = only(desk.taken(), ConnectionTestRequested)
        assert (job.subject_id, job.endpoint.path, job.endpoint.host_keys) == (connector_id, "/other.csv", (HOST_KEY,))
        assert opened_at(desk, connector_id, job.endpoint) == PASSWORD

    @pytest.mark.parametrize("change", [{"host": OTHER_HOST}, {"port": 2222}, {"username": "root"}], ids=str)
    def test_the_stored_password_serves_for_no_other_login(self, desk: Desk, change: dict[str, Any]) -> None:
        connector_id = desk.insert_connector()
        desk.ask("sftp_connector.test", **(FORM | {"connector_id": str(connector_id), "password": None} | change))
        refusal(desk, "password_required")
        assert desk.value("select count(*) from connection_tests") == 0

    def test_accepted_keys_are_not_asked_of_another_server(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(host_keys=[HOST_KEY])
        desk.ask("sftp_connector.test", **(FORM | {"connector_id": str(connector_id), "host": OTHER_HOST}))
        assert only(desk.taken(), ConnectionTestRequested).endpoint.host_keys == ()


class TestMapping:
    def test_each_saved_mapping_is_the_next_version(self, desk: Desk) -> None:
        for version in (1, 2, 3):
            desk.ask("import_mapping.saved", **VALID["import_mapping.saved"])
            assert only(desk.taken(), MappingSaved).version == version

    def test_eight_saved_at_once_get_eight_versions(self, desk: Desk) -> None:
        at_once(8, lambda _number: desk.ask("import_mapping.saved", **VALID["import_mapping.saved"]))
        assert sorted(told.version for told in desk.owed() if isinstance(told, MappingSaved)) == [*range(1, 9)]

    def test_organisations_have_mappings_of_their_own(self, desk: Desk) -> None:
        for org_id in (uuid4(), uuid4()):
            desk.ask("import_mapping.saved", **VALID["import_mapping.saved"], organisation_id=str(org_id))
            assert only(desk.taken(), MappingSaved).version == 1

    def test_every_problem_of_a_mapping_is_named_and_no_version_is_made(self, desk: Desk) -> None:
        desk.ask(
            "import_mapping.saved",
            fields={"A": "CRM_ID", "B": "CRM_ID", "C": "NO_SUCH_FIELD", "D": "CUSTOM.7"},
            statuses={"won": "VERY_WON"},
            default_status="MAYBE",
        )
        refused = refusal(desk, "invalid_fields")
        assert {(error.field, error.code) for error in refused.errors} == {
            ("fields", "company_name_not_mapped"),
            ("fields.B", "duplicate_target"),
            ("fields.C", "unknown_target"),
            ("fields.D", "unknown_custom_field"),
            ("statuses.won", "unknown_lead_status"),
            ("default_status", "unknown_lead_status"),
        }
        assert desk.value("select count(*) from import_mappings") == 0


def test_everything_told_names_the_organisation_and_the_question(desk: Desk) -> None:
    for event_type in UI_EVENTS:
        connector_id = desk.created()
        event_id = desk.ask(event_type, **valid(event_type, connector_id))
        for told in desk.taken():
            # A cancelled run answers the event that queued it.
            if isinstance(told, Told) and not isinstance(told, SyncCancelled):
                assert (told.organisation_id, told.in_reply_to) == (desk.org_id, event_id)
