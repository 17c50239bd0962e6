"""A stack that a Prometheus watches."""

from collections.abc import Iterator
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
from tests.monitoring.watched import SETTINGS, Watched
from tests.pipeline.conftest import SessionServers
from tests.pipeline.world import World


@pytest.fixture
def watched(postgres: Postgres, rabbitmq: Rabbitmq, sshd: Sshd, tmp_path: Path, org_id: UUID) -> Iterator[Watched]:
    """The stack, with an admin and nothing to do; neither services nor Prometheus run yet."""
    servers = SessionServers(postgres, rabbitmq, sshd)
    stack = Stack(servers, tmp_path, f"t_{uuid4().hex[:12]}", settings=dict(SETTINGS))
    stack.prepare(template=TEMPLATE)
    db: psycopg.Connection[dict[str, Any]]
    with (
        UI(stack.amqp_url, org_id) as ui,
        psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as db,
    ):
        world = World(stack, ui, db, sshd, PASSWORD)
        made = Watched(world)
        yield made
        made.stop()
        world.db.close()
    stack.forget()
