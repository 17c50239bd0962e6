"""What is due is read page by page: whoever has thousands of files due for hours hides nobody."""

from uuid import uuid4

import pytest
from psycopg_pool import ConnectionPool

from services.scheduler import admission
from shared.contracts import FetchRequested
from shared.database import Db
from tests.integration.scheduler.builders import OTHER_HOST, Desk

LONG_AGO = "2020-01-01T00:00:00Z"
_MANY = """
    insert into connectors (id, org_id, host, port, username, path, sealed_password, interval_seconds, due_at)
    select gen_random_uuid(), org_id, host, port, username, path, sealed_password, interval_seconds, due_at
    from connectors, generate_series(1, %(count)s)
"""
_MANY_SERVERS = "update connectors set host = '198.51.100.' || (random() * 50)::int"


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler that lets in two looks at a server, and three for an organisation."""
    return Desk(connections, max_per_server=2, max_per_organisation=3)


@pytest.mark.parametrize("spread", ["select 1", _MANY_SERVERS], ids=["at one server", "at many servers"])
def test_an_organisation_with_pages_of_files_due_hides_no_other(desk: Desk, spread: str) -> None:
    # Given an organisation with more than a page of connectors, all due at the same moment long ago
    desk.insert_connector(org_id=uuid4(), due_at=LONG_AGO)
    desk.all(_MANY, count=3 * admission._PAGE)
    desk.all(spread)
    # And another one whose only connector is due since now
    mine = desk.insert_connector(host=OTHER_HOST)
    # When there is a tick, then it has its turn in the same one
    desk.handler.tick()
    jobs = [job for job in desk.taken() if isinstance(job, FetchRequested)]
    assert mine in {job.connector_id for job in jobs}
    assert len(jobs) == (3 if spread == "select 1" else 4)


def test_every_one_of_many_pages_is_looked_at_once(connections: ConnectionPool[Db]) -> None:
    # Given more than a page of connectors that are due at the same moment, and room for all of them
    many = 2 * admission._PAGE + 1
    desk = Desk(connections, max_per_server=many, max_per_organisation=many, batch_size=many, max_queued=many)
    desk.insert_connector(due_at=LONG_AGO)
    desk.all(_MANY, count=many - 1)
    # When there is one tick, then each has a run
    desk.handler.tick()
    assert desk.value("select count(distinct connector_id) from runs") == many
