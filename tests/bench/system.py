"""The real system for a measurement: private servers, the services as processes, and an admin's events."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import dict_row

from deploy.local.service import Service
from deploy.local.stack import SERVICES, Servers, Stack
from deploy.local.ui import UI, Event
from tests.bench import processes
from tests.bench.against import PASSWORD, PATH
from tests.bench.lead_file import FIELDS, STATUSES
from tests.bench.report import Spent
from tests.pipeline.world import ENDED, World

HOURS = 3600.0
# No connector is looked at by itself while it is measured.
FORM: dict[str, Any] = {"path": PATH, "interval_seconds": 604_800}
_ANSWERS = (*ENDED, "sftp_connector.sync_held", "sftp_connector.refused")
_MOMENTS = """
    select extract(epoch from queued_at)::float8 as "scheduled",
           extract(epoch from looked_at)::float8 as "a fetcher has it",
           extract(epoch from claimed_at)::float8 as "an importer has it",
           extract(epoch from finished_at)::float8 as "done"
    from runs where id = %s
"""


@dataclass(frozen=True, slots=True)
class Synced:
    """A sync, from the admin's event to the final one: seconds, also of each step, and processor seconds."""

    event: Event
    seconds: float
    steps: Mapping[str, float]  # what had happened in the end of each step
    cpu: Mapping[str, float]  # by process

    @property
    def spent(self) -> Spent:
        """All of it in two figures."""
        return Spent(self.seconds, sum(self.cpu.values()))


class System:
    """The services on a database of their own, and what an admin and a customer do."""

    def __init__(self, world: World, services: Mapping[str, Service]) -> None:
        self.world = world
        self.services = services
        self._pids = {"postgres": processes.pid(world.stack.servers.postgres)}
        self._pids |= {name: processes.pid(service) for name, service in services.items()}
        self._mtime = int(time()) - 10_000_000

    def place(self, file: Path) -> None:
        """Show the connector a file of the same disk, with a time of its own that is long past."""
        target = self._served()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        os.link(file, target)
        target.chmod(0o644)
        self.touch()

    def touch(self) -> None:
        """Give the file another time."""
        self._mtime += 60
        os.utime(self._served(), (self._mtime, self._mtime))

    def connect(self) -> Synced:
        """Save the mapping of a new organisation and connect it to the file; its first sync."""
        self.world.ui.organisation_id = uuid4()
        self.world.save_mapping(FIELDS, STATUSES)
        return self._synced("create", **self.world.form(**FORM))

    def sync(self, connected: Synced) -> Synced:
        """Press *sync now*."""
        self.world.ui.organisation_id = UUID(connected.event["organisation_id"])
        return self._synced("sync_now", connector_id=connected.event["connector_id"])

    def settle(self) -> None:
        """Have PostgreSQL do now what it would do some time, so that no measurement bears it for another."""
        self.world.db.execute("vacuum (analyze)")
        self.world.db.execute("checkpoint")

    def importer_memory(self) -> dict[str, float]:
        """What the importer has in memory, in MiB: `VmRSS` just now, `VmHWM` at most so far."""
        return processes.memory(self._pids["importer"])

    def _synced(self, request: str, **data: Any) -> Synced:
        cpu, begun = self._cpu(), time()
        asked = self.world.ui.ask(f"sftp_connector.{request}", **data)
        event = self.world.ui.wait(*_ANSWERS, in_reply_to=asked, seconds=HOURS)
        told = time()
        used = {name: seconds - cpu[name] for name, seconds in self._cpu().items()}
        if event["type"] not in {"sftp_connector.sync_succeeded", "sftp_connector.sync_unchanged"}:
            raise RuntimeError(f"the sync ended otherwise: {event}")
        return Synced(event, told - begun, self._steps(event["run_id"], begun, told), used)

    def _steps(self, run_id: str, begun: float, told: float) -> dict[str, float]:
        moments = self.world.db.execute(_MOMENTS, [run_id]).fetchone() or {}
        steps, before = {}, begun
        for name, moment in {**moments, "told": told}.items():
            if moment is not None:
                steps[name], before = moment - before, moment
        return steps

    def _cpu(self) -> dict[str, float]:
        return {name: processes.cpu_seconds(pid) for name, pid in self._pids.items()}

    def _served(self) -> Path:
        return self.world.sshd.files / PATH[1:]


@contextmanager
def private_servers() -> Iterator[tuple[Servers, Path]]:
    """PostgreSQL with its normal durability, RabbitMQ and OpenSSH, and the folder in which all of it is."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        made = Servers(home, {"crm": PASSWORD})
        (made.sshd.files / PATH[1:]).parent.mkdir(parents=True)
        with made:
            with psycopg.connect(made.postgres.dsn(), autocommit=True) as db:
                # It would come in the midst of one measurement and not of another; `settle` does its work.
                db.execute("alter system set autovacuum = off")
                db.execute("select pg_reload_conf()")
            yield made, home


@contextmanager
def system(servers: Servers, home: Path) -> Iterator[System]:
    """The three services, new and on empty databases; gone in the end."""
    with stack(servers, home) as made, admin(made) as world:
        yield System(world, made.start(SERVICES))


@contextmanager
def stack(servers: Servers, home: Path, **settings: object) -> Iterator[Stack]:
    """A stack without a running service; stopped and removed in the end."""
    with tempfile.TemporaryDirectory(prefix="stack-", dir=home) as folder:
        made = Stack(servers, Path(folder), Path(folder).name, settings=settings)
        made.prepare()
        try:
            yield made
        finally:
            made.stop()
            made.forget()


@contextmanager
def admin(made: Stack) -> Iterator[World]:
    """An admin in front of a stack, with a look into its database."""
    with (
        UI(made.amqp_url, uuid4()) as ui,
        psycopg.connect(made.database_url, autocommit=True, row_factory=dict_row) as db,
    ):
        yield World(made, ui, db, made.servers.sshd, PASSWORD)
