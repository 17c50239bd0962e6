"""Faults of our own services: killed, frozen, restarted, doubled, poisoned, with a clock that is wrong."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg

from deploy.local.ui import UI
from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault
from tests.faults.ledger import FIELDS, STATUSES

_FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def _dies_at(point: str, name: str, passages: int = 1) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        armed = drill.replace(name, failpoints=f"{point}@{drill.random.randint(1, passages)}=kill")
        yield
        drill.change()  # so that the point is passed often enough
        drill.until(lambda: drill.services[name] is not armed, f"a {name} that died at {point}")

    inject.__name__ = f"{name}_dies_at_{point.replace('.', '_')}"
    inject.__doc__ = f"It kills itself at the point `{point}`, at one of the first {passages} passages."
    return inject


for _point, _name, _passages in (
    ("tick.opened", "scheduler", 4),
    ("relay.taken", "scheduler", 8),
    ("relay.published", "scheduler", 8),
    ("fetch.chunk", "fetcher", 4),
    ("fetch.stored", "fetcher", 4),
    ("fetch.answered", "fetcher", 4),
    ("import.batch", "importer", 12),
    ("import.finished", "importer", 4),
    ("import.committed", "importer", 4),
):
    fault(bound=15, revived=1, alone=True)(_dies_at(_point, _name, _passages))


@fault(bound=10)
@contextmanager
def two_of_each(drill: Drill) -> Iterator[None]:
    """Two of each service, with two relays."""
    for name in drill.services:
        drill.add(name)
    yield


def _clock(shift: str) -> Inject:
    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        wrong = {"LD_PRELOAD": _FAKETIME, "FAKETIME": shift, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        drill.replace("scheduler", variables=wrong)
        yield
        drill.until_imported()
        drill.replace("scheduler")

    inject.__name__ = "scheduler_clock_" + {"+": "ahead", "-": "behind"}[shift[0]]
    inject.__doc__ = f"The scheduler's clock is wrong by {shift}."
    return inject


for _shift in ("+1h", "-1h"):
    fault(bound=10, alone=True)(_clock(_shift))


def _frozen(name: str) -> Inject:
    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        frozen = drill.services[name]
        frozen.freeze()
        drill.add(name)
        yield
        time.sleep(3)  # is what is injected: longer than a lease
        frozen.thaw()

    inject.__name__ = f"{name}_frozen_past_its_lease"
    inject.__doc__ = "It stands still for longer than its leases, another one takes over, and then it goes on."
    return inject


for _name in ("scheduler", "fetcher", "importer"):
    fault(bound=15, amid=True)(_frozen(_name))


@fault(bound=10, amid=True)
@contextmanager
def rolling_restart(drill: Drill) -> Iterator[None]:
    """Each service in turn is asked to stop, and another one started."""
    yield
    for name in list(drill.services):
        drill.replace(name)


@fault(bound=15, amid=True, revived=1)
@contextmanager
def killed_after_its_grace(drill: Drill) -> Iterator[None]:
    """A service is asked to stop, and killed before it has."""
    service = drill.services[drill.random.choice(list(drill.services))]
    service.terminate()
    yield
    service.kill()


@fault(bound=15, amid=True, revived=1)
@contextmanager
def native_crash(drill: Drill) -> Iterator[None]:
    """A fetcher or importer ends as by a fault in native code (SIGSEGV)."""
    service = drill.services[drill.random.choice(["fetcher", "importer"])]
    service.signal(signal.SIGSEGV)
    yield


@fault(bound=25, revived=5, alone=True)
@contextmanager
def poisonous_file(drill: Drill) -> Iterator[None]:
    """Another organisation's file kills each importer that takes it up, as one that needs too much memory would."""
    path = f"/exports/poison-{uuid4().hex}.csv"
    drill.stack.servers.sshd.put(path, b"company\nAcme\n" * 20_000)
    with UI(drill.stack.amqp_url, uuid4()) as ui:
        asked = ui.ask("import_mapping.saved", fields={"company": FIELDS["company"]}, statuses=STATUSES)
        ui.wait("import_mapping.accepted", in_reply_to=asked)
        asked = ui.ask("sftp_connector.create", **drill.form(path) | {"interval_seconds": 3600})
        poison = ui.wait("sftp_connector.created", in_reply_to=asked)["connector"]["id"]
        done = threading.Event()
        killer = threading.Thread(target=_kill_whoever_imports, args=(drill, poison, done))
        killer.start()
        yield
        try:
            drill.until(
                lambda: drill.rows("select from runs where connector_id = %s and code = 'gave_up'", poison),
                "a file that is given up",
            )
            ui.wait("sftp_connector.sync_failed", connector_id=poison, code="gave_up")
        finally:
            done.set()
            killer.join()


def _kill_whoever_imports(drill: Drill, connector_id: str, done: threading.Event) -> None:
    query = "select attempt from runs where connector_id = %s and stage = 'importing'"
    killed = 0
    with psycopg.connect(drill.stack.database_url, autocommit=True) as db:
        while not done.wait(0.02):
            row = db.execute(query, [connector_id]).fetchone()
            if row and row[0] > killed:
                killed = row[0]
                drill.services["importer"].kill()
