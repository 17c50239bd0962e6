"""The notification bell is told how far an import has come: honestly, not too often, and never after its end."""

import threading
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from services.importer.outcome import Ending
from services.importer.progress import Progress, counters
from services.importer.store import Claim, Store
from services.importer.told import finished
from shared.contracts import BulkProgress, NotificationPushed, SyncFailed
from shared.database import Db
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import Desk

COUNT = st.integers(0, 1_000_000)


@given(merged=COUNT, rejected=COUNT, ignored=COUNT, line=COUNT, lines=COUNT)
def test_no_more_is_done_than_there_is(merged: int, rejected: int, ignored: int, line: int, lines: int) -> None:
    read = merged + rejected + ignored

    told = counters(read=read, line=line, lines=lines, succeeded=merged, failed=rejected)

    assert told.success_count + told.failure_count <= told.total_count
    assert told.total_count == read + max(0, lines - line)


@given(merged=COUNT, rejected=COUNT, read=COUNT)
def test_what_was_done_but_not_counted_as_read_yet_is_in_the_total(merged: int, rejected: int, read: int) -> None:
    told = counters(read=read, line=0, lines=0, succeeded=merged, failed=rejected)

    assert told.total_count == max(read, merged + rejected)


def test_records_of_several_lines_make_the_total_smaller_as_they_are_read() -> None:
    # Given a file of a header and 5 records, one of them over 6 lines
    steps = [(1, 2), (2, 8), (3, 9), (5, 11)]

    totals = [counters(read=read, line=line, lines=11, succeeded=read, failed=0).total_count for read, line in steps]

    assert totals == [10, 5, 5, 5]


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def claimed(imports: Imports, *, dry_run: bool = False) -> Claim:
    """A run in the importer's hands."""
    with imports.connections.connection() as db:
        claim = Store(db).claim(imports.request(csv_of([{"Company": "Acme"}]), dry_run=dry_run), 60)
    assert claim is not None
    return claim


def told(imports: Imports) -> list[NotificationPushed]:
    """The notifications that are owed."""
    return [event for event in imports.taken() if isinstance(event, NotificationPushed)]


def come_so_far(progress: Progress, done: int = 7) -> None:
    progress.at(read=done, line=done + 1, succeeded=done - 1, failed=1)


def test_an_import_that_goes_on_is_told_with_its_counters(imports: Imports, clock: Clock) -> None:
    claim = claimed(imports)
    progress = Progress(imports.service, claim, 21, clock=clock)
    clock.now += 1

    come_so_far(progress, 10)

    (pushed,) = told(imports)
    assert pushed == NotificationPushed(
        organisation_id=imports.org_id,
        title="CRM is being imported",
        content="10 of about 20 rows",
        in_progress=True,
        file_import_id=claim.run_id,
        bulk_progress=BulkProgress(total_count=20, success_count=9, failure_count=1),
    )


def test_where_the_number_of_lines_is_unknown_the_total_is_what_was_read(imports: Imports, clock: Clock) -> None:
    progress = Progress(imports.service, claimed(imports), clock=clock)
    clock.now += 1

    come_so_far(progress, 10)

    assert told(imports)[0].bulk_progress.total_count == 10


def test_it_is_told_once_a_second_and_not_in_the_first_one(imports: Imports, clock: Clock) -> None:
    progress = Progress(imports.service, claimed(imports), 1_000, clock=clock)

    for done in range(1, 36):
        come_so_far(progress, done)
        clock.now += 0.1

    done_at = [pushed.bulk_progress.success_count + pushed.bulk_progress.failure_count for pushed in told(imports)]
    assert len(done_at) == 3
    assert done_at[0] >= 11


def test_a_dry_run_rings_no_bell(imports: Imports, clock: Clock) -> None:
    progress = Progress(imports.service, claimed(imports, dry_run=True), clock=clock)
    clock.now += 10

    come_so_far(progress)

    assert imports.owed() == []


@pytest.mark.parametrize(
    "lost",
    [
        "update runs set attempt = attempt + 1",
        "update runs set stage = 'stored'",
        "update runs set stage = 'done', outcome = 'cancelled'",
    ],
)
def test_an_importer_that_lost_its_run_tells_nothing(imports: Imports, clock: Clock, lost: str) -> None:
    progress = Progress(imports.service, claimed(imports), clock=clock)
    clock.now += 1
    imports.all(lost)

    come_so_far(progress)

    assert imports.owed() == []


def test_the_final_notification_comes_last_while_a_cancellation_overtakes(imports: Imports, clock: Clock) -> None:
    # Given somebody who is just ending the run
    progress = Progress(imports.service, claimed(imports), clock=clock)
    clock.now += 1
    with imports.connections.connection() as db:
        db.execute("update runs set stage = 'done', outcome = 'cancelled'")
        # When progress is to be told, then it does not wait for that, and is not told
        telling = threading.Thread(target=come_so_far, args=[progress])
        telling.start()
        telling.join(5)
        assert not telling.is_alive()
    assert imports.owed() == []


def test_it_is_told_while_the_import_s_own_transaction_is_open(imports: Imports, clock: Clock) -> None:
    claim = claimed(imports)
    progress = Progress(imports.service, claim, clock=clock)
    clock.now += 1
    with imports.connections.connection() as own:
        own.execute(
            "insert into rejects (run_id, org_id, line, code, reason) values (%s, %s, 1, 'bad', '')",
            [claim.run_id, claim.org_id],
        )
        come_so_far(progress)
        assert len(told(imports)) == 1
        Store(own).finish(claim, Ending("succeeded", 1))
    assert imports.run(claim.run_id)["outcome"] == "succeeded"


def test_a_file_that_is_refused_midway_quietens_the_bell(imports: Imports, clock: Clock) -> None:
    claim = claimed(imports)
    progress = Progress(imports.service, claim, clock=clock)
    clock.now += 1
    come_so_far(progress)
    told(imports)

    with imports.connections.connection() as db:
        run = Store(db).finish(claim, Ending("failed", 1, code="too_many_rows"))

    failed, quiet = finished(claim, Ending("failed", 1, code="too_many_rows"), run)
    assert isinstance(quiet, NotificationPushed)
    assert (quiet.file_import_id, quiet.in_progress) == (claim.run_id, False)
    assert isinstance(failed, SyncFailed)
    assert quiet.content == failed.message


def test_an_import_goes_on_where_its_progress_cannot_be_told(imports: Imports, clock: Clock, database_url: str) -> None:
    away: ConnectionPool[Db] = ConnectionPool(database_url, open=False)
    progress = Progress(away, claimed(imports), clock=clock)
    clock.now += 1

    come_so_far(progress)

    assert imports.owed() == []


def test_a_change_of_the_connector_during_an_import_ends_its_progress(
    imports: Imports, desk: Desk, clock: Clock
) -> None:
    claim = claimed(imports)
    progress = Progress(imports.service, claim, clock=clock)
    clock.now += 1
    come_so_far(progress)
    desk.ask("sftp_connector.delete", connector_id=str(claim.connector_id))
    clock.now += 1

    come_so_far(progress)

    pushed = told(imports)
    assert _runs(pushed) == [claim.run_id] * 2
    assert [event.in_progress for event in pushed] == [True, False]


def _runs(pushed: list[NotificationPushed]) -> list[UUID]:
    return [notification.file_import_id for notification in pushed]
