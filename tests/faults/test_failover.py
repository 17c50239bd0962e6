"""A standby of PostgreSQL takes over, and nothing that was committed is lost."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.stack import Stack
from tests.conftest import PASSWORD
from tests.faults.check import deviations
from tests.faults.drill import SETTINGS, Drill
from tests.faults.looking import look
from tests.faults.test_disasters import client
from tests.pipeline.conftest import SessionServers

_STREAMS = "select from pg_stat_replication where sync_state = 'sync'"


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Postgres]:
    """A server of its own, which is not used again."""
    with Postgres(tmp_path / "primary") as server:
        yield server


@pytest.fixture
def standby(primary: Postgres, tmp_path: Path) -> Iterator[Postgres]:
    """A copy of it that follows; each commit waits until it is here, too."""
    home, owner = tmp_path / "standby", (primary.home / "data").stat()
    home.mkdir()
    shutil.copy(primary.home / "password", home)
    client("pg_basebackup", primary.dsn(), f"--pgdata={home / 'data'}", "--write-recovery-conf", "--checkpoint=fast")
    subprocess.run(["chown", "--recursive", f"{owner.st_uid}:{owner.st_gid}", home / "data"], check=True)
    with Postgres(home) as server, psycopg.connect(primary.dsn(), autocommit=True) as db:
        db.execute("alter system set synchronous_standby_names = '*'")
        db.execute("select pg_reload_conf()")
        yield server


@pytest.fixture
def drill(primary: Postgres, rabbitmq: Rabbitmq, sshd: Sshd, tmp_path: Path) -> Iterator[Drill]:
    """Services on the primary."""
    name = f"t_{os.urandom(6).hex()}"
    made = Stack(SessionServers(primary, rabbitmq, sshd), tmp_path / "stack", name, settings=dict(SETTINGS))
    made.prepare()
    with Drill(made, PASSWORD) as drill:
        yield drill
    rabbitmq.delete_vhost(name)


def test_a_failover_in_the_midst_of_imports_loses_nothing(
    drill: Drill, primary: Postgres, standby: Postgres, record_property: Callable[[str, object], None]
) -> None:
    drill.begin(1)
    before = drill.handles()
    drill.until(lambda: drill.rows(_STREAMS), "a standby that follows")
    # When the primary dies with files under way, and the standby takes its place behind one address
    drill.change()
    drill.until_stage("importing", seconds=5)
    primary.kill()
    drill.put_next()
    with psycopg.connect(standby.dsn()) as db:
        assert db.execute("select pg_promote()").fetchone() == (True,)
    drill.stack.servers.postgres = standby
    drill.database.upstream = ("127.0.0.1", standby.port)
    promoted = time.monotonic()

    drill.until_imported()

    record_property("seconds to recover", round(time.monotonic() - promoted, 1))
    drill.change()
    drill.until_imported()
    drill.settle()
    assert deviations(drill.ledger, look(drill, before, parked=False)) == []
