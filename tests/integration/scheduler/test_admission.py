"""Only so many looks are under way at one server and for one organisation, and everybody gets a turn."""

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg_pool import ConnectionPool

from services.importer.store import Claim
from services.importer.store import Store as ImporterStore
from services.scheduler.admission import Admission
from services.scheduler.connection_test_store import ConnectionTestStore
from services.scheduler.runs import Runs
from services.scheduler.store import Store
from shared.contracts import (
    ConnectionTestAsked,
    ConnectionTested,
    ConnectionTestRequested,
    Created,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    ImportRequested,
    Refused,
    StoredFile,
    SyncCancelled,
    SyncFailed,
    SyncQueued,
)
from shared.database import Db
from tests.integration.scheduler.builders import (
    CHECKSUM,
    FORM,
    HOST,
    OTHER_HOST,
    Desk,
    at_once,
    kinds,
    only,
)

ADDRESS = "192.0.2.7"
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler that lets in two looks at a server, and three for an organisation."""
    return Desk(connections, max_per_server=2, max_per_organisation=3)


def sent(desk: Desk) -> list[FetchRequested]:
    """The jobs for fetchers that are owed."""
    return [job for job in desk.taken() if isinstance(job, FetchRequested)]


def ticked(desk: Desk) -> list[FetchRequested]:
    desk.handler.tick()
    return sent(desk)


def answered(desk: Desk, run_id: UUID) -> None:
    desk.handler.on_report(FetchReported(run_id=run_id, verdict="failed", code="file_not_found"))
    desk.taken()


def begin(desk: Desk, run_id: UUID) -> None:
    """A fetcher takes the run."""
    desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
    desk.taken()


def store_file(desk: Desk, run_id: UUID) -> None:
    """A fetcher hands the run's file to the importers."""
    file = StoredFile(checksum=CHECKSUM, blob="org/x", size=7, looked_at=LONG_AGO)
    desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=file))
    desk.taken()


def delete_all(desk: Desk) -> None:
    for row in desk.all("select id from connectors"):
        desk.ask("sftp_connector.delete", connector_id=str(row["id"]))
    desk.taken()


def claim_of(desk: Desk, job: ImportRequested) -> Claim:
    with desk.connections.connection() as db:
        claim = ImporterStore(db).claim(job, 60)
    assert claim is not None
    return claim


def send_back(desk: Desk, claim: Claim) -> None:
    with desk.connections.connection() as db:
        ImporterStore(db).send_back(claim)


def sync(desk: Desk, connector_id: UUID, **fields: Any) -> None:
    desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), **fields)


class TestCaps:
    def test_a_server_is_asked_for_so_many_files_at_once_and_for_the_next_when_one_is_done(self, desk: Desk) -> None:
        desk.insert_many(4, org_id=uuid4())
        desk.insert_many(4, org_id=uuid4())
        # When eight connectors of two organisations are due at one server, then two are looked at
        jobs = ticked(desk)
        assert len(jobs) == 2
        assert ticked(desk) == []
        # And the others stay due, without a run
        assert desk.value("select count(*) from runs") == 2
        # When a fetcher has taken one, it still counts; when it is answered, then the next is looked at
        desk.handler.on_progress(FetchProgressed(run_id=jobs[0].run_id, phase="started"))
        assert ticked(desk) == []
        answered(desk, jobs[0].run_id)
        assert len(ticked(desk)) == 1

    def test_an_organisation_has_so_many_looks_at_once_over_all_servers(self, desk: Desk) -> None:
        for number in range(5):
            desk.insert_connector(host=f"192.0.2.{number}")
        assert len(ticked(desk)) == 3
        assert ticked(desk) == []

    def test_names_that_lead_to_one_address_are_one_server(self, desk: Desk) -> None:
        for number in range(3):
            desk.insert_connector(org_id=uuid4(), host=f"sftp{number}.acme.com", server_address=ADDRESS)
        assert len(ticked(desk)) == 2

    def test_the_address_is_learnt_from_a_look_and_forgotten_with_the_host(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.looked(connector_id, "failed", "login_refused", address=ADDRESS)
        assert desk.connector(connector_id)["server_address"] == ADDRESS
        # A look that got nowhere does not know better.
        desk.looked(connector_id, "failed", "dns_failed")
        assert desk.connector(connector_id)["server_address"] == ADDRESS
        desk.ask("sftp_connector.update", connector_id=str(connector_id), host=OTHER_HOST, password="new")
        assert desk.connector(connector_id)["server_address"] is None

    def test_what_is_stored_needs_no_room_at_the_server(self, desk: Desk) -> None:
        # Given a server that is full
        desk.insert_many(2)
        assert len(ticked(desk)) == 2
        # When files that were imported with an older mapping are due, then all of them are imported again
        for connector_id in desk.insert_many(5):
            desk.give_file(connector_id, mapping_version=-1)
        desk.handler.tick()
        assert kinds(desk.taken()).count(ImportRequested) == 5
        # And a file that waits for its import takes no room either
        run_id = desk.value("select id from runs where stage = 'queued' limit 1")
        file = StoredFile(checksum=CHECKSUM, blob="org/x", size=7, looked_at="2026-01-02T03:04:05Z")
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=file))
        desk.insert_connector()
        assert len(ticked(desk)) == 1

    def test_one_organisation_does_not_take_the_turns_of_the_others(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_per_server=100, max_per_organisation=100, batch_size=6)
        # Given an organisation with many connectors that have been due for longer, and two with few
        mine, others = desk.org_id, (uuid4(), uuid4())
        desk.insert_many(30)
        desk.all("update connectors set due_at = now() - interval '1 hour'")
        for org_id in others:
            desk.insert_many(2, org_id=org_id)
        # When six are let in, then each organisation has its share
        assert Counter(job.org_id for job in ticked(desk)) == {mine: 2, others[0]: 2, others[1]: 2}

    def test_an_organisation_that_has_been_due_for_long_with_very_many_does_not_fill_the_list(
        self, connections: ConnectionPool[Db]
    ) -> None:
        desk = Desk(connections, max_per_server=100, max_per_organisation=100, batch_size=1)
        # Given an organisation with a look under way, and more connectors due than are looked at in a tick
        desk.insert_many(30, due_at="2020-01-01T00:00:00Z")
        assert len(ticked(desk)) == 1
        # When another's has just become due, then it is its turn
        other = desk.insert_connector(org_id=uuid4())
        assert [job.connector_id for job in ticked(desk)] == [other]

    def test_what_is_long_due_at_a_busy_server_does_not_hide_the_others(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_per_server=1, max_per_organisation=100, batch_size=2)
        # Given more connectors long due at one server than are looked at in a tick
        desk.insert_many(45, due_at=LONG_AGO)
        other = desk.insert_connector(host=OTHER_HOST)
        # When there is one place at each server, then both are taken at once
        first, second = ticked(desk)
        assert second.connector_id == other
        assert first.endpoint.host == HOST

    def test_what_is_long_due_at_a_full_server_does_not_hide_the_others(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_per_server=1, max_per_organisation=100, batch_size=2)
        # Given a full server, at which more organisations are long due than are looked at in a tick
        desk.insert_connector()
        assert len(ticked(desk)) == 1
        for _ in range(45):
            desk.insert_connector(org_id=uuid4(), due_at=LONG_AGO)
        other = desk.insert_connector(host=OTHER_HOST)
        assert [job.connector_id for job in ticked(desk)] == [other]

    def test_what_is_long_due_of_full_organisations_does_not_hide_the_others(
        self, connections: ConnectionPool[Db]
    ) -> None:
        # Given more organisations that have as many looks as they may than are looked at in a tick
        full = [uuid4() for _ in range(45)]
        everybody = Desk(connections, max_per_server=100, max_per_organisation=1)
        for org_id in full:
            everybody.insert_connector(org_id=org_id)
        assert len(ticked(everybody)) == 45
        desk = Desk(connections, max_per_server=100, max_per_organisation=1, batch_size=2)
        # When each of them has been due for long, and another one has just become so, then that is let in
        for org_id in full:
            desk.insert_connector(org_id=org_id, due_at=LONG_AGO)
        other = desk.insert_connector()
        assert [job.connector_id for job in ticked(desk)] == [other]

    def test_a_place_that_is_just_being_taken_is_not_given_twice(self, desk: Desk) -> None:
        # Given a server with one place left
        desk.insert_many(1)
        assert len(ticked(desk)) == 1
        _due_longer, asked = desk.insert_many(2)
        ticking = threading.Thread(target=desk.handler.tick)
        # When an admin's sync takes it while a scheduler counts
        with desk.connections.connection() as db:
            store = Store(db)
            connector = store.connector(desk.org_id, asked)
            assert connector is not None
            Runs(desk.settings, Admission(desk.settings)).open(store, connector, 0, "manual")
            ticking.start()
            ticking.join(0.5)
        ticking.join(10)
        # Then the scheduler gives it to nobody else
        assert [job.connector_id for job in sent(desk)] == [asked]

    def test_four_schedulers_and_admins_at_once_do_not_exceed_the_caps(self, desk: Desk) -> None:
        # Given thirty connectors of three organisations at two servers
        for org_id in (desk.org_id, uuid4(), uuid4()):
            for host in (HOST, OTHER_HOST):
                desk.insert_many(5, org_id=org_id, host=host)
        mine = desk.all("select id from connectors where org_id = %(org)s", org=desk.org_id)

        # When four schedulers tick while an admin asks for syncs
        def act(number: int) -> None:
            for row in mine if number < 4 else mine[:0]:
                sync(desk, row["id"])
            for _ in range(5):
                desk.handler.tick()

        at_once(8, act)
        # Then as many are under way as may be, and no more
        rows = desk.all("select server, org_id from runs where stage in ('queued', 'fetching')")
        assert Counter(row["server"] for row in rows) == {HOST: 2, OTHER_HOST: 2}
        assert max(Counter(row["org_id"] for row in rows).values()) <= 3
        assert len(sent(desk)) == 4


class TestWaiting:
    @pytest.fixture
    def running(self, desk: Desk) -> list[UUID]:
        """Two runs that fill the server, of another organisation."""
        desk.insert_many(2, org_id=uuid4())
        return [job.run_id for job in ticked(desk)]

    def test_what_an_admin_asks_for_is_told_at_once_and_sent_when_there_is_room(
        self, desk: Desk, running: list[UUID]
    ) -> None:
        # When a connector is made while its server is full
        desk.ask("sftp_connector.create", **FORM)
        # Then all is told as ever, but no fetcher is sent
        owed = desk.taken()
        assert kinds(owed) == [Created, SyncQueued]
        run_id = only(owed, SyncQueued).run_id
        assert desk.run(run_id)["stage"] == "waiting"
        assert ticked(desk) == []
        # When there is room, then the fetcher is sent
        answered(desk, running[0])
        (job,) = ticked(desk)
        assert (job.run_id, desk.run(run_id)["stage"]) == (run_id, "queued")
        assert ticked(desk) == []

    def test_it_comes_before_what_is_merely_due(self, desk: Desk, running: list[UUID]) -> None:
        desk.insert_many(3, org_id=uuid4(), due_at="2020-01-01T00:00:00Z")
        asked = desk.insert_connector()
        sync(desk, asked)
        desk.taken()
        answered(desk, running[0])
        assert [job.connector_id for job in ticked(desk)] == [asked]

    def test_whoever_waits_is_not_overtaken_by_the_next_to_ask(self, desk: Desk, running: list[UUID]) -> None:
        first, second = desk.insert_many(2)
        sync(desk, first)
        answered(desk, running[0])
        sync(desk, second)
        assert sent(desk) == []
        assert [job.connector_id for job in ticked(desk)] == [first]

    @pytest.mark.usefixtures("running")
    def test_asking_again_does_not_make_it_two(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        for _ in range(2):
            sync(desk, connector_id)
        told = [event for event in desk.taken() if isinstance(event, SyncQueued)]
        assert [event.already_running for event in told] == [False, True]
        assert len(desk.open_runs(connector_id)) == 1

    def test_a_dry_run_that_waited_is_still_one(self, desk: Desk, running: list[UUID]) -> None:
        connector_id = desk.insert_connector(due_at="2100-01-01T00:00:00Z")
        desk.give_file(connector_id)
        sync(desk, connector_id, dry_run=True)
        assert kinds(desk.taken()) == [SyncQueued]
        answered(desk, running[0])
        (job,) = ticked(desk)
        assert (job.known, job.full_check, desk.run(job.run_id)["dry_run"]) == (None, True, True)

    @pytest.mark.usefixtures("running")
    def test_it_is_not_taken_for_lost(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        sync(desk, connector_id)
        desk.taken()
        (run_id,) = desk.open_runs(connector_id)
        desk.all("update runs set lease_until = now() - interval '1 day' where stage = 'waiting'")
        desk.sweep.step()
        assert desk.owed() == []
        assert desk.run(run_id)["stage"] == "waiting"

    def test_it_ends_with_its_connector(self, desk: Desk, running: list[UUID]) -> None:
        connector_id = desk.insert_connector()
        sync(desk, connector_id)
        desk.taken()
        desk.ask("sftp_connector.delete", connector_id=str(connector_id))
        assert SyncCancelled in kinds(desk.taken())
        answered(desk, running[0])
        assert ticked(desk) == []

    def test_a_connector_that_somebody_has_in_hand_is_not_waited_for(self, desk: Desk, running: list[UUID]) -> None:
        connector_id = desk.insert_connector()
        sync(desk, connector_id)
        answered(desk, running[0])
        desk.taken()
        with desk.connections.connection() as db:
            db.execute("select from connectors where id = %s for update", [connector_id])
            assert ticked(desk) == []
        assert [job.connector_id for job in ticked(desk)] == [connector_id]

    @pytest.mark.usefixtures("running")
    def test_it_is_measured(self, desk: Desk) -> None:
        sync(desk, desk.insert_connector())
        desk.measures.tables()
        assert desk.sample("sftp_connector_open_runs", stage="waiting") == 1
        assert desk.sample("sftp_connector_open_runs", stage="queued") == 2


class TestLeftBehind:
    @pytest.fixture
    def busy(self, desk: Desk) -> list[UUID]:
        """Two cancelled runs that fetchers, who do not know it, still have in hand; another is due there."""
        desk.insert_many(2)
        busy = [job.run_id for job in ticked(desk)]
        for run_id in busy:
            begin(desk, run_id)
        delete_all(desk)
        desk.insert_connector()
        return busy

    @pytest.mark.usefixtures("busy")
    def test_a_look_of_a_cancelled_run_counts_while_its_fetcher_may_be_at_the_server(self, desk: Desk) -> None:
        # When one more is due or asked for, then it has to wait
        assert ticked(desk) == []
        asked = desk.insert_connector()
        sync(desk, asked)
        assert sent(desk) == []
        # When the fetchers have been silent for long, then there is room again
        desk.all("update runs set lease_until = now() - interval '1 second' where outcome = 'cancelled'")
        assert len(ticked(desk)) == 2

    @pytest.mark.parametrize("end", [answered, store_file])
    def test_its_place_is_free_when_the_fetcher_is_done(
        self, desk: Desk, busy: list[UUID], end: Callable[[Desk, UUID], None]
    ) -> None:
        end(desk, busy[0])
        assert len(ticked(desk)) == 1
        assert [desk.run(run_id)["outcome"] for run_id in busy] == ["cancelled", "cancelled"]

    def test_what_no_fetcher_has_taken_or_all_have_done_leaves_its_place_at_once(self, desk: Desk) -> None:
        # Given a run that no fetcher has begun, and one whose file waits for an importer
        desk.insert_many(2)
        _untouched, stored = ticked(desk)
        begin(desk, stored.run_id)
        store_file(desk, stored.run_id)
        # When both are cancelled, then two others are let in
        delete_all(desk)
        desk.insert_many(2)
        assert len(ticked(desk)) == 2

    def test_whoever_changes_a_connector_again_and_again_waits_like_others(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        looks = []
        for number in range(5):
            desk.ask("sftp_connector.update", connector_id=str(connector_id), path=f"/exports/{number}.csv")
            for job in sent(desk):
                looks.append(job.run_id)
                begin(desk, job.run_id)
        assert len(looks) == 2


class TestSentBack:
    """A run whose blob is lost goes back to be fetched, as any other look goes."""

    @pytest.fixture
    def claims(self, desk: Desk) -> list[Claim]:
        """Five organisations' stored files of one server, being imported again."""
        for _ in range(5):
            desk.give_file(desk.insert_connector(org_id=uuid4()), mapping_version=-1)
        desk.handler.tick()
        jobs = [job for job in desk.taken() if isinstance(job, ImportRequested)]
        return [claim_of(desk, job) for job in jobs]

    def test_it_waits_for_room(self, desk: Desk, claims: list[Claim]) -> None:
        for claim in claims:
            send_back(desk, claim)
        # When sweeps and ticks go on, then no more look at the server than may
        for _ in range(2):
            desk.sweep.step()
            desk.handler.tick()
        jobs = sent(desk)
        assert (len(jobs), {job.known for job in jobs}) == (2, {None})
        answered(desk, jobs[0].run_id)
        assert len(ticked(desk)) == 1

    def test_it_locks_the_connector_before_the_run(self, desk: Desk, claims: list[Claim]) -> None:
        sending = threading.Thread(target=send_back, args=[desk, claims[0]])
        # Given somebody who has the connector in hand while its run is sent back
        with desk.connections.connection() as db:
            db.execute("select from connectors where id = %s for update", [claims[0].connector_id])
            sending.start()
            sending.join(0.3)
            # When that one takes the run as well, then neither waits for the other
            db.execute("set local lock_timeout = '2s'")
            db.execute("select from runs where id = %s for update", [claims[0].run_id])
        sending.join(10)
        assert desk.run(claims[0].run_id)["stage"] == "waiting"

    def test_it_is_given_up_when_importers_have_had_it_too_often(self, desk: Desk, claims: list[Claim]) -> None:
        claim = claims[0]
        desk.all("update runs set attempt = 5 where id = %(id)s", id=claim.run_id)
        send_back(desk, dataclasses.replace(claim, attempt=5))
        # When there is room, then it is not fetched a sixth time
        assert ticked(desk) == []
        desk.sweep.step()
        assert only(desk.taken(), SyncFailed).code == "gave_up"
        assert desk.run(claim.run_id)["outcome"] == "failed"


class TestOpenTests:
    def test_an_organisation_has_so_many_unanswered_tests(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_open_tests=2)
        for _ in range(2):
            desk.ask("sftp_connector.test", **FORM)
        test_id, _ = (job.test_id for job in desk.taken() if isinstance(job, ConnectionTestRequested))
        # When one more is asked for, then it is refused; another organisation's is not
        desk.ask("sftp_connector.test", **FORM)
        (refused,) = desk.taken()
        assert isinstance(refused, Refused)
        assert refused.code == "too_many_tests"
        desk.ask("sftp_connector.test", **FORM, organisation_id=str(uuid4()))
        assert kinds(desk.taken()) == [ConnectionTestRequested]
        # When one is answered, then there is room again
        desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=True, steps=()))
        desk.taken()
        desk.ask("sftp_connector.test", **FORM)
        assert kinds(desk.taken()) == [ConnectionTestRequested]

    def test_two_at_once_are_counted_one_after_the_other(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_open_tests=1)
        asking = threading.Thread(target=lambda: desk.ask("sftp_connector.test", **FORM))
        # When a test is asked for while another one is just being made
        with desk.connections.connection() as db:
            tests = ConnectionTestStore(db)
            assert tests.open_of(desk.org_id) == 0
            asker = {"organisation_id": desk.org_id, "user_id": uuid4(), "role": "ADMIN"}
            tests.insert(uuid4(), ConnectionTestAsked.model_validate(FORM | asker), "the other question")
            asking.start()
            asking.join(0.5)
        asking.join(10)
        # Then it is refused
        assert kinds(desk.taken()) == [Refused]
