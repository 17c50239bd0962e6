"""What the tests of the operator's command stand on: services that run, a connector, and the command."""

import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row
from typer.testing import CliRunner

from deploy.command.main import app
from deploy.local.service import Service
from deploy.local.stack import ROLES, RunningServers, Stack
from deploy.local.ui import UI
from tests.conftest import PASSWORD, TEMPLATE
from tests.leaks import leaks
from tests.pipeline.conftest import QUICK
from tests.pipeline.world import FIELDS, World

GOOD = "".join(f"C{n},Company {n},company{n}.example,Paris,won,p{n}@company{n}.example\n" for n in range(3))
FILE = f"id,company,site,city,status,mail\n{GOOD}C9,,nameless.example,Paris,won,\n".encode()


@dataclass
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


class Operator:
    """Runs the command as the operator's role; whatever is printed is searched for secrets."""

    def __init__(self, world: World) -> None:
        self.environment = world.stack.environment("fetcher") | {
            "SFTP_CONNECTOR_DATABASE_URL": world.stack.servers.postgres.dsn(world.stack.name, user=ROLES["operator"])
        }
        self._world = world

    def __call__(self, *words: object, code: int = 0, **environment: str) -> Said:
        given = {name: None for name in os.environ if name.startswith("SFTP_CONNECTOR_")}
        ended = CliRunner().invoke(app, [str(word) for word in words], env=given | self.environment | environment)
        said = Said(ended.exit_code, ended.stdout, ended.stderr)
        assert said.code == code, (said, ended.exception)
        assert not list(leaks({"output": said.out + said.err}, self._secrets()))
        return said

    def _secrets(self) -> dict[str, str]:
        sealed = self._world.rows("select sealed_password from connectors where sealed_password is not null")
        urls = [self._world.stack.database_url, self.environment["SFTP_CONNECTOR_DATABASE_URL"]]
        return {
            "the password": PASSWORD,
            "the key": json.loads(self.environment["SFTP_CONNECTOR_SEAL_PRIVATE_KEYS"])[0],
            **{f"a sealed login {n}": row["sealed_password"] for n, row in enumerate(sealed)},
            **{f"a DSN's password {n}": urllib.parse.urlsplit(url).password or "?" for n, url in enumerate(urls)},
        }


@dataclass
class Scene:
    """Services that run, and a connector whose file was imported."""

    world: World
    services: dict[str, Service]
    operator: Operator
    connector_id: str
    run_id: str


@contextmanager
def played(servers: RunningServers, home: Path) -> Iterator[Scene]:
    """A scene of its own; it ends with the block."""
    stack = Stack(servers, home, f"t_{uuid4().hex[:12]}", settings=QUICK)
    stack.prepare(template=TEMPLATE)
    servers.sshd.set_password("crm", PASSWORD)
    try:
        services = stack.start()
        with (
            UI(stack.amqp_url, uuid4()) as ui,
            psycopg.connect(stack.database_url, autocommit=True, row_factory=dict_row) as db,
        ):
            world = World(stack, ui, db, servers.sshd, PASSWORD)
            world.put(FILE)
            world.save_mapping(FIELDS)
            done = world.ended(world.create(name="Nightly", interval_seconds=3600))
            world.until_quiet()
            yield Scene(world, services, Operator(world), done["connector_id"], done["run_id"])
    finally:
        stack.stop()
        stack.forget()


def apart(operator: Operator, *words: str, **environment: str) -> Said:
    """The command as a process of its own."""
    given = {name: value for name, value in os.environ.items() if not name.startswith("SFTP_CONNECTOR_")}
    command = [sys.executable, "-m", "deploy.command", *words]
    environment = given | operator.environment | environment
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return Said(ended.returncode, ended.stdout, ended.stderr)
