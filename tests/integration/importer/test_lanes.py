"""Large files do not hold up small ones, and one organisation has one import at a time."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.importer.outcome import Ending
from services.importer.store import Claim, Store
from shared.bus.jobs import JobSender, Lane
from shared.contracts import LARGE_FILE_BYTES, LARGE_IMPORTS, ImportRequested, import_queue
from shared.database import Row
from tests.integration.amqp import depth, wait_until
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import Desk, at_once

FILE = csv_of([{"Company": "Acme"}])
LEASE = 60.0


def request_of(size: int) -> ImportRequested:
    """The import of a file of so many bytes."""
    ids = {name: uuid4() for name in ("run_id", "org_id", "connector_id")}
    return ImportRequested(**ids, checksum="c" * 64, blob="b", size=size, looked_at=datetime(2026, 1, 2, tzinfo=UTC))


class TestQueues:
    """A file's size tells where its import waits."""

    @pytest.mark.parametrize(
        ("size", "queue"),
        [(0, "sftp.import"), (LARGE_FILE_BYTES - 1, "sftp.import"), (LARGE_FILE_BYTES, LARGE_IMPORTS)],
    )
    def test_a_large_file_has_a_queue_of_its_own(self, size: int, queue: str, amqp_url: str) -> None:
        sender = JobSender(amqp_url)
        sender.send(request_of(size))
        sender.close()
        assert import_queue(size) == request_of(size).destination == queue
        assert depth(amqp_url, queue) == 1

    def test_small_files_pass_a_large_one_that_takes_long(self, amqp_url: str) -> None:
        # Given a large file in hand, and another one behind it
        begun, release, done = threading.Event(), threading.Event(), list[UUID]()

        def hold(_job: ImportRequested) -> None:
            begun.set()
            release.wait(30)

        sender = JobSender(amqp_url)
        large = Lane(amqp_url, {ImportRequested: hold}, threads=1, queue=LARGE_IMPORTS)
        small = Lane(amqp_url, {ImportRequested: lambda job: done.append(job.run_id)}, threads=1)
        with running(large, small):
            for _ in range(2):
                sender.send(request_of(LARGE_FILE_BYTES))
            assert begun.wait(10)
            # When small ones come, then they are done meanwhile
            jobs = [request_of(size) for size in (1, 2, 3)]
            for job in jobs:
                sender.send(job)
            wait_until(lambda: done == [job.run_id for job in jobs], seconds=5)
            release.set()
        sender.close()


@contextmanager
def running(*lanes: Lane) -> Iterator[None]:
    """Lanes that consume."""
    for lane in lanes:
        lane.start()
    try:
        yield
    finally:
        for lane in lanes:
            lane.stop(2)


class Crowd:
    """Runs of one organisation, each of a connector of its own, and importers that take them up."""

    def __init__(self, imports: Imports) -> None:
        self.imports = imports

    def request(self, *, dry_run: bool = False) -> ImportRequested:
        """One more file that waits for an importer."""
        return self.imports.request(FILE, dry_run=dry_run)

    def claim(self, request: ImportRequested) -> Claim | None:
        with self.imports.connections.connection() as db:
            return Store(db).claim(request, LEASE)

    def claimed(self, request: ImportRequested) -> Claim:
        claim = self.claim(request)
        assert claim is not None
        return claim

    def made_to_wait(self, *requests: ImportRequested) -> None:
        """An importer took up each of them and left it, because another import is under way."""
        for request in requests:
            assert self.claim(request) is None
            assert self.waits(request)

    def waits(self, request: ImportRequested) -> bool:
        run = self.run(request)
        return bool(run["stage"] == "stored" and run["awaits_turn"])

    def end(self, claim: Claim) -> None:
        with self.imports.connections.connection() as db:
            Store(db).finish(claim, Ending("succeeded", 1))

    def run(self, request: ImportRequested) -> Row:
        return self.imports.run(request.run_id)

    def handed_on(self) -> list[ImportRequested]:
        """The imports that are owed an importer."""
        return [job for job in self.imports.taken() if isinstance(job, ImportRequested)]


@pytest.fixture
def crowd(imports: Imports) -> Crowd:
    """The organisation's runs."""
    return Crowd(imports)


class TestTurns:
    """An import waits for its turn in the database, and not in an importer."""

    def test_a_second_import_leaves_its_importer_and_keeps_what_is_known_of_its_file(self, crowd: Crowd) -> None:
        crowd.claimed(crowd.request())
        request = crowd.request()
        crowd.imports.handler.on_import(request)
        run = crowd.run(request)
        assert (run["stage"], run["awaits_turn"], run["attempt"]) == ("stored", True, 0)
        assert (run["checksum"], run["blob"], run["file_size"]) == (request.checksum, request.blob, request.size)
        assert crowd.imports.owed() == []

    def test_another_organisation_does_not_wait(self, crowd: Crowd) -> None:
        crowd.claimed(crowd.request())
        other = uuid4()
        crowd.imports.save_mapping(org_id=other)
        assert crowd.imports.imported(FILE, org_id=other)["outcome"] == "succeeded"

    def test_of_many_claims_at_the_same_moment_one_is_given(self, crowd: Crowd) -> None:
        requests = [crowd.request() for _ in range(8)]
        claims = at_once(8, lambda number: crowd.claim(requests[number]))
        assert sum(claim is not None for claim in claims) == 1
        assert sum(crowd.waits(request) for request in requests) == 7

    def test_an_import_whose_importer_died_is_not_waited_for(self, crowd: Crowd) -> None:
        dead, request = crowd.request(), crowd.request()
        crowd.claimed(dead)
        crowd.imports.all("update runs set lease_until = now() - interval '1 second'")
        crowd.claimed(request)
        # When the dead importer's message comes again, then that run waits as well, and its old claim is lost
        crowd.made_to_wait(dead)

    def test_a_repeated_message_does_not_make_an_import_wait_for_itself(self, crowd: Crowd) -> None:
        request = crowd.request()
        crowd.claimed(request)
        assert crowd.claim(request) is None
        assert crowd.run(request)["stage"] == "importing"

    def test_turns_are_given_in_the_order_of_coming(self, crowd: Crowd) -> None:
        requests = [crowd.request() for _ in range(4)]
        claim: Claim | None = crowd.claimed(requests[0])
        crowd.made_to_wait(*requests[:0:-1])
        for request in requests[1:]:
            assert claim is not None
            crowd.end(claim)
            assert crowd.handed_on() == [request]
            claim = crowd.claim(request)
        assert claim is not None
        crowd.end(claim)
        assert crowd.handed_on() == []

    def test_small_files_come_before_large_ones_for_a_while(self, crowd: Crowd) -> None:
        first, large, small, later = (crowd.request() for _ in range(4))
        large = large.model_copy(update={"size": LARGE_FILE_BYTES})
        claim = crowd.claimed(first)
        crowd.made_to_wait(large, small, later)
        crowd.end(claim)
        assert crowd.handed_on() == [small]
        # When the large one has waited for long, then it comes before those that came after it
        crowd.imports.all(
            "update runs set queued_at = now() - interval '16 minutes' where id = %(id)s", id=large.run_id
        )
        crowd.end(crowd.claimed(small))
        assert crowd.handed_on() == [large]

    def test_what_is_handed_on_while_another_message_is_faster_waits_again(self, crowd: Crowd) -> None:
        first, second, faster = (crowd.request() for _ in range(3))
        claim = crowd.claimed(first)
        crowd.made_to_wait(second)
        crowd.end(claim)
        assert crowd.handed_on() == [second]
        claim = crowd.claimed(faster)
        crowd.made_to_wait(second)
        crowd.end(claim)
        assert crowd.handed_on() == [second]

    def test_what_was_handed_on_after_a_quarter_of_an_hour_keeps_its_turn(self, crowd: Crowd) -> None:
        first, old, faster = (crowd.request() for _ in range(3))
        claim = crowd.claimed(first)
        crowd.made_to_wait(old)
        crowd.imports.all("update runs set queued_at = now() - interval '1 hour' where id = %(id)s", id=old.run_id)
        crowd.end(claim)
        assert crowd.handed_on() == [old]
        # When another message comes first, then it waits
        crowd.made_to_wait(faster)
        crowd.end(crowd.claimed(old))
        assert crowd.handed_on() == [faster]

    def test_a_message_that_comes_while_an_import_just_ends_is_not_left_behind(self, crowd: Crowd) -> None:
        first, second = crowd.request(), crowd.request()
        claim, claims = crowd.claimed(first), list[Claim | None]()
        claiming = threading.Thread(target=lambda: claims.append(crowd.claim(second)))
        # Given an end that is not committed
        with crowd.imports.connections.connection() as db:
            Store(db).finish(claim, Ending("succeeded", 1))
            claiming.start()
            time.sleep(0.2)
            assert claims == []
        # When it is, then the other gets its turn
        claiming.join(10)
        assert claims[0] is not None


class TestHandingOn:
    """However an import ends, the organisation's next one begins."""

    @pytest.fixture
    def waiting(self, crowd: Crowd) -> ImportRequested:
        """A file that waits; the one before it is not claimed yet."""
        return crowd.request()

    def end(self, crowd: Crowd, request: ImportRequested, waiting: ImportRequested) -> None:
        with crowd.imports.stopped_before_merging(request):
            crowd.made_to_wait(waiting)
        assert crowd.handed_on() == [waiting]
        assert crowd.run(waiting)["lease_until"] > datetime.now(UTC)

    @pytest.mark.parametrize("dry_run", [False, True], ids=["real", "dry"])
    def test_after_an_import(self, crowd: Crowd, waiting: ImportRequested, *, dry_run: bool) -> None:
        request = crowd.request(dry_run=dry_run)
        self.end(crowd, request, waiting)
        assert crowd.run(request)["outcome"] == "succeeded"

    def test_the_next_one_has_its_whole_minute_however_long_that_before_took(
        self, crowd: Crowd, waiting: ImportRequested
    ) -> None:
        request = crowd.request()
        with crowd.imports.stopped_before_merging(request):
            crowd.made_to_wait(waiting)
            time.sleep(2)
        assert crowd.run(waiting)["lease_until"] > datetime.now(UTC) + timedelta(seconds=59)

    def test_after_a_refused_file(self, crowd: Crowd, waiting: ImportRequested) -> None:
        imports = crowd.imports
        small = Imports(imports.connections, imports.folder, max_rows=1)
        small.org_id = imports.org_id
        request = small.request(csv_of([{"Company": "Acme"}, {"Company": "Bolt"}]))
        self.end(Crowd(small), request, waiting)
        assert crowd.run(request)["code"] == "too_many_rows"

    def test_after_an_import_that_was_cancelled(self, crowd: Crowd, desk: Desk, waiting: ImportRequested) -> None:
        request = crowd.request()
        with crowd.imports.stopped_before_merging(request):
            crowd.made_to_wait(waiting)
            desk.ask("sftp_connector.delete", connector_id=str(request.connector_id))
            assert crowd.handed_on() == []
        assert crowd.handed_on() == [waiting]

    def test_after_a_lost_blob(self, crowd: Crowd, waiting: ImportRequested) -> None:
        claim = crowd.claimed(crowd.request())
        crowd.made_to_wait(waiting)
        with crowd.imports.connections.connection() as db:
            Store(db).send_back(claim)
        assert crowd.handed_on() == [waiting]

    def test_a_fenced_importer_does_not_hand_on_while_its_successor_imports(
        self, crowd: Crowd, waiting: ImportRequested
    ) -> None:
        request = crowd.request()
        with crowd.imports.stopped_before_merging(request):
            crowd.imports.all("update runs set lease_until = now() - interval '1 second' where stage = 'importing'")
            crowd.claimed(request)
            crowd.made_to_wait(waiting)
        assert crowd.handed_on() == []
        assert crowd.waits(waiting)


class TestSweep:
    """What nobody hands on is sent again, and what waits in good order is left alone."""

    def test_who_waits_for_a_turn_is_not_sent_and_not_given_up(self, crowd: Crowd, desk: Desk) -> None:
        crowd.claimed(crowd.request())
        waiting = crowd.request()
        crowd.made_to_wait(waiting)
        for _ in range(10):
            crowd.imports.all("update runs set lease_until = now() - interval '1 second' where awaits_turn")
            desk.sweep.step()
        run = crowd.run(waiting)
        assert crowd.handed_on() == []
        assert (run["stage"], run["awaits_turn"], run["attempt"], run["sends"]) == ("stored", True, 0, 1)

    def test_when_the_importer_died_the_first_is_sent_whatever_waits_in_the_queue(
        self, crowd: Crowd, desk: Desk
    ) -> None:
        dead, *waiting = (crowd.request() for _ in range(4))
        crowd.claimed(dead)
        crowd.made_to_wait(*waiting)
        desk.let_leases_end()
        desk.waiting = {"sftp.import": 1}
        desk.sweep.step()
        # The dead importer's run, and one of those that waited
        assert {job.run_id for job in crowd.handed_on()} == {dead.run_id, waiting[0].run_id}
        assert crowd.run(dead)["attempt"] == 1
        # When both messages come, then one imports, and its end gives the others their turns
        claim = crowd.claimed(waiting[0])
        crowd.made_to_wait(dead)
        crowd.end(claim)
        assert crowd.handed_on() == [dead]

    def test_a_file_that_was_fetched_at_the_last_try_is_not_given_up_in_a_long_queue(
        self, crowd: Crowd, desk: Desk
    ) -> None:
        stored = crowd.request()
        crowd.imports.all("update runs set sends = 5, checksum = 'c', blob = 'b', file_size = 7, looked_at = now()")
        desk.waiting = {"sftp.import": 40}
        for _ in range(3):
            desk.let_leases_end()
            desk.sweep.step()
        assert crowd.run(stored)["stage"] == "stored"

    def test_the_depth_of_the_run_s_own_queue_tells_whether_its_message_is_lost(self, crowd: Crowd, desk: Desk) -> None:
        large, small = crowd.request(), crowd.request()
        crowd.imports.all(
            "update runs set checksum = %(sum)s, blob = 'b', looked_at = now(),"
            " file_size = case when id = %(large)s then %(bytes)s else 7 end",
            sum=large.checksum,
            large=large.run_id,
            bytes=LARGE_FILE_BYTES,
        )
        desk.let_leases_end()
        desk.waiting = {LARGE_IMPORTS: 3}
        desk.sweep.step()
        assert [job.run_id for job in crowd.handed_on()] == [small.run_id]
