"""Fixtures of the scheduler's tests."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from psycopg_pool import ConnectionPool

from deploy.local.servers.postgres import Postgres
from shared.database import Db
from shared.migrate import migrate
from tests.integration.scheduler.builders import Desk, emptied


@pytest.fixture(scope="package")
def package_url(postgres: Postgres) -> Iterator[str]:
    """A database for all tests of this folder."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name)
    migrate(postgres.dsn(name))
    yield postgres.dsn(name)
    postgres.drop_database(name)


@pytest.fixture
def database_url(package_url: str) -> str:
    """An empty database; to empty one is quicker than to make one."""
    return emptied(package_url)


@pytest.fixture
def desk(connections: ConnectionPool[Db]) -> Desk:
    """A scheduler over an empty database."""
    return Desk(connections)
