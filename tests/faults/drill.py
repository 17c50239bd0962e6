"""A stack to break: services behind proxies, customers' files that change, and words to wait for things."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

import pika
import psutil
import psycopg

from deploy.local.service import Service
from deploy.local.stack import SERVICES, Stack
from deploy.local.ui import UI
from shared.bus.events import PARKED_QUEUE, UI_QUEUE
from shared.contracts import JOBS, LARGE_IMPORTS
from tests.faults.ledger import FIELDS, STATUSES, Ledger
from tests.faults.view import EVENTS, View
from tests.proxy import Proxy

_JOBS = tuple(sorted({job.queue for job in JOBS} | {LARGE_IMPORTS}))
WORK = (*_JOBS, *(f"{queue}.DQ" for queue in _JOBS), UI_QUEUE)
DEAD = (*(f"{queue}.XQ" for queue in _JOBS), PARKED_QUEUE)
_LIMIT_SECONDS = 60.0
INTERVAL_SECONDS = 2
_HEARTBEAT_SECONDS = 2
SETTINGS: Mapping[str, object] = {
    "tick_seconds": 0.2,
    "sweep_seconds": 0.2,
    "queue_lease_seconds": 3,
    "fetch_lease_seconds": 2,
    "stored_lease_seconds": 3,
    "lease_seconds": 2,
    "idle_transaction_seconds": 8,
    "progress_seconds": 0.3,
    "grace_seconds": 5,
    "min_interval_seconds": 1,
    "connect_seconds": 4,
    "login_seconds": 4,
    "read_seconds": 3,
    "resume_pause_seconds": 0.2,
    "batch_rows": 20,  # several batches in a file
}


class NotHealed(AssertionError):
    """The system did not come to rest, or what it left does not agree with the ledger."""


class Drill(View):
    """Serves several exercises, one after the other; each has organisations of its own."""

    def __init__(self, stack: Stack, password: str) -> None:
        super().__init__(stack)
        self.password = password
        servers = stack.servers
        self.broker = Proxy(("127.0.0.1", servers.rabbitmq.port))
        self.database = Proxy(("127.0.0.1", servers.postgres.port))
        self.server = Proxy((servers.sshd.host, servers.sshd.port))
        self.services: dict[str, Service] = {}
        self.others: list[Service] = []
        self.revived = 0
        self.mixed = False  # whether several faults are injected at once
        self.random = Random(0)
        self.ledger = Ledger(self.random)
        self.events: list[dict[str, Any]] = []
        self._numbers = dict.fromkeys(SERVICES, 0)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        try:
            for proxy in (self.broker, self.database, self.server):
                self._open.enter_context(proxy)
            self.listen()
            for name in SERVICES:
                self.services[name] = self.started(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.stop()
        self.close()
        self._open.close()

    def started(self, name: str, *, variables: Mapping[str, str] | None = None, **settings: object) -> Service:
        """One more service of this kind, ready to work."""
        made = self.service(name, variables=variables, **settings)
        made.start()
        return made

    def service(self, name: str, *, variables: Mapping[str, str] | None = None, **settings: object) -> Service:
        """One more service of this kind, not started, which reaches RabbitMQ and PostgreSQL through the proxies."""
        self._numbers[name] += 1
        environment = self.stack.environment(name)
        behind = {
            variable.removeprefix("SFTP_CONNECTOR_").lower(): _through(environment[variable], proxy)
            for variable, proxy in (
                ("SFTP_CONNECTOR_AMQP_URL", self.broker),
                ("SFTP_CONNECTOR_DATABASE_URL", self.database),
            )
            if variable in environment
        }
        # RabbitMQ's silence is noticed within an exercise
        behind["amqp_url"] = behind["amqp_url"].replace("heartbeat=10", f"heartbeat={_HEARTBEAT_SECONDS}")
        made = self.stack.service(name, self._numbers[name], **(behind | settings))
        made.set_environment(**(variables or {}))
        return made

    def add(self, name: str) -> Service:
        """A second service of this kind, until the exercise ends."""
        self.others.append(self.started(name))
        return self.others[-1]

    def replace(self, name: str, *, variables: Mapping[str, str] | None = None, **settings: object) -> Service:
        """The service with other settings, or variables of other names, instead of the one there is."""
        self.services[name].stop()
        self.services[name] = self.started(name, variables=variables, **settings)
        return self.services[name]

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """There is no service of this kind."""
        self.services.pop(name).stop()
        yield
        self.services[name] = self.started(name)

    def revive(self) -> None:
        """Start again what died, with its usual settings, as the platform does; what it needs may be away."""
        for name, service in self.services.items():
            if not service.running:
                self.revived += 1
                self.services[name] = self.service(name)
                self.services[name].launch()

    def handles(self) -> dict[int, int]:
        """The open files and sockets of each service's process, by its id."""
        return {
            service.pid: psutil.Process(service.pid).num_fds()
            for service in self.services.values()
            if service.pid is not None
        }

    def begin(self, seed: int) -> None:
        """New organisations with connectors whose first version is imported."""
        self.random = Random(seed)
        self.ledger = Ledger(self.random)
        self.revived = 0
        self.events.clear()
        self.stack.servers.sshd.set_password("crm", self.password)
        with self.channel() as channel:
            for queue, count in self.depths(DEAD).items():
                if count:
                    channel.queue_purge(queue)
        self.put_next()
        for org_id in self.ledger.org_ids:
            with UI(self.stack.amqp_url, org_id) as ui:
                asked = ui.ask("import_mapping.saved", fields=FIELDS, statuses=STATUSES)
                ui.wait("import_mapping.accepted", in_reply_to=asked)
                for source in self.ledger.sources:
                    if source.org_id == org_id:
                        asked = ui.ask("sftp_connector.create", **self.form(source.path))
                        created = ui.wait("sftp_connector.created", in_reply_to=asked)
                        source.connector_id = created["connector"]["id"]
        self.until_imported()

    def form(self, path: str) -> dict[str, Any]:
        """A connector's form, filled in."""
        server = {"host": self.stack.servers.sshd.host, "port": self.server.port}
        login = {"username": "crm", "password": self.password}
        return {"name": path, "path": path, "interval_seconds": INTERVAL_SECONDS, **server, **login}

    def put_next(self) -> None:
        """The customers' CRMs export their next versions."""
        self.ledger.grow()
        for source in self.ledger.sources:
            self.stack.servers.sshd.put(source.path, source.current.content)

    def change(self) -> None:
        """The next versions, looked at at once."""
        self.put_next()
        self.rows("update connectors set due_at = now() where id = any(%s)", self.connector_ids)

    @property
    def connector_ids(self) -> list[str]:
        """The connectors of this exercise."""
        return [source.connector_id for source in self.ledger.sources]

    def runs(self, condition: str) -> list[dict[str, Any]]:
        """Those of this exercise's runs of which this holds."""
        return self.rows(f"select * from runs where connector_id = any(%s) and {condition}", self.connector_ids)

    def rest(self) -> None:
        """Look at no file for a while, and wait until no run of this exercise is open."""
        self.rows("update connectors set due_at = now() + interval '1 hour' where id = any(%s)", self.connector_ids)
        self.until(lambda: not self.runs("outcome is null"), "no open run")

    def linger(self) -> None:
        """Any moment up to half a second."""
        time.sleep(self.random.uniform(0, 0.5))

    def until(self, holds: Callable[[], object], what: str, *, seconds: float = _LIMIT_SECONDS) -> None:
        """Wait until something holds, while dead services are started again; NotHealed when it does not."""
        deadline = time.monotonic() + seconds
        while not _tried(holds):
            if time.monotonic() > deadline:
                raise NotHealed(f"not within {seconds:.0f} s: {what}")
            self.revive()
            time.sleep(0.05)

    def until_hit(self, shows: Callable[[], object], what: str) -> None:
        """Wait until a fault shows; beside others, which may hide it, for two seconds at most."""
        with suppress(NotHealed) if self.mixed else nullcontext():
            self.until(shows, what, seconds=2 if self.mixed else _LIMIT_SECONDS)

    def until_stage(self, *stages: str, seconds: float = _LIMIT_SECONDS) -> None:
        """Wait until a run of this exercise is there, or has passed by."""
        query = "select from runs where connector_id = any(%s) and stage = any(%s)"
        last = {source.current.checksum for source in self.ledger.sources}
        self.until(
            lambda: self.rows(query, self.connector_ids, list(stages)) or self._known() & last,
            f"a run in {stages}",
            seconds=seconds,
        )

    def until_imported(self) -> None:
        """Wait until the newest version of every file counts."""
        self.until(self.imported, "the newest versions")
        for source in self.ledger.sources:
            source.awaited.add(source.current.checksum)

    def imported(self) -> bool:
        """Whether the newest version of every file counts."""
        return self._known() == {source.current.checksum for source in self.ledger.sources}

    def _known(self) -> set[str]:
        query = "select file_checksum from connectors where id = any(%s)"
        return {row["file_checksum"] for row in self.rows(query, self.connector_ids)}

    def settle(self) -> None:
        """Look at no file of this exercise any more, and wait until nothing is under way."""
        for service in self.others:
            self.revived += not service.running
            service.stop()
        self.others.clear()
        self.rows("update connectors set state = 'paused' where id = any(%s) and state = 'active'", self.connector_ids)
        self.until(self._all_ready, "services that are ready")
        try:
            self.until(lambda: not any(self.under_way().values()), "rest")
        except NotHealed as error:
            raise NotHealed(f"{error}, but {self.under_way()}") from None

    def _all_ready(self) -> bool:
        return all(service.ready for service in self.services.values())

    def under_way(self) -> dict[str, int]:
        """How many runs are open, and how many messages are owed or wait in a queue."""
        (runs,) = self.rows("select count(*) from runs where stage <> 'done' and outcome is null")
        (owed,) = self.rows("select count(*) from outbox")
        return {"runs": runs["count"], "owed": owed["count"], **self.depths(WORK)}

    def heard(self) -> list[dict[str, Any]]:
        """The events of this exercise's organisations, and those that name none; repeats included."""
        with self.channel() as channel:
            while (found := channel.basic_get(EVENTS, auto_ack=True))[0] is not None:
                self.events.append(json.loads(found[2]))
        ours = {None, *map(str, self.ledger.org_ids)}
        return [event for event in self.events if event["data"].get("organisation_id") in ours]


def _through(url: str, proxy: Proxy) -> str:
    """The URL, but at the proxy's port."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{proxy.port}").geturl()


def _tried(holds: Callable[[], object]) -> object:
    """Whether it holds; a server that is away just now says nothing."""
    try:
        return holds()
    except (psycopg.OperationalError, OSError, pika.exceptions.AMQPError):
        return False
