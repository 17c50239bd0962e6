"""Fixtures of the importer's tests."""

from pathlib import Path

import pytest
from psycopg_pool import ConnectionPool

from shared.database import Db
from tests.integration.conftest import emptied
from tests.integration.importer.builders import Imports
from tests.integration.scheduler.builders import Desk


@pytest.fixture
def database_url(common_url: str) -> str:
    """An empty database."""
    return emptied(common_url)


@pytest.fixture
def imports(connections: ConnectionPool[Db], tmp_path: Path) -> Imports:
    """An importer over an empty database, for an organisation with a mapping."""
    made = Imports(connections, tmp_path / "blobs")
    made.save_mapping()
    return made


@pytest.fixture
def bare(connections: ConnectionPool[Db], tmp_path: Path) -> Imports:
    """An importer over an empty database, for an organisation without a mapping."""
    return Imports(connections, tmp_path / "blobs")


@pytest.fixture
def desk(connections: ConnectionPool[Db], imports: Imports) -> Desk:
    """The scheduler of the same organisation."""
    made = Desk(connections)
    made.org_id = imports.org_id
    return made
