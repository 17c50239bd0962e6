"""Fixtures of the scheduler's tests."""

import pytest
from psycopg_pool import ConnectionPool

from shared.database import Db
from tests.integration.conftest import emptied
from tests.integration.scheduler.builders import Desk


@pytest.fixture
def database_url(common_url: str) -> str:
    """An empty database."""
    return emptied(common_url)


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler over an empty database."""
    return Desk(connections)
