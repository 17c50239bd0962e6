"""Fixtures of the pipeline tests: the three services as processes, driven by the UI's events alone."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.stack import Stack
from deploy.local.ui import UI
from tests.conftest import PASSWORD, TEMPLATE
from tests.pipeline.world import World

# Short leases, so that what was lost is sent again within the patience of a test.
QUICK: dict[str, object] = {
    "tick_seconds": 0.2,
    "sweep_seconds": 0.2,
    "queue_lease_seconds": 4,
    "fetch_lease_seconds": 2,
    "stored_lease_seconds": 4,
    "lease_seconds": 2,
    "progress_seconds": 0.2,
    "grace_seconds": 3,
    "min_interval_seconds": 1,
}


class SessionServers:
    """The session's servers, together."""

    def __init__(self, postgres: Postgres, rabbitmq: Rabbitmq, sshd: Sshd) -> None:
        self.postgres, self.rabbitmq, self.sshd = postgres, rabbitmq, sshd


@pytest.fixture
def stack(postgres: Postgres, rabbitmq: Rabbitmq, sshd: Sshd, tmp_path: Path) -> Iterator[Stack]:
    """A database, a virtual host and a blob folder; no service runs yet."""
    servers = SessionServers(postgres, rabbitmq, sshd)
    made = Stack(servers, tmp_path, f"t_{uuid4().hex[:12]}", settings=QUICK)
    made.prepare(template=TEMPLATE)
    yield made
    made.stop()
    made.forget()


@pytest.fixture
def ui(stack: Stack, org_id: UUID) -> Iterator[UI]:
    """The admin's UI of one organisation."""
    with UI(stack.amqp_url, org_id) as made:
        yield made


@pytest.fixture
def db(stack: Stack) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A look into the database."""
    with psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def world(stack: Stack, ui: UI, db: psycopg.Connection[dict[str, Any]], sshd: Sshd) -> Iterator[World]:
    """All of it, with the words in which the tests speak."""
    made = World(stack, ui, db, sshd, PASSWORD)
    yield made
    made.db.close()


@pytest.fixture
def leads_csv() -> Callable[..., bytes]:
    """A file of so many companies, one contact each."""

    def make(count: int, *, suffix: str = "", padding: int = 0) -> bytes:
        rows = "".join(
            f"C{n},Company {n}{suffix},company{n}.example,Paris,won,p{n}@company{n}.example,{'x' * padding}\n"
            for n in range(count)
        )
        return ("id,company,site,city,status,mail,notes\n" + rows).encode()

    return make
