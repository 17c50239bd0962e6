"""Builds what the scheduler's tests are given: the real Admin and Handler over one database, and rows to start from."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID, uuid4

from nacl.public import PrivateKey
from prometheus_client import CollectorRegistry
from psycopg import sql
from psycopg_pool import ConnectionPool
from pydantic import BaseModel

from services.scheduler.admin import Admin
from services.scheduler.handler import Handler
from services.scheduler.measures import Measures
from services.scheduler.settings import Settings
from services.scheduler.sweep import Sweep
from shared.bus.jobs import type_by_name
from shared.bus.queues import QueueState
from shared.contracts import TOLD, CloudEvent, FetchProgressed, FetchReported, FetchRequested
from shared.database import Db, Row
from shared.errors import BusUnavailable
from shared.ids import new_id
from shared.metrics import Metrics
from shared.sealing import Opener, Place, public_key, seal
from tests.integration.conftest import pool_of

CANARY = "canary-7f3a"
PASSWORD = f"p@ss:/?#[]%20\"'\\ {CANARY}"
# Addresses of documentation (RFC 5737), which no name service is asked for; a desk allows the first of the networks.
HOST, OTHER_HOST = "192.0.2.10", "192.0.2.20"
FORM = {"host": HOST, "username": "leadbay", "password": PASSWORD, "path": "/exports/leads.csv"}
HOST_KEY = "ssh-ed25519 SHA256:" + "A" * 43
OTHER_KEY = "ssh-ed25519 SHA256:" + "B" * 43
CHECKSUM = "c" * 64

_TOLD_BY_TYPE = {told.type: told for told in TOLD}
M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")


class Database:
    """Reads and writes the tables as a test sees them: all organisations' at once."""

    def __init__(self, connections: ConnectionPool[Db]) -> None:
        self.connections = connections

    def all(self, statement: str, **values: Any) -> list[Row]:
        with self.connections.connection() as db:
            cursor = db.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def one(self, statement: str, **values: Any) -> Row:
        (row,) = self.all(statement, **values)
        return row

    def value(self, statement: str, **values: Any) -> Any:
        (value,) = self.one(statement, **values).values()
        return value

    def owed(self) -> list[BaseModel]:
        """The jobs and events that wait in the outbox, in order."""
        return [_parsed(row) for row in self.all("select kind, name, body from outbox order by id")]

    def taken(self) -> list[BaseModel]:
        """The same, and the outbox is empty afterwards: the relay took them."""
        owed = self.owed()
        self.all("delete from outbox")
        return owed

    def dump(self, *, without: tuple[str, ...] = ()) -> dict[str, list[str]]:
        """Every row of every table as text, hidden columns not included."""
        tables = self.all("select table_name from information_schema.tables where table_schema = 'public'")
        with self.connections.connection() as db:
            return {
                name: sorted(
                    str(row["line"])
                    for row in db.execute(sql.SQL("select t::text as line from {} t").format(sql.Identifier(name)))
                )
                for name in sorted(row["table_name"] for row in tables)
                if name not in without
            }


class Desk(Database):
    """A scheduler without its bus: what it owes is read from the outbox."""

    def __init__(self, connections: ConnectionPool[Db], **settings: Any) -> None:
        super().__init__(connections)
        key = PrivateKey.generate()
        self.opener = Opener([key])
        self.org_id = uuid4()
        self.settings = Settings(
            amqp_url="amqp://nowhere",
            database_url="postgresql://nowhere",
            seal_public_key=base64.b64encode(bytes(key.public_key)).decode(),
            **({"allowed_networks": ["192.0.2.0/24"]} | settings),
        )
        self._seal_key = public_key(self.settings.seal_public_key)
        self._registry = CollectorRegistry()
        metrics = Metrics(self._registry)
        # How many jobs wait in each queue, as RabbitMQ would tell.
        self.waiting: dict[str, int] = {}
        self.broker_away = False
        service = pool_of("scheduler", connections)
        self.handler = Handler(service, self.settings, metrics)
        self.sweep = Sweep(service, self.settings, metrics, self._depth)
        self.admin = Admin(service, self.settings, metrics)
        self.measures = Measures(service, metrics, lambda queue: QueueState(self.waiting.get(queue, 0), 1, 0))

    def _depth(self, queue: str) -> int:
        if self.broker_away:
            raise BusUnavailable("away")
        return self.waiting.get(queue, 0)

    def event(self, event_type: str, *, id: str | None = None, **data: Any) -> CloudEvent:
        """An event of an admin of the organisation, unless `data` says otherwise."""
        asker = {"organisation_id": str(self.org_id), "user_id": str(UUID(int=1)), "role": "ADMIN"}
        return CloudEvent(id=id or str(uuid4()), source="leadbay/ui", type=event_type, data=asker | data)

    def ask(self, event_type: str, **data: Any) -> str:
        """Have the event handled; its id."""
        event = self.event(event_type, **data)
        self.admin.handle(event)
        return event.id

    def created(self, **fields: Any) -> UUID:
        """A connector made by its form, whose first run is open and whose messages have left."""
        self.ask("sftp_connector.create", **(FORM | fields))
        self.taken()
        connector_id: UUID = self.value("select id from connectors order by created_at desc, id desc limit 1")
        return connector_id

    def connector(self, connector_id: UUID) -> Row:
        return self.one("select * from connectors where id = %(id)s", id=connector_id)

    def insert_connector(self, **columns: Any) -> UUID:
        """A connector that is due, and without a run."""
        connector_id = new_id()
        place = Place(self.org_id, connector_id, FORM["host"], 22, FORM["username"])
        row = {
            "id": connector_id,
            "org_id": self.org_id,
            "host": FORM["host"],
            "port": 22,
            "username": FORM["username"],
            "path": FORM["path"],
            "sealed_password": seal(PASSWORD, place, self._seal_key),
            "interval_seconds": 900,
        } | columns
        statement = sql.SQL("insert into connectors ({}) values ({})").format(
            sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(map(sql.Placeholder, row))
        )
        with self.connections.connection() as db:
            db.execute(statement, row)
        return connector_id

    def insert_many(self, count: int, **columns: Any) -> list[UUID]:
        """So many of them."""
        return [self.insert_connector(**columns) for _ in range(count)]

    def save_mapping(self, **fields: str) -> None:
        """A mapping of the company name and these columns, whose answer was heard."""
        self.ask("import_mapping.saved", fields={"Company": "LEAD_NAME"} | fields)
        self.taken()

    def give_file(self, connector_id: UUID, *, mapping_version: int = 0) -> None:
        """A file version that was imported with this mapping."""
        self.all(
            "update connectors set file_checksum = %(checksum)s, file_blob = %(blob)s, file_size = 7, file_mtime = 1,"
            " file_looked_at = now(), file_compared_at = now(), file_mapping_version = %(version)s where id = %(id)s",
            checksum=CHECKSUM,
            blob=f"org/{self.org_id}/{CHECKSUM}",
            version=mapping_version,
            id=connector_id,
        )

    def tick(self) -> FetchRequested:
        """Look for due connectors, of which there is one; the job that it owes."""
        self.handler.tick()
        return only(self.taken(), FetchRequested)

    def due(self, connector_id: UUID) -> UUID:
        """The connector's run, just opened because it is due."""
        self.handler.tick()
        (run_id,) = self.open_runs(connector_id)
        return run_id

    def started(self) -> UUID:
        """The run of the only due connector, taken by a fetcher."""
        run_id = self.tick().run_id
        self.handler.on_progress(FetchProgressed(run_id=run_id, phase="started"))
        self.taken()
        return run_id

    def look_again(self, connector_id: UUID) -> FetchRequested:
        """The next look at the connector's file, which is the only one that is due."""
        self.all("update connectors set due_at = now() where id = %(id)s", id=connector_id)
        return self.tick()

    def looked(self, connector_id: UUID, verdict: str, code: str | None = None, **fields: Any) -> list[BaseModel]:
        """One look at the connector's file from due to answered; what it owes the UI at its end."""
        self.all("update connectors set due_at = now() where id = %(id)s", id=connector_id)
        run_id = self.started()
        self.handler.on_report(
            FetchReported.model_validate(fields | {"run_id": run_id, "verdict": verdict, "code": code})
        )
        return self.taken()

    def sample(self, name: str, **labels: str) -> float | None:
        """What a metric says."""
        return self._registry.get_sample_value(name, labels)

    def run(self, run_id: UUID) -> Row:
        return self.one("select * from runs where id = %(id)s", id=run_id)

    def open_runs(self, connector_id: UUID) -> list[UUID]:
        rows = self.all("select id from runs where connector_id = %(id)s and stage <> 'done'", id=connector_id)
        return [row["id"] for row in rows]

    def let_leases_end(self) -> None:
        """As if time had passed."""
        self.all("update runs set lease_until = now() - interval '1 second' where stage <> 'done'")

    def seconds_until_due(self, connector_id: UUID) -> float:
        return float(
            self.value("select extract(epoch from due_at - now()) from connectors where id = %(id)s", id=connector_id)
        )


def kinds(owed: list[BaseModel]) -> list[type[BaseModel]]:
    """What is owed, by type."""
    return [type(message) for message in owed]


def only(owed: list[BaseModel], kind: type[M]) -> M:
    """The only message of this type."""
    (found,) = [message for message in owed if isinstance(message, kind)]
    return found


def at_once(count: int, act: Callable[[int], R]) -> list[R]:
    """Act in so many threads that start together; the first exception of any is raised."""
    start = threading.Barrier(count)

    def acted(number: int) -> R:
        start.wait(10)
        return act(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(acted, range(count)))


def _parsed(row: Row) -> BaseModel:
    if row["kind"] == "job":
        return type_by_name[row["name"]].model_validate(row["body"])
    event = CloudEvent.model_validate(row["body"])
    assert event.type == row["name"]
    return _TOLD_BY_TYPE[event.type].model_validate(event.data)
