"""Whoever asks why a run ended as it did is told its story, from due to done; an ordinary look costs no row for it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from services.importer.store import Claim
from services.importer.store import Store as ImporterStore
from shared.contracts import FetchProgressed, FetchReported, ImportRequested, StoredFile, SyncFailed
from shared.database import Db, every_organisation, organisation
from shared.decisions import note
from tests.integration.conftest import pool_of
from tests.integration.scheduler.builders import CHECKSUM, Database, Desk, only

Story = list[tuple[str, str]]
FILE = StoredFile(
    checksum=CHECKSUM, blob="org/x", size=7, looked_at=datetime(2026, 1, 2, tzinfo=UTC), reason="size or time differ"
)


def story(database: Database, run_id: UUID) -> Story:
    """What an operator is told of the run."""
    with every_organisation(pool_of("operator", database.connections)) as db:
        rows = db.execute("select at, step, detail from run_story(%s)", [run_id]).fetchall()
    assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
    return [(row["step"], row["detail"]) for row in rows]


def noted(desk: Database) -> int:
    count: int = desk.value("select count(*) from decisions")
    return count


def began(desk: Desk, run_id: UUID) -> None:
    """A fetcher takes the run."""
    desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))


def claim(desk: Desk, run_id: UUID, connector_id: UUID) -> Claim | None:
    """An importer takes up the run's file."""
    request = ImportRequested(run_id=run_id, org_id=desk.org_id, connector_id=connector_id, **FILE.model_dump())
    with organisation(pool_of("importer", desk.connections), desk.org_id) as db:
        return ImporterStore(db).claim(request, 60)


class TestOrdinaryLooks:
    def test_an_unchanged_file_is_told_by_the_run_alone(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        (told,) = desk.looked(connector_id, "unchanged", detail="size and time as before")
        assert story(desk, told.model_dump()["run_id"]) == [
            ("opened", "schedule"),
            ("started", "by a fetcher"),
            ("unchanged", "size and time as before"),
        ]
        assert noted(desk) == 0

    def test_so_are_a_failure_and_a_file_that_is_being_written(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        for verdict, code, outcome in (("failed", "timed_out", "failed"), ("not_settled", "not_settled", "held")):
            told = desk.looked(connector_id, verdict, code, detail="seen")[-1]
            assert story(desk, told.model_dump()["run_id"])[-1] == (outcome, f"{code}: seen")
        assert noted(desk) == 0


class TestStories:
    def test_why_a_known_content_was_downloaded(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        (told,) = desk.looked(connector_id, "unchanged", detail="same content", downloaded=True, reason="full check")
        assert story(desk, told.model_dump()["run_id"])[2:] == [
            ("unchanged", "same content, downloaded because: full check")
        ]
        assert noted(desk) == 0

    def test_a_look_that_an_admin_asked_for_and_that_waited_for_room(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_per_server=1)
        first = desk.created()
        event_id = desk.ask("sftp_connector.create", host="192.0.2.10", username="u", password="p", path="/other.csv")
        run_id: UUID = desk.value("select id from runs where stage = 'waiting'")
        # When it is asked for once more, and then there is room
        again_id = desk.ask("sftp_connector.sync_now", connector_id=str(desk.run(run_id)["connector_id"]))
        desk.handler.on_report(FetchReported(run_id=desk.open_runs(first)[0], verdict="failed", code="timed_out"))
        desk.handler.tick()
        began(desk, run_id)
        assert story(desk, run_id) == [
            ("opened", f"first, in reply to {event_id}"),
            ("waits", "for room at 192.0.2.10 or for the organisation"),
            ("asked again", f"manual, {again_id}"),
            ("let in", ""),
            ("started", "by a fetcher"),
        ]

    def test_fetchers_that_fell_silent_until_the_run_was_given_up(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_sends=2)
        desk.insert_connector()
        run_id = desk.tick().run_id
        for _ in range(2):
            began(desk, run_id)
            desk.taken()
            desk.let_leases_end()
            desk.sweep.step()
        assert story(desk, run_id) == [
            ("opened", "schedule"),
            ("started", "by a fetcher"),
            ("sent again", "to a fetcher: the lease ended"),
            ("failed", "gave_up: sent to fetchers 2 times, and none answered"),
        ]
        assert only(desk.taken(), SyncFailed).detail == "sent to fetchers 2 times, and none answered"

    def test_an_importer_that_fell_silent(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, max_attempts=1)
        connector_id = desk.insert_connector()
        run_id = desk.started()
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=FILE))
        # When the message gets lost, and then an importer dies
        desk.let_leases_end()
        desk.sweep.step()
        desk.taken()
        assert claim(desk, run_id, connector_id) is not None
        desk.let_leases_end()
        desk.sweep.step()
        assert story(desk, run_id)[2:] == [
            ("stored", "7 bytes, downloaded because: size or time differ"),
            ("sent again", "to an importer: the lease ended"),
            ("claimed", "attempt 1, size or time differ"),
            ("failed", "gave_up: claimed by importers 1 times, and none ended"),
        ]

    def test_that_a_file_is_stored_is_noted_once_and_not_after_an_importer_has_it(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.started()
        assert claim(desk, run_id, connector_id) is not None
        desk.handler.on_progress(FetchProgressed(run_id=run_id, phase="stored", file=FILE))
        assert [step for step, _ in story(desk, run_id)] == ["opened", "started", "claimed"]

    @pytest.mark.parametrize("event", ["delete", "update"])
    def test_a_run_that_is_cancelled_says_why(self, desk: Desk, event: str) -> None:
        connector_id = desk.created()
        (run_id,) = desk.open_runs(connector_id)
        desk.ask(f"sftp_connector.{event}", connector_id=str(connector_id), path="/other.csv")
        assert story(desk, run_id)[-1] == ("cancelled", "cancelled: the connector was changed or deleted")

    def test_a_dry_run_gives_way(self, desk: Desk) -> None:
        connector_id = desk.insert_connector()
        event_id = desk.ask("sftp_connector.sync_now", connector_id=str(connector_id), dry_run=True)
        (run_id,) = desk.open_runs(connector_id)
        desk.ask("sftp_connector.sync_now", connector_id=str(connector_id))
        assert story(desk, run_id) == [
            ("opened", f"manual, in reply to {event_id}, dry run"),
            ("cancelled", "cancelled: a dry run gave way to a sync"),
        ]


class TestKeeping:
    def test_old_decisions_go_a_batch_at_a_time_and_the_others_stay(self, connections: ConnectionPool[Db]) -> None:
        desk = Desk(connections, kept_decisions_days=3, forget_batch=2)
        desk.insert_connector()
        run_id = desk.started()
        for days in (2, 4, 5, 6):
            desk.all(
                "insert into decisions (org_id, run_id, connector_id, step, detail, at)"
                " select org_id, id, connector_id, 'stored', %(days)s, now() - make_interval(days => %(days)s)"
                " from runs where id = %(run)s",
                days=days,
                run=run_id,
            )
        left = "select string_agg(detail, ' ' order by at desc) from decisions"
        # When two sweeps have looked, then the oldest two are gone first
        desk.sweep.step()
        assert desk.value(left) == "2 4"
        desk.sweep.step()
        assert desk.value(left) == "2"

    def test_nothing_is_noted_of_a_run_that_is_not_there(self, desk: Desk) -> None:
        with every_organisation(pool_of("scheduler", desk.connections)) as db:
            note(db, uuid4(), "stored")
        assert noted(desk) == 0

    def test_whoever_removes_a_run_waits_for_what_is_being_noted_of_it(self, desk: Desk) -> None:
        # Given a note that is not committed yet
        desk.insert_connector()
        run_id = desk.started()
        with every_organisation(pool_of("scheduler", desk.connections)) as db:
            note(db, run_id, "stored")
            # When the run is removed meanwhile, then that does not pass the note
            with desk.connections.connection() as other, other.transaction(force_rollback=True):
                other.execute("set local lock_timeout = '100ms'")
                with pytest.raises(psycopg.errors.LockNotAvailable):
                    other.execute("delete from runs where id = %s", [run_id])

    def test_an_organisation_reads_no_story_of_another(self, desk: Desk) -> None:
        desk.insert_connector()
        run_id = desk.started()
        for org_id, steps in ((desk.org_id, 2), (uuid4(), 0)):
            with organisation(pool_of("operator", desk.connections), org_id) as db:
                assert len(db.execute("select from run_story(%s)", [run_id]).fetchall()) == steps
