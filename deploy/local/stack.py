"""The whole system on one machine: private servers, a database, the three services."""

import base64
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from nacl.public import PrivateKey

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.service import Service
from shared.migrate import migrate

SERVICES = ("scheduler", "fetcher", "importer")
# The database's users, by who they are.
ROLES = {name: f"sftp_connector_{name}" for name in ("scheduler", "importer", "operator")}


class RunningServers(Protocol):
    """What a stack stands on, whoever started it."""

    postgres: Postgres
    rabbitmq: Rabbitmq
    sshd: Sshd


class Servers:
    """PostgreSQL, RabbitMQ and an SFTP server of our own, all below one folder."""

    def __init__(
        self, home: Path, accounts: dict[str, str], *, fast: bool = False, die_with_parent: bool = True
    ) -> None:
        self.postgres = Postgres(home / "postgres", fast=fast, die_with_parent=die_with_parent)
        self.rabbitmq = Rabbitmq(home / "rabbitmq", die_with_parent=die_with_parent)
        self.sshd = Sshd(home / "sshd", accounts, die_with_parent=die_with_parent)

    def start(self) -> None:
        """Start all three at once; return when each answers."""
        with ThreadPoolExecutor(3) as pool:
            for started in [pool.submit(server.start) for server in (self.postgres, self.rabbitmq, self.sshd)]:
                started.result()

    def stop(self) -> None:
        """Stop all three."""
        for server in (self.sshd, self.rabbitmq, self.postgres):
            server.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Stack:
    """The three services on running servers, with a database, a virtual host and a blob folder of their own."""

    def __init__(
        self,
        servers: RunningServers,
        home: Path,
        name: str,
        *,
        settings: dict[str, object] | None = None,
        die_with_parent: bool = True,
    ) -> None:
        self.servers = servers
        self.home = home
        self.name = name
        self.blobs = home / "blobs"
        self._settings = settings or {}
        self._die_with_parent = die_with_parent
        self._started: list[Service] = []

    def prepare(self, *, template: str | None = None) -> None:
        """Make the database, with its schema, and the virtual host; both empty."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.servers.postgres.create_database(self.name, template=template)
        self.upgrade()
        self.servers.rabbitmq.create_vhost(self.name)

    def upgrade(self) -> None:
        """Bring the schema up to date, and let the services' roles in."""
        migrate(self.database_url)
        self.servers.postgres.let_in(*ROLES.values())

    def forget(self) -> None:
        """Drop the database and the virtual host."""
        self.servers.postgres.drop_database(self.name)
        self.servers.rabbitmq.delete_vhost(self.name)

    @property
    def database_url(self) -> str:
        """The stack's database, for whoever may do anything with it."""
        return self.servers.postgres.dsn(self.name)

    @property
    def amqp_url(self) -> str:
        """The stack's virtual host."""
        return self.servers.rabbitmq.vhost_url(self.name)

    @cached_property
    def key(self) -> PrivateKey:
        """The key that opens sealed passwords; kept, so that a stack that is started again can read them."""
        path = self.home / "seal.key"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_bytes(bytes(PrivateKey.generate()))
        return PrivateKey(path.read_bytes())

    def environment(self, service: str) -> dict[str, str]:
        """The settings of a service, or of the operator's command, as variables; each gets only what it needs."""
        settings: dict[str, object] = {"amqp_url": self.amqp_url + "?heartbeat=10&blocked_connection_timeout=10"}
        if service in ROLES:
            settings["database_url"] = self.servers.postgres.dsn(self.name, user=ROLES[service])
        if service in {"fetcher", "importer", "operator"}:
            settings["blob_url"] = f"file://{self.blobs}"
        if service in {"scheduler", "operator"}:
            settings["seal_public_key"] = base64.b64encode(bytes(self.key.public_key)).decode()
        if service in {"scheduler", "fetcher"}:
            settings["allowed_networks"] = json.dumps(["127.0.0.0/8"])
        if service in {"fetcher", "operator"}:
            settings["seal_private_keys"] = json.dumps([base64.b64encode(bytes(self.key)).decode()])
        settings |= self._settings
        return {f"SFTP_CONNECTOR_{name.upper()}": str(value) for name, value in settings.items()}

    def service(self, name: str, number: int = 1, **settings: object) -> Service:
        """A service of this stack, not started; `number` tells several of one kind apart."""
        environment = self.environment(name) | {
            f"SFTP_CONNECTOR_{key.upper()}": str(value) for key, value in settings.items()
        }
        home = self.home / f"{name}-{number}"
        made = Service(name, home, environment, die_with_parent=self._die_with_parent)
        self._started.append(made)
        return made

    def start(self, names: Iterable[str] = SERVICES) -> dict[str, Service]:
        """Start one of each service; return when all are ready."""
        services = {name: self.service(name) for name in names}
        with ThreadPoolExecutor(len(services)) as pool:
            for started in [pool.submit(service.start) for service in services.values()]:
                started.result()
        return services

    def stop(self) -> None:
        """Stop every service of the stack."""
        with ThreadPoolExecutor(max(1, len(self._started))) as pool:
            for stopped in [pool.submit(service.stop) for service in self._started]:
                stopped.result()
