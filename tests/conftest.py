"""Fixtures of all tests: private servers for the session, a database of its own for each test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import ConnectionPool

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sftp_server import ServerMissing, SftpServer
from deploy.local.servers.sshd import Sshd
from shared.database import Db, pool
from shared.metrics import Metrics
from shared.migrate import migrate

PASSWORD = "p@ss:/?#[]%20\"'\\ canary-7f3a"
TEMPLATE = "template_connector"


@contextmanager
def started(server: SftpServer) -> Iterator[SftpServer]:
    """The server, running; where it is not installed its test is skipped, but not in CI."""
    try:
        server.start()
    except ServerMissing as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))
    with server:
        yield server


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the session's servers keep their data."""
    home = tmp_path_factory.mktemp("servers")
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(session_home: Path) -> Iterator[Postgres]:
    """A PostgreSQL with an empty database of the current schema as a template."""
    with Postgres(session_home / "postgres", fast=True) as server:
        server.create_database(TEMPLATE)
        migrate(server.dsn(TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def rabbitmq(session_home: Path) -> Iterator[Rabbitmq]:
    """A RabbitMQ."""
    with Rabbitmq(session_home / "rabbitmq") as server:
        yield server


@pytest.fixture(scope="session")
def session_sshd(session_home: Path) -> Iterator[Sshd]:
    """An OpenSSH server with the account `crm`."""
    with Sshd(session_home / "sshd", {"crm": PASSWORD}) as server:
        yield server


@pytest.fixture
def sshd(session_sshd: Sshd) -> Sshd:
    """The OpenSSH server, with the usual password and without files."""
    session_sshd.set_password("crm", PASSWORD)
    shutil.rmtree(session_sshd.files / "exports", ignore_errors=True)
    (session_sshd.files / "exports").mkdir(mode=0o755)
    return session_sshd


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """An empty database of the current schema."""
    name = f"t_{uuid4().hex[:12]}"
    postgres.create_database(name, template=TEMPLATE)
    yield postgres.dsn(name)
    postgres.drop_database(name)


@pytest.fixture
def connections(database_url: str) -> Iterator[ConnectionPool[Db]]:
    """Connections to it."""
    with pool(database_url, name="test", size=8) as made:
        yield made


@pytest.fixture
def amqp_url(rabbitmq: Rabbitmq) -> Iterator[str]:
    """An empty virtual host."""
    name = f"t_{uuid4().hex[:12]}"
    yield rabbitmq.create_vhost(name)
    rabbitmq.delete_vhost(name)


@pytest.fixture
def metrics() -> Metrics:
    """Metrics on a registry of their own."""
    return Metrics(CollectorRegistry())


@pytest.fixture
def org_id() -> UUID:
    """An organisation."""
    return uuid4()
