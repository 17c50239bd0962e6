"""Runs are forgotten when they are old, the oldest first, and with them the rows that they rejected."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.ids import first_id_of, new_id
from tests.integration.scheduler.builders import Desk


def run(desk: Desk, connector_id: UUID, days: float, stage: str = "done") -> UUID:
    """A run that was opened so many days ago, with a rejected row."""
    made = first_id_of(datetime.now(UTC) - timedelta(days=days))
    run_id = UUID(int=made.int | uuid4().int & (1 << 80) - 1)
    desk.all(
        "insert into runs (id, org_id, connector_id, trigger, stage, outcome, lease_until) values"
        " (%(id)s, %(org)s, %(connector)s, 'schedule', %(stage)s, %(outcome)s, now() + interval '1 day')",
        id=run_id,
        org=desk.org_id,
        connector=connector_id,
        stage=stage,
        outcome="succeeded" if stage == "done" else None,
    )
    desk.all(
        "insert into rejects (run_id, org_id, line, code, reason) values (%(id)s, %(org)s, 1, 'no_name', 'x')",
        id=run_id,
        org=desk.org_id,
    )
    return run_id


def kept(desk: Desk, table: str, column: str) -> set[UUID]:
    return {row[column] for row in desk.all(f"select {column} from {table}")}


def test_old_runs_go_with_their_rejected_rows_and_young_and_open_ones_stay(desk: Desk) -> None:
    connector_id = desk.insert_connector()
    run(desk, connector_id, days=46)
    young = run(desk, connector_id, days=44)
    still_open = run(desk, connector_id, days=60, stage="importing")

    desk.sweep.step()

    assert kept(desk, "runs", "id") == kept(desk, "rejects", "run_id") == {young, still_open}


def test_a_sweep_removes_so_many_at_most_and_the_oldest_first(desk: Desk) -> None:
    few = Desk(desk.connections, forget_batch=2)
    few.org_id = desk.org_id
    connector_id = few.insert_connector()
    runs = [run(few, connector_id, days=days) for days in (90, 80, 70)]

    few.sweep.step()
    assert kept(few, "runs", "id") == {runs[2]}

    few.sweep.step()
    assert kept(few, "runs", "id") == set()


def test_an_id_of_a_moment_is_none_of_an_earlier_one() -> None:
    before = new_id()
    moment = datetime.now(UTC) + timedelta(milliseconds=2)

    assert before < first_id_of(moment) < first_id_of(moment + timedelta(milliseconds=1))
