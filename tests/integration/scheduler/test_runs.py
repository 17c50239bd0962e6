"""A run is opened once for each due connector, answered once, sent again when nobody answers, and given up at last."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.importer.outcome import Ending
from services.importer.store import Claim
from services.importer.store import Store as ImporterStore
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    HostKeyChanged,
    ImportRequested,
    Paused,
    RemovalRequested,
    StoredFile,
    SyncFailed,
    SyncHeld,
    SyncQueued,
    SyncStarted,
    SyncUnchanged,
)
from shared.contracts import Tested as Answered
from shared.database import Db
from shared.errors import Fenced
from tests.integration.scheduler.builders import (
    CHECKSUM,
    FORM,
    HOST_KEY,
    OTHER_KEY,
    Desk,
    at_once,
    kinds,
    only,
)

# Servers and organisations that bear whatever comes.
ROOMY = {"max_per_server": 1000, "max_per_organisation": 1000}
LOOKED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def spread(seconds: float) -> Any:
    """So long, give or take the tenth by which looks are spread, and a few seconds of the test's own."""
    return pytest.approx(seconds, rel=0.1, abs=5)


def import_of(desk: Desk, run_id: UUID, connector_id: UUID, checksum: str = CHECKSUM) -> ImportRequested:
    return ImportRequested(
        run_id=run_id,
        org_id=desk.org_id,
        connector_id=connector_id,
        checksum=checksum,
        blob=f"org/{desk.org_id}/{checksum}",
        size=7,
        mtime=1,
        looked_at=LOOKED_AT,
        remote_size=5,
        remote_checksum="d" * 64,
        host_key=HOST_KEY,
        address="192.0.2.7",
        algorithms="curve25519-sha256 ssh-ed25519 aes256-gcm@openssh.com",
        path="/exports/leads.csv.gz",
        traceparent=desk.run(run_id)["traceparent"],
    )


def stored(desk: Desk, run_id: UUID, connector_id: UUID) -> FetchProgressed:
    """What a fetcher says when it handed the file to the importers."""
    file = StoredFile.model_validate(import_of(desk, run_id, connector_id).model_dump())
    return FetchProgressed(run_id=run_id, phase="stored", file=file)


def claimed(desk: Desk, run_id: UUID, connector_id: UUID) -> Claim:
    """The run, taken by an importer."""
    with desk.connections.connection() as db:
        claim = ImporterStore(db).claim(import_of(desk, run_id, connector_id), 60)
    assert claim is not None
    return claim


class TestTick:
    def test_a_due_connector_is_queued_and_looked_at_again_after_its_interval(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(interval_seconds=900)
        # When the time has come
        desk.handler.tick()
        # Then a run is told and its job owed, and the next look is an interval away
        queued, job = desk.taken()
        assert isinstance(queued, SyncQueued)
        assert isinstance(job, FetchRequested)
        assert (queued.trigger, queued.run_id, desk.open_runs(connector_id)) == ("schedule", job.run_id, [job.run_id])
        assert desk.seconds_until_due(connector_id) == spread(900)
        # And until then nothing happens
        desk.handler.tick()
        assert desk.owed() == []

    def test_four_schedulers_open_one_run_for_each_of_two_hundred_connectors(
        self, connections: ConnectionPool[Db]
    ) -> None:
        desk = Desk(connections, **ROOMY)
        ids = desk.insert_many(200, interval_seconds=900)

        # When four schedulers tick at once, again and again until nothing is due
        def ticking(_number: int) -> None:
            while desk.value("select count(*) from connectors where due_at <= now()"):
                desk.handler.tick()

        at_once(4, ticking)
        # Then each connector has one run and one job
        runs = desk.all("select connector_id from runs")
        assert sorted(row["connector_id"] for row in runs) == sorted(ids)
        owed = desk.taken()
        jobs = [job.connector_id for job in owed if isinstance(job, FetchRequested)]
        assert sorted(jobs) == sorted(ids)
        # And each was told once: no scheduler came upon a connector that another had in hand
        assert kinds(owed).count(SyncQueued) == 200
        # And the next looks are spread over a tenth of the interval to both sides
        delays = [desk.seconds_until_due(connector_id) for connector_id in ids]
        assert 800 < min(delays) < 850
        assert 950 < max(delays) < 991

    def test_the_database_refuses_a_second_open_run(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.tick().run_id
        insert = (
            "insert into runs (id, org_id, connector_id, trigger, stage, lease_until)"
            " select gen_random_uuid(), org_id, connector_id, 'manual', 'queued', now() from runs limit 1"
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            desk.all(insert)
        # But one after the other is fine
        desk.handler.on_report(FetchReported(run_id=run_id, verdict="unchanged", looked_at=LOOKED_AT))
        desk.all(insert)
        assert len(desk.open_runs(connector_id)) == 1

    def test_a_connector_with_an_open_run_is_not_claimed_again(self, desk: Desk) -> None:
        desk.insert_connector()
        desk.tick()
        desk.all("update connectors set due_at = now()")
        desk.handler.tick()
        assert desk.owed() == []

    def test_no_more_runs_wait_for_a_fetcher_than_allowed(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_queued=3)
        desk.insert_many(5)
        # When five are due, then three are queued, however often one looks
        for _ in range(2):
            desk.handler.tick()
            assert desk.value("select count(*) from runs where stage = 'queued'") == 3
        # When a fetcher takes one, then one more is queued
        run_id = desk.value("select id from runs limit 1")
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
        desk.handler.tick()
        assert desk.value("select count(*) from runs") == 4

    def test_those_that_waited_longest_come_first(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, batch_size=1)
        now = datetime.now(UTC)
        late, later = (desk.insert_connector(due_at=now - timedelta(minutes=minutes)) for minutes in (1, 2))
        assert [desk.tick().connector_id, desk.tick().connector_id] == [later, late]

    def test_a_connector_that_cannot_be_queued_does_not_keep_the_others_waiting(self, desk: Desk) -> None:
        # Given a connector whose row makes no sense, before one whose row does
        broken = desk.insert_connector(due_at=datetime.now(UTC) - timedelta(hours=1))
        desk.all("update connectors set file_checksum = 'x', file_mapping_version = 0")
        healthy = desk.insert_connector()
        # When both are due, then the other is looked at
        assert desk.tick().connector_id == healthy
        assert desk.open_runs(broken) == []

    @pytest.mark.parametrize("state", ["paused", "deleted"])
    def test_only_active_connectors_are_looked_at(self, desk: Desk, state: str) -> None:
        desk.insert_connector(state=state)
        desk.handler.tick()
        assert desk.owed() == []

    def test_the_job_says_what_is_known_of_the_file(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.give_file(connector_id)
        job = desk.tick()
        assert job.known is not None
        assert (job.known.checksum, job.known.size, job.known.mtime, job.full_check) == (CHECKSUM, 7, 1, False)

    def test_once_a_day_the_bytes_are_compared_in_any_case(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.give_file(connector_id)
        desk.all("update connectors set file_compared_at = now() - interval '25 hours'")
        assert desk.tick().full_check


class TestProgress:
    def test_the_first_sign_of_a_fetcher_is_told_once(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.tick().run_id
        # When a fetcher starts, goes on, and says so several times, out of order too
        for phase, received in (("started", 0), ("downloading", 100), ("started", 0), ("downloading", 50)):
            desk.handler.on_progress(
                FetchProgressed.model_validate({"run_id": run_id, "phase": phase, "received_bytes": received})
            )
        # Then the UI hears it once
        told = only(desk.taken(), SyncStarted)
        assert (told.run_id, told.connector_id, told.organisation_id) == (run_id, connector_id, desk.org_id)
        run = desk.run(run_id)
        assert (run["stage"], run["received_bytes"]) == ("fetching", 100)
        # When the file is stored, then no late progress takes the run back
        desk.handler.on_progress(stored(desk, run_id, connector_id))
        for phase in ("downloading", "started"):
            desk.handler.on_progress(FetchProgressed.model_validate({"run_id": run_id, "phase": phase}))
        assert (desk.run(run_id)["stage"], desk.owed()) == ("stored", [])

    def test_it_is_told_once_also_when_the_first_comes_eight_times_at_once(self, desk: Desk) -> None:
        desk.insert_connector()
        run_id = desk.tick().run_id
        at_once(8, lambda _number: desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started")))
        assert kinds(desk.taken()) == [SyncStarted]

    def test_it_keeps_the_lease(self, desk: Desk) -> None:
        desk.insert_connector()
        run_id = desk.started()
        desk.let_leases_end()
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="downloading"))
        desk.sweep.step()
        assert desk.owed() == []


class TestReports:
    def test_unchanged_ends_the_run_as_a_success(self, desk: Desk) -> None:
        # Given a connector in trouble, with a file
        connector_id = desk.insert_connector(failures=3, last_code="connect_timeout")
        desk.give_file(connector_id)
        # When a look finds the known content
        (told,) = desk.looked(
            connector_id,
            "unchanged",
            size=5,
            mtime=2,
            looked_at=LOOKED_AT,
            downloaded=True,
            host_key=HOST_KEY,
            address="192.0.2.7",
            algorithms="curve25519-sha256 ssh-ed25519 aes256-gcm@openssh.com",
            path="/exports/leads.csv.gz",
        )
        # Then it counts as a success, and the look is remembered
        assert isinstance(told, SyncUnchanged)
        row = desk.connector(connector_id)
        assert (row["failures"], row["last_code"]) == (0, None)
        assert row["last_success_at"] is not None
        assert (row["file_mtime"], row["file_looked_at"], row["file_compared_at"]) == (2, LOOKED_AT, LOOKED_AT)
        assert (row["host_keys"], row["server_address"]) == ([HOST_KEY], "192.0.2.7")
        run = desk.run(told.run_id)
        assert (run["outcome"], run["address"], run["algorithms"].split()[0]) == (
            "unchanged",
            "192.0.2.7",
            "curve25519-sha256",
        )
        # And the size at the server is kept beside that of the blob, for the next look
        assert (row["file_size"], row["file_remote_size"]) == (7, 5)
        known = desk.look_again(connector_id).known
        assert known is not None
        assert (known.size, known.path) == (5, "/exports/leads.csv.gz")

    def test_a_key_that_was_pinned_is_not_replaced_by_a_report(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(host_keys=[HOST_KEY])
        desk.looked(connector_id, "unchanged", looked_at=LOOKED_AT, host_key=OTHER_KEY)
        assert desk.connector(connector_id)["host_keys"] == [HOST_KEY]

    def test_a_file_that_is_being_written_is_held_and_looked_at_soon(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(interval_seconds=86_400)
        for delay in (10, 20, 40):
            (told,) = desk.looked(connector_id, "not_settled", "not_settled")
            assert isinstance(told, SyncHeld)
            assert (told.code, desk.run(told.run_id)["outcome"]) == ("not_settled", "held")
            assert told.next_check_at is not None
            assert desk.seconds_until_due(connector_id) == spread(delay)

    def test_each_failure_in_a_row_doubles_the_wait_up_to_a_day(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(interval_seconds=900)
        for failures in range(1, 9):
            (told,) = desk.looked(connector_id, "failed", "connect_timeout", detail="sftp.acme.com:22")
            assert isinstance(told, SyncFailed)
            assert (told.code, told.detail, bool(told.message)) == ("connect_timeout", "sftp.acme.com:22", True)
            row = desk.connector(connector_id)
            assert (row["failures"], row["last_code"], row["state"]) == (failures, "connect_timeout", "active")
            assert told.next_check_at == row["due_at"]
            assert desk.seconds_until_due(connector_id) == spread(min(900 * 2**failures, 86_400))
        # And a success starts anew
        desk.looked(connector_id, "unchanged", looked_at=LOOKED_AT)
        assert desk.connector(connector_id)["failures"] == 0
        desk.looked(connector_id, "failed", "connect_timeout")
        assert desk.seconds_until_due(connector_id) == spread(1800)

    def test_a_password_that_is_refused_twice_is_not_tried_a_third_time(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        # When the login is refused once, then it is tried again later
        assert kinds(desk.looked(connector_id, "failed", "login_refused")) == [SyncFailed]
        assert desk.connector(connector_id)["state"] == "active"
        # When it is refused again, then Leadbay stops by itself and says why and what to do
        owed = desk.looked(connector_id, "failed", "login_refused")
        assert set(kinds(owed)) == {Paused, SyncFailed}
        paused = only(owed, Paused)
        assert (paused.code, paused.connector.state, paused.connector.next_check_at) == (
            "login_refused",
            "paused",
            None,
        )
        assert paused.action
        assert only(owed, SyncFailed).next_check_at is None
        assert desk.connector(connector_id)["paused_code"] == "login_refused"
        # And the file is not looked at any more
        desk.all("update connectors set due_at = now()")
        desk.handler.tick()
        assert desk.owed() == []

    def test_other_trouble_before_it_does_not_make_one_refused_login_two(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        desk.looked(connector_id, "not_settled", "not_settled")
        assert kinds(desk.looked(connector_id, "failed", "login_refused")) == [SyncFailed]
        assert desk.connector(connector_id)["state"] == "active"

    def test_another_host_key_stops_the_looks_at_once(self, desk: Desk) -> None:
        connector_id = desk.insert_connector(host_keys=[HOST_KEY])
        owed = desk.looked(connector_id, "failed", "host_key_changed", host_key=OTHER_KEY)
        assert set(kinds(owed)) == {Paused, SyncFailed, HostKeyChanged}
        told = only(owed, HostKeyChanged)
        assert (told.connector_id, told.accepted, told.seen) == (connector_id, (HOST_KEY,), OTHER_KEY)
        row = desk.connector(connector_id)
        assert (row["state"], row["paused_code"], row["host_keys"]) == ("paused", "host_key_changed", [HOST_KEY])

    @pytest.mark.parametrize("verdict", ["unchanged", "not_settled", "failed"])
    def test_a_late_report_changes_nothing(self, desk: Desk, verdict: str) -> None:
        # Given a run that was answered
        connector_id = desk.insert_connector()
        run_id = desk.started()
        desk.handler.on_report(FetchReported(run_id=run_id, verdict="unchanged", looked_at=LOOKED_AT))
        before = desk.dump()
        # When another answer comes, or the same again
        late = {"run_id": run_id, "verdict": verdict, "code": "login_refused", "host_key": OTHER_KEY}
        desk.handler.on_report(FetchReported.model_validate(late))
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
        # Then nothing is written or owed
        assert desk.dump() == before
        assert desk.open_runs(connector_id) == []

    def test_a_report_does_not_end_a_run_that_an_importer_has(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.started()
        claimed(desk, run_id, connector_id)
        before = desk.dump()
        desk.handler.on_report(FetchReported(run_id=run_id, verdict="failed", code="connection_lost"))
        assert desk.dump() == before

    @pytest.mark.parametrize("awaits_turn", [True, False])
    def test_a_report_does_not_end_a_run_that_an_importer_made_wait(self, desk: Desk, *, awaits_turn: bool) -> None:
        desk.insert_connector()
        run_id = desk.started()
        desk.all(
            "update runs set stage = 'stored', claimed_at = now(), awaits_turn = %(waits)s where id = %(id)s",
            waits=awaits_turn,
            id=run_id,
        )
        before = desk.dump()
        desk.handler.on_report(FetchReported(run_id=run_id, verdict="unchanged", looked_at=LOOKED_AT))
        assert desk.dump() == before

    def test_of_eight_answers_at_once_one_counts(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.started()
        report = FetchReported(run_id=run_id, verdict="failed", code="connect_timeout")
        at_once(8, lambda _number: desk.handler.on_report(report))
        assert kinds(desk.taken()) == [SyncFailed]
        assert desk.connector(connector_id)["failures"] == 1


class TestSweep:
    def test_a_run_whose_message_was_lost_is_sent_again(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.tick().run_id
        # When nobody took it in time, and nothing waits in the queue
        desk.let_leases_end()
        desk.sweep.step()
        # Then the same run is sent once more, and not again before its next lease ends
        (job,) = desk.taken()
        assert isinstance(job, FetchRequested)
        assert (job.run_id, job.connector_id, desk.open_runs(connector_id)) == (run_id, connector_id, [run_id])
        desk.sweep.step()
        assert desk.owed() == []

    def test_a_run_whose_message_may_still_wait_in_its_queue_is_not_sent_again(self, desk: Desk) -> None:
        # Given a run that waits for a fetcher, and one that waits for an importer
        first, second = desk.insert_connector(), desk.insert_connector()
        run_id = desk.due(first)
        desk.handler.on_progress(stored(desk, run_id, first))
        desk.due(second)
        desk.taken()
        # When their leases end while their queues are not empty, then both get another lease
        desk.waiting = {"sftp.fetch": 1, "sftp.import": 1}
        desk.let_leases_end()
        desk.sweep.step()
        desk.waiting = {}
        desk.sweep.step()
        assert desk.owed() == []
        # When they end once more, over empty queues, then both are sent again
        desk.let_leases_end()
        desk.sweep.step()
        assert set(kinds(desk.taken())) == {FetchRequested, ImportRequested}

    def test_a_stored_file_whose_message_was_lost_is_not_downloaded_again(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.started()
        desk.handler.on_progress(stored(desk, run_id, connector_id))
        desk.let_leases_end()
        desk.sweep.step()
        assert desk.taken() == [import_of(desk, run_id, connector_id)]

    def test_a_run_whose_message_still_waits_in_the_outbox_is_not_sent_again(self, desk: Desk) -> None:
        desk.insert_connector()
        desk.handler.tick()
        owed = desk.owed()
        desk.let_leases_end()
        desk.sweep.step()
        assert desk.owed() == owed

    def test_a_fetch_that_fell_silent_is_sent_again(self, desk: Desk) -> None:
        desk.insert_connector()
        run_id = desk.started()
        desk.let_leases_end()
        desk.sweep.step()
        assert only(desk.taken(), FetchRequested).run_id == run_id
        assert desk.run(run_id)["stage"] == "queued"

    def test_what_needs_no_broker_is_done_while_it_is_away(self, connections: ConnectionPool[Db]) -> None:
        # Given a run that was tried enough, one whose message may wait, and a test that nobody answers
        desk = Desk(connections, max_sends=1)
        silent, waiting = desk.insert_connector(), desk.insert_connector()
        desk.handler.on_progress(FetchProgressed(run_id=desk.due(silent), phase="started"))
        desk.due(waiting)
        desk.taken()
        desk.all("update runs set sends = 1 where connector_id = %(id)s", id=silent)
        desk.let_leases_end()
        desk.broker_away = True
        # When several sweeps find RabbitMQ away
        for _ in range(3):
            desk.sweep.step()
        # Then the first is given up, once, and the other is not taken for lost
        assert kinds(desk.taken()) == [SyncFailed]
        assert desk.sample("sftp_connector_runs_total", outcome="failed", code="gave_up") == 1
        assert len(desk.open_runs(waiting)) == 1

    def test_a_failure_to_forget_undoes_nothing_that_was_mended(self, desk: Desk) -> None:
        # Given a run whose message was lost, and a log that cannot be trimmed
        desk.insert_connector()
        run_id = desk.tick().run_id
        desk.let_leases_end()
        desk.all(
            "create function kept() returns trigger language plpgsql as $$ begin raise exception 'kept'; end $$;"
            "create trigger kept before delete on decisions for each statement execute function kept()"
        )
        try:
            with pytest.raises(psycopg.errors.RaiseException):
                desk.sweep.step()
        finally:
            desk.all("drop function kept cascade")
        assert only(desk.taken(), FetchRequested).run_id == run_id

    def test_a_removal_whose_message_waits_is_not_sent_again(self, desk: Desk) -> None:
        desk.ask("organisation.deleted")
        assert kinds(desk.taken()) == [RemovalRequested]
        desk.all("update removals set lease_until = now() - interval '1 second'")
        desk.waiting = {"sftp.removal": 1}
        desk.sweep.step()
        assert desk.owed() == []
        desk.waiting = {}
        desk.sweep.step()
        assert kinds(desk.taken()) == [RemovalRequested]

    def test_two_sweeps_at_once_send_a_run_once(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, **ROOMY)
        desk.insert_many(20)
        desk.handler.tick()
        desk.taken()
        desk.let_leases_end()
        at_once(4, lambda _number: desk.sweep.step())
        assert kinds(desk.taken()) == [FetchRequested] * 20

    def test_a_run_over_which_fetchers_fall_silent_is_given_up_and_told(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_sends=2)
        connector_id = desk.insert_connector()
        run_id = desk.tick().run_id
        # When a message is lost, which does not count
        desk.let_leases_end()
        desk.sweep.step()
        # And two fetchers fall silent over it
        for _ in range(2):
            assert kinds(desk.taken()) == [FetchRequested]
            desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
            desk.taken()
            desk.let_leases_end()
            desk.sweep.step()
        # Then it is over, and the connector is looked at later
        (told,) = desk.taken()
        assert isinstance(told, SyncFailed)
        assert (told.code, told.run_id) == ("gave_up", run_id)
        assert (desk.run(run_id)["outcome"], desk.run(run_id)["code"]) == ("failed", "gave_up")
        row = desk.connector(connector_id)
        assert (row["failures"], row["last_code"], row["state"]) == (1, "gave_up", "active")
        assert desk.seconds_until_due(connector_id) == spread(1800)

    def test_a_silent_import_is_sent_again_and_its_old_claim_writes_nothing(self, desk: Desk) -> None:
        # Given an import whose importer fell silent
        connector_id = desk.insert_connector()
        run_id = desk.started()
        claim = claimed(desk, run_id, connector_id)
        desk.let_leases_end()
        # When that is noticed
        desk.sweep.step()
        # Then the same blob is sent to the importers again
        (job,) = desk.taken()
        assert job == import_of(desk, run_id, connector_id)
        # And the old claim is worth nothing, before and after another importer takes the run
        for take_over in (False, True):
            if take_over:
                assert claimed(desk, run_id, connector_id).attempt == claim.attempt + 1
            before = desk.dump()
            with desk.connections.connection() as db:
                assert not ImporterStore(db).extend_lease(claim, 60)
                ImporterStore(db).send_back(claim)
                with pytest.raises(Fenced):
                    ImporterStore(db).finish(claim, Ending("succeeded", 1))
            assert desk.dump() == before

    def test_an_import_that_kills_its_importers_is_given_up_until_the_file_changes(
        self, connections: ConnectionPool[Db]
    ) -> None:
        desk = Desk(connections, max_attempts=2)
        connector_id = desk.insert_connector()
        run_id = desk.started()
        # When two importers fell silent over the same file
        claimed(desk, run_id, connector_id)
        desk.let_leases_end()
        desk.sweep.step()
        desk.taken()
        claimed(desk, run_id, connector_id)
        desk.let_leases_end()
        desk.sweep.step()
        # Then the run is over, and that file version is not brought again
        assert only(desk.taken(), SyncFailed).code == "gave_up"
        assert desk.run(run_id)["outcome"] == "failed"
        known = desk.look_again(connector_id).known
        assert known is not None
        assert (known.checksum, known.size, known.path) == (CHECKSUM, 5, "/exports/leads.csv.gz")

    def test_a_test_that_nobody_took_is_answered_once(self, desk: Desk) -> None:
        event_id = desk.ask("sftp_connector.test", **FORM)
        test_id = only(desk.taken(), ConnectionTestRequested).test_id
        desk.sweep.step()
        assert desk.owed() == []
        # When no fetcher answers in time, and several sweeps notice
        desk.all("update connection_tests set asked_at = now() - interval '31 seconds'")
        at_once(4, lambda _number: desk.sweep.step())
        # Then the admin is told once
        (told,) = desk.taken()
        assert isinstance(told, Answered)
        assert (told.in_reply_to, told.test_id, told.ok) == (event_id, test_id, False)
        assert [step.code for step in told.steps] == ["timed_out"]
        # And an answer that comes after all is too late
        desk.handler.on_tested(ConnectionTested(test_id=test_id, ok=True, steps=(), host_key=HOST_KEY))
        assert desk.owed() == []

    def test_a_test_is_answered_once_however_often_a_fetcher_says_it(self, desk: Desk) -> None:
        desk.ask("sftp_connector.test", **FORM)
        test_id = only(desk.taken(), ConnectionTestRequested).test_id
        report = ConnectionTested(test_id=test_id, ok=True, steps=(), host_key=HOST_KEY, size=7, mtime=1)
        at_once(8, lambda _number: desk.handler.on_tested(report))
        told = only(desk.taken(), Answered)
        assert (told.ok, told.host_key, told.mtime) == (True, HOST_KEY, datetime.fromtimestamp(1, UTC))

    def test_old_events_are_forgotten(self, desk: Desk) -> None:
        for _ in range(2):
            desk.created()
        desk.all(
            "update inbox set received_at = now() - interval '31 days'"
            " where event_id = (select min(event_id) from inbox)"
        )
        desk.sweep.step()
        assert desk.value("select count(*) from inbox") == 1


class TestNewMapping:
    def save(self, desk: Desk) -> None:
        desk.ask("import_mapping.saved", fields={"Company": "LEAD_NAME"})
        desk.taken()

    def test_the_stored_file_is_imported_again_without_a_look_at_the_server(self, desk: Desk) -> None:
        # Given a file that was imported with the first mapping, and is not due for hours
        self.save(desk)
        connector_id = desk.insert_connector(due_at=datetime.now(UTC) + timedelta(hours=5))
        desk.give_file(connector_id, mapping_version=1)
        desk.handler.tick()
        assert desk.owed() == []
        # When another mapping is saved
        self.save(desk)
        desk.handler.tick()
        # Then the stored blob goes to the importers
        queued, job = desk.taken()
        assert isinstance(queued, SyncQueued)
        assert isinstance(job, ImportRequested)
        assert queued.trigger == "mapping"
        assert (job.blob, job.checksum, job.connector_id) == (f"org/{desk.org_id}/{CHECKSUM}", CHECKSUM, connector_id)
        assert desk.run(job.run_id)["stage"] == "stored"
        # And when its message is lost, it is sent again as what it was
        desk.let_leases_end()
        desk.sweep.step()
        assert desk.taken() == [job]

    def test_what_is_known_of_an_archive_outlives_imports_of_what_was_in_it(self, desk: Desk) -> None:
        # Given an archive that was imported
        connector_id = desk.insert_connector()
        run_id = desk.started()
        claim = claimed(desk, run_id, connector_id)
        with desk.connections.connection() as db:
            ImporterStore(db).finish(claim, Ending("succeeded", 0))
        run, row = desk.run(run_id), desk.connector(connector_id)
        assert (run["address"], run["remote_path"]) == (row["server_address"], row["file_remote_path"])
        # When it is imported again from the store, with a new mapping
        self.save(desk)
        desk.handler.tick()
        job = only(desk.taken(), ImportRequested)
        assert (job.size, job.remote_size, job.remote_checksum, job.path) == (
            7,
            5,
            "d" * 64,
            "/exports/leads.csv.gz",
        )
        with desk.connections.connection() as db:
            claim_again = ImporterStore(db).claim(job, 60)
            assert claim_again is not None
            ImporterStore(db).finish(claim_again, Ending("succeeded", 1))
        # Then the next look still knows the archive's size and place
        known = desk.look_again(connector_id).known
        assert known is not None
        assert (known.size, known.path, known.checksum) == (5, "/exports/leads.csv.gz", CHECKSUM)
        assert desk.connector(connector_id)["server_address"] == "192.0.2.7"

    def test_other_organisations_and_paused_connectors_are_left_alone(self, desk: Desk) -> None:
        later = datetime.now(UTC) + timedelta(hours=5)
        paused = desk.insert_connector(due_at=later, state="paused")
        strange = desk.insert_connector(due_at=later, org_id=UUID(int=7))
        for connector_id in (paused, strange):
            desk.give_file(connector_id)
        self.save(desk)
        desk.handler.tick()
        assert desk.owed() == []

    def test_a_mapping_saved_during_the_first_import_is_used_right_after_it(self, desk: Desk) -> None:
        # Given a first import, begun while there was no mapping
        connector_id = desk.insert_connector(interval_seconds=86_400)
        claim = claimed(desk, desk.started(), connector_id)
        # When a mapping is saved, and the import ends without it
        self.save(desk)
        with desk.connections.connection() as db:
            ImporterStore(db).finish(claim, Ending("failed", 0, code="company_name_not_mapped"))
        # Then the file is imported with it at once, not a day later
        desk.handler.tick()
        assert only(desk.taken(), ImportRequested).checksum == CHECKSUM
