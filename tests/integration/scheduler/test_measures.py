"""What the gauges tell of the tables and queues, in the scheduler's own role."""

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import ConnectionPool

from services.scheduler.measures import Measures
from shared.bus.events import UI_QUEUE, declare
from shared.bus.jobs import JobSender
from shared.bus.queues import Queues
from shared.contracts import FetchProgressed, FetchRequested
from shared.database import Db
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.migrate import FOLDER
from tests.integration.amqp import channel, put, wait_until
from tests.integration.conftest import pool_of
from tests.integration.scheduler.builders import Desk


class Gauges:
    """A scheduler's measures, and what they tell."""

    def __init__(self, connections: ConnectionPool[Db], queues: Queues, **options: float) -> None:
        self._metrics = Metrics(CollectorRegistry(), "scheduler")
        self.measures = Measures(pool_of("scheduler", connections), self._metrics, queues.state, **options)

    def value(self, name: str, **labels: str) -> float | None:
        return self._metrics.registry.get_sample_value(f"sftp_connector_{name}", labels)


AWAY = Queues("amqp://127.0.0.1:1")


@pytest.fixture
def queues(amqp_url: str) -> Iterator[Queues]:
    made = Queues(amqp_url)
    yield made
    made.close()


@pytest.fixture
def gauges(connections: ConnectionPool[Db], queues: Queues) -> Gauges:
    return Gauges(connections, queues)


def ago(**time_ago: float) -> datetime:
    return datetime.now(UTC) - timedelta(**time_ago)


def succeeded(desk: Desk, when: datetime, **columns: Any) -> UUID:
    """A connector that is looked at every 15 minutes and had its last success then."""
    return desk.insert_connector(interval_seconds=900, last_success_at=when, created_at=ago(days=90), **columns)


class TestConnectors:
    def test_a_success_within_twice_the_interval_is_fresh(self, desk: Desk, gauges: Gauges) -> None:
        succeeded(desk, ago(minutes=29))
        succeeded(desk, ago(minutes=31))
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness="fresh") == 1
        assert gauges.value("active_connectors", freshness="late") == 1

    def test_one_whose_admin_was_told_a_code_is_failing_and_not_late(self, desk: Desk, gauges: Gauges) -> None:
        succeeded(desk, ago(hours=3), last_code="login_refused", failures=2)
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness="failing") == 1
        assert gauges.value("active_connectors", freshness="late") == 0

    def test_one_failure_after_a_success_leaves_it_fresh(self, desk: Desk, gauges: Gauges) -> None:
        succeeded(desk, ago(minutes=20), last_code="connect_timeout", failures=1)
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness="fresh") == 1
        assert gauges.value("active_connectors", freshness="failing") == 0

    def test_a_new_connector_is_fresh_until_it_should_have_had_a_success(self, desk: Desk, gauges: Gauges) -> None:
        desk.insert_connector()
        desk.insert_connector(created_at=ago(hours=1))
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness="fresh") == 1
        assert gauges.value("active_connectors", freshness="late") == 1

    @pytest.mark.parametrize(
        ("stage", "awaits_turn", "hours", "told"),
        [
            ("fetching", False, 3, "fresh"),
            ("importing", False, 3, "fresh"),
            ("stored", True, 3, "fresh"),
            # Nobody has these in hand
            ("queued", False, 3, "late"),
            ("stored", False, 3, "late"),
            ("done", False, 3, "late"),
            # And that is no large file any more
            ("importing", False, 7, "late"),
        ],
    )
    def test_one_whose_file_takes_long_is_not_late_meanwhile(
        self, desk: Desk, gauges: Gauges, *, stage: str, awaits_turn: bool, hours: int, told: str
    ) -> None:
        run_id = desk.due(succeeded(desk, ago(hours=8)))
        desk.all(
            "update runs set stage = %(stage)s, outcome = case %(stage)s when 'done' then 'unchanged' end,"
            " awaits_turn = %(awaits)s, queued_at = %(began)s where id = %(id)s",
            stage=stage,
            awaits=awaits_turn,
            began=ago(hours=hours),
            id=run_id,
        )
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness=told) == 1

    def test_one_that_is_failing_stays_so_while_its_file_is_fetched(self, desk: Desk, gauges: Gauges) -> None:
        run_id = desk.due(succeeded(desk, ago(hours=8), last_code="login_refused", failures=2))
        desk.all("update runs set stage = 'fetching' where id = %(id)s", id=run_id)
        gauges.measures.connectors()
        assert gauges.value("active_connectors", freshness="failing") == 1

    def test_each_is_in_one_state(self, desk: Desk, gauges: Gauges) -> None:
        for state, code in (("active", None), ("paused", None), ("paused", "login_refused"), ("deleted", None)):
            desk.insert_connector(state=state, paused_code=code)
        gauges.measures.connectors()
        assert [gauges.value("connectors", state=state) for state in ("active", "paused", "auto_paused")] == [1, 1, 1]

    def test_a_quantile_is_as_old_as_the_success_of_so_many(self, desk: Desk, gauges: Gauges) -> None:
        for minutes in range(1, 101):
            succeeded(desk, ago(minutes=minutes))
        succeeded(desk, ago(days=3), state="paused")
        gauges.measures.connectors()
        gauges.measures.tables()
        ages = [gauges.value("success_age_seconds", quantile=quantile) for quantile in ("0.5", "0.9", "0.99")]
        assert ages == [pytest.approx(minutes * 60, abs=30) for minutes in (50, 90, 99)]
        assert gauges.value("oldest_success_seconds") == pytest.approx(6000, abs=30)

    def test_without_any_no_age_is_told(self, desk: Desk, gauges: Gauges) -> None:
        connector_id = succeeded(desk, ago(minutes=1))
        gauges.measures.connectors()
        desk.all("update connectors set state = 'paused' where id = %(id)s", id=connector_id)
        gauges.measures.connectors()
        assert gauges.value("success_age_seconds", quantile="0.5") is None
        assert gauges.value("active_connectors", freshness="fresh") == 0

    def test_those_of_all_organisations_count(self, desk: Desk, gauges: Gauges) -> None:
        for _ in range(3):
            desk.insert_connector(org_id=UUID(int=desk.org_id.int ^ 1))
        desk.insert_connector()
        gauges.measures.connectors()
        assert gauges.value("connectors", state="active") == 4


class TestBacklog:
    def test_an_empty_system_owes_nothing(self, gauges: Gauges) -> None:
        gauges.measures.tables()
        for name in (
            "oldest_due",
            "oldest_success",
            "oldest_import",
            "lease_overdue",
            "outbox_oldest",
            "oldest_removal",
        ):
            assert gauges.value(f"{name}_seconds") == 0
        for stage in ("waiting", "queued", "fetching", "stored", "importing"):
            assert gauges.value("open_runs", stage=stage) == 0
            assert gauges.value("oldest_open_run_seconds", stage=stage) == 0

    def test_what_is_due_is_as_late_as_the_first_of_it(self, desk: Desk, gauges: Gauges) -> None:
        desk.insert_connector(due_at=ago(seconds=20))
        desk.insert_connector(due_at=ago(seconds=90))
        desk.insert_connector(due_at=ago(seconds=500), state="paused")
        gauges.measures.tables()
        assert gauges.value("oldest_due_seconds") == pytest.approx(90, abs=15)

    def test_one_whose_run_goes_on_is_not_due_however_long_it_takes(self, desk: Desk, gauges: Gauges) -> None:
        connector_id = desk.insert_connector()
        run_id = desk.due(connector_id)
        desk.all("update connectors set due_at = %(when)s where id = %(id)s", when=ago(hours=2), id=connector_id)
        desk.insert_connector(due_at=ago(seconds=90))
        gauges.measures.tables()
        assert gauges.value("oldest_due_seconds") == pytest.approx(90, abs=15)
        desk.all("update runs set stage = 'done', outcome = 'unchanged' where id = %(id)s", id=run_id)
        gauges.measures.tables()
        assert gauges.value("oldest_due_seconds") == pytest.approx(7200, abs=15)

    def test_a_run_that_awaits_its_turn_waits_for_no_importer(self, desk: Desk, gauges: Gauges) -> None:
        for minutes, awaits in ((60, True), (10, False)):
            desk.all(
                "update runs set stage = 'stored', awaits_turn = %(awaits)s, queued_at = %(when)s where id = %(id)s",
                awaits=awaits,
                when=ago(minutes=minutes),
                id=desk.due(desk.insert_connector()),
            )
        gauges.measures.tables()
        assert gauges.value("open_runs", stage="stored") == 2
        assert gauges.value("oldest_open_run_seconds", stage="stored") == pytest.approx(600, abs=15)

    def test_the_oldest_run_of_each_stage_is_told(self, desk: Desk, gauges: Gauges) -> None:
        run_id = desk.due(desk.insert_connector())
        desk.all("update runs set queued_at = now() - interval '10 minutes' where id = %(id)s", id=run_id)
        gauges.measures.tables()
        assert gauges.value("open_runs", stage="queued") == 1
        assert gauges.value("oldest_open_run_seconds", stage="queued") == pytest.approx(600, abs=15)

    def test_a_stage_that_emptied_is_told_as_empty(self, desk: Desk, gauges: Gauges) -> None:
        run_id = desk.due(desk.insert_connector())
        gauges.measures.tables()
        desk.all("update runs set stage = 'done', outcome = 'unchanged' where id = %(id)s", id=run_id)
        gauges.measures.tables()
        assert gauges.value("open_runs", stage="queued") == 0

    def test_an_import_is_as_old_as_its_claim(self, desk: Desk, gauges: Gauges) -> None:
        run_id = desk.due(desk.insert_connector())
        desk.all(
            "update runs set stage = 'importing', claimed_at = now() - interval '7 minutes' where id = %(id)s",
            id=run_id,
        )
        gauges.measures.tables()
        assert gauges.value("oldest_import_seconds") == pytest.approx(420, abs=15)

    @pytest.mark.parametrize(
        ("stage", "awaits_turn", "overdue"),
        [("queued", False, 120), ("importing", False, 120), ("waiting", False, 0), ("stored", True, 0)],
    )
    def test_a_lease_that_is_over_is_told_where_somebody_is_late(
        self, desk: Desk, gauges: Gauges, stage: str, awaits_turn: bool, overdue: int
    ) -> None:
        run_id = desk.due(desk.insert_connector())
        desk.all(
            "update runs set stage = %(stage)s, awaits_turn = %(awaits)s, lease_until = now() - interval '2 minutes'"
            " where id = %(id)s",
            stage=stage,
            awaits=awaits_turn,
            id=run_id,
        )
        gauges.measures.tables()
        assert gauges.value("lease_overdue_seconds") == pytest.approx(overdue, abs=15)

    def test_a_lease_that_goes_on_is_no_debt(self, desk: Desk, gauges: Gauges) -> None:
        desk.due(desk.insert_connector())
        gauges.measures.tables()
        assert gauges.value("lease_overdue_seconds") == 0

    def test_the_outbox_is_as_old_as_its_first_message(self, desk: Desk, gauges: Gauges) -> None:
        desk.due(desk.insert_connector())
        owed = desk.value("select count(*) from outbox")
        desk.all("update outbox set created_at = now() - interval '3 minutes' where id = (select min(id) from outbox)")
        gauges.measures.tables()
        assert gauges.value("outbox_messages") == owed == 2
        assert gauges.value("outbox_oldest_seconds") == pytest.approx(180, abs=15)

    def test_a_removal_is_told_until_it_is_done(self, desk: Desk, gauges: Gauges) -> None:
        desk.all(
            "insert into removals (org_id, reply_to, asked_at, lease_until)"
            " values (%(org_id)s, 'a', now() - interval '5 minutes', now())",
            org_id=desk.org_id,
        )
        gauges.measures.tables()
        assert gauges.value("oldest_removal_seconds") == pytest.approx(300, abs=15)
        desk.all("update removals set removed_at = now()")
        gauges.measures.tables()
        assert gauges.value("oldest_removal_seconds") == 0

    def test_the_migrations_are_those_that_the_code_knows(self, gauges: Gauges) -> None:
        gauges.measures.tables()
        assert gauges.value("schema_migrations") == len(list(FOLDER.glob("*.sql")))
        assert gauges.value("schema_migrations_known") == gauges.value("schema_migrations")


class TestQueues:
    def test_a_queue_that_nobody_made_is_empty_and_without_consumers(self, gauges: Gauges) -> None:
        gauges.measures.queues()
        assert gauges.value("queue_messages", queue="sftp.fetch") == 0
        assert gauges.value("queue_consumers", queue="sftp.fetch") == 0
        assert gauges.value("dead_letters", queue="sftp.fetch") == 0

    def test_what_waits_and_what_was_given_up_is_told_by_queue(self, amqp_url: str, gauges: Gauges) -> None:
        sender = JobSender(amqp_url)
        sender.send(FetchProgressed(run_id=UUID(int=1), phase="started"))
        sender.close()
        put(amqp_url, f"{FetchProgressed.queue}.XQ", b"{}", b"{}")
        with channel(amqp_url) as open_channel:
            declare(open_channel)
        put(amqp_url, f"{UI_QUEUE}.parked", b"{}")

        def told() -> bool:
            gauges.measures.queues()
            return gauges.value("queue_messages", queue=FetchProgressed.queue) == 1

        wait_until(told)
        assert gauges.value("dead_letters", queue=FetchProgressed.queue) == 2
        assert gauges.value("dead_letters", queue=UI_QUEUE) == 1
        assert gauges.value("queue_messages", queue=FetchRequested.queue) == 0

    def test_whoever_takes_from_it_counts(self, amqp_url: str, gauges: Gauges) -> None:
        with channel(amqp_url) as open_channel:
            declare(open_channel)
            for _ in range(2):
                open_channel.basic_consume(UI_QUEUE, lambda *_message: None)
            gauges.measures.queues()
            assert gauges.value("queue_consumers", queue=UI_QUEUE) == 2


class TestAge:
    """A scheduler that is cut off says nothing rather than what was; others may still know."""

    def test_figures_that_cannot_be_taken_stay_as_old_as_they_are(self, connections: ConnectionPool[Db]) -> None:
        gauges = Gauges(connections, AWAY)
        gauges.measures.tables()
        with pytest.raises(BusUnavailable):
            gauges.measures.queues()
        queues, tables = (gauges.value("measured_timestamp_seconds", figures=name) for name in ("queues", "tables"))
        assert queues is not None
        assert tables is not None
        assert queues < tables

    def test_figures_that_were_never_taken_are_as_old_as_the_process(self, connections: ConnectionPool[Db]) -> None:
        begun = time.time()
        gauges = Gauges(connections, AWAY)
        for figures in ("tables", "connectors", "queues"):
            assert gauges.value("measured_timestamp_seconds", figures=figures) == pytest.approx(begun, abs=15)

    def test_old_figures_of_the_database_are_told_no_more(self, desk: Desk, connections: ConnectionPool[Db]) -> None:
        # Given a scheduler that took what there is
        desk.insert_connector(due_at=ago(seconds=90))
        gauges = Gauges(connections, AWAY, old_seconds=0)
        gauges.measures.connectors()
        gauges.measures.tables()
        assert gauges.value("oldest_due_seconds") == pytest.approx(90, abs=15)

        # When it takes nothing for too long, and another of its loops notices
        with pytest.raises(BusUnavailable):
            gauges.measures.queues()

        # Then
        assert gauges.value("connectors", state="active") is None
        assert gauges.value("active_connectors", freshness="fresh") is None
        assert gauges.value("success_age_seconds", quantile="0.5") is None
        assert gauges.value("open_runs", stage="queued") is None
        assert gauges.value("oldest_open_run_seconds", stage="queued") is None
        for name in (
            *("oldest_due_seconds", "oldest_success_seconds", "oldest_import_seconds", "oldest_removal_seconds"),
            *("outbox_messages", "outbox_oldest_seconds", "lease_overdue_seconds", "schema_migrations"),
        ):
            assert math.isnan(gauges.value(name) or 0), name

        # And when it takes them again they are back
        gauges.measures.tables()
        assert gauges.value("oldest_due_seconds") == pytest.approx(90, abs=15)
        assert gauges.value("open_runs", stage="queued") == 0

    def test_old_figures_of_the_queues_are_told_no_more(self, connections: ConnectionPool[Db], queues: Queues) -> None:
        gauges = Gauges(connections, queues, old_seconds=0)
        gauges.measures.queues()
        assert gauges.value("queue_consumers", queue="sftp.fetch") == 0
        gauges.measures.tables()
        for name in ("queue_messages", "queue_consumers", "dead_letters"):
            assert gauges.value(name, queue="sftp.fetch") is None

    def test_figures_that_are_young_stay(self, desk: Desk, connections: ConnectionPool[Db]) -> None:
        desk.insert_connector(due_at=ago(seconds=90))
        gauges = Gauges(connections, AWAY)
        gauges.measures.tables()
        with pytest.raises(BusUnavailable):
            gauges.measures.queues()
        assert gauges.value("oldest_due_seconds") == pytest.approx(90, abs=15)
