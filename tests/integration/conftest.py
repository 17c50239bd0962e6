"""Fixtures of tests that share a database and empty it: that is quicker than to make one."""

from collections.abc import Iterator
from typing import Any, cast
from uuid import uuid4

import pytest
from psycopg import sql
from psycopg_pool import ConnectionPool

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.stack import ROLES
from shared.database import Db, connect
from tests.conftest import TEMPLATE
from tests.integration.command_scene import Operator, Scene, played
from tests.pipeline.conftest import SessionServers

_POOLS: dict[tuple[str, ConnectionPool[Db]], ConnectionPool[Db]] = {}


def pool_of(service: str, like: ConnectionPool[Db]) -> ConnectionPool[Db]:
    """Connections in the role of a service, otherwise like these; closed when the test ends."""
    if (service, like) not in _POOLS:
        given = cast("dict[str, Any]", like.kwargs or {})
        _POOLS[service, like] = ConnectionPool[Db](
            like.conninfo,
            kwargs=given | {"options": f"{given.get('options', '')} -c role={ROLES[service]}"},
            min_size=like.min_size,
            max_size=like.max_size,
            check=ConnectionPool.check_connection,
            open=True,
        )
    return _POOLS[service, like]


@pytest.fixture(autouse=True)
def _closed_pools() -> Iterator[None]:
    yield
    while _POOLS:
        _POOLS.popitem()[1].close()


@pytest.fixture(scope="session")
def common_url(postgres: Postgres) -> Iterator[str]:
    """A database for all tests that empty it first."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.dsn(name)
    postgres.drop_database(name)


def emptied(url: str) -> str:
    """The database without a row, and without sessions that another test left behind."""
    with connect(url, name="emptied") as db:
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        found = db.execute("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
        names = [sql.Identifier(row["relname"]) for row in found if row["relname"] != "schema_migrations"]
        db.execute(sql.SQL("truncate {} restart identity").format(sql.SQL(", ").join(names)))
    return url


@pytest.fixture(scope="module")
def scene(
    postgres: Postgres, rabbitmq: Rabbitmq, session_sshd: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """Services and a connector for all tests of this module."""
    servers = SessionServers(postgres, rabbitmq, session_sshd)
    with played(servers, tmp_path_factory.mktemp("command")) as made:
        yield made


@pytest.fixture
def operator(scene: Scene) -> Operator:
    """The operator's command."""
    return scene.operator
