"""Faults of our own services: killed, frozen, restarted, doubled, poisoned, with a clock that is wrong."""

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psycopg

from deploy.local.service import Service
from tests.faults.drill import INTERVAL_SECONDS, Drill
from tests.faults.fault import Inject, fault
from tests.faults.other import Other

# Where each service is held up, and how that shows.
_IN_HAND = {
    "scheduler": ("relay.taken", "select from outbox where created_at < now() - interval '0.3 s'"),
    "fetcher": ("fetch.chunk", "select from runs where stage = 'fetching'"),
    "importer": ("import.batch", "select from runs where stage = 'importing'"),
}


def _dies_at(point: str, name: str, passages: int = 1) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        armed = drill.replace(name, failpoints=f"{point}@{drill.random.randint(1, passages)}=kill")
        yield
        while drill.services[name] is armed:
            drill.change()  # so that the point is passed once more
            drill.until(lambda: drill.services[name] is not armed or drill.imported(), f"a {name} dead at {point}")

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


@fault(bound=15)
@contextmanager
def two_of_each(drill: Drill) -> Iterator[None]:
    """Two of each service, with two relays."""
    for name in drill.services:
        drill.add(name)
    yield


def _clock(drill: Drill, **variables: str) -> Service:
    """A scheduler whose clock is another than ours."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    wrong = {"LD_PRELOAD": str(library), "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return drill.replace("scheduler", variables=wrong | variables)


def _ahead(service: Service) -> float:
    """By how many seconds its clock is ahead of ours, from what it logged last."""
    last = json.loads(service.log_path.read_text().splitlines()[-1])
    return datetime.fromisoformat(last["timestamp"]).timestamp() - service.log_path.stat().st_mtime


def _until_ahead(drill: Drill, service: Service, seconds: float) -> None:
    drill.until(lambda: abs(_ahead(service) - seconds) < 60, f"a clock that is {seconds:.0f} s ahead")


def _wrong_clock(shift: str, seconds: float) -> Inject:
    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        scheduler = _clock(drill, FAKETIME=shift)
        yield
        drill.until_imported()
        _until_ahead(drill, scheduler, seconds)
        drill.replace("scheduler")

    inject.__name__ = "scheduler_clock_" + {"+": "ahead", "-": "behind"}[shift[0]]
    inject.__doc__ = f"The scheduler's clock is wrong by {shift}."
    return inject


fault(bound=15, alone=True)(_wrong_clock("+1h", 3600))
fault(bound=15, alone=True)(_wrong_clock("-1h", -3600))


@fault(bound=15, alone=True)
@contextmanager
def scheduler_clock_jumps(drill: Drill) -> Iterator[None]:
    """The scheduler's clock jumps ahead by an hour while it works, and back by two; no file is looked at more often."""
    shift = drill.stack.home / "clock"
    shift.write_text("+0")
    scheduler = _clock(drill, FAKETIME_TIMESTAMP_FILE=str(shift), FAKETIME_NO_CACHE="1")
    yield
    begun = drill.now()
    for hours in (1, -1):
        shift.write_text(f"{hours:+}h")
        drill.change()
        drill.until_imported()
        _until_ahead(drill, scheduler, hours * 3600)
    drill.replace("scheduler")
    looks = Counter(run["connector_id"] for run in drill.runs("trigger = 'schedule'") if run["queued_at"] > begun)
    most = (drill.now() - begun).total_seconds() / (INTERVAL_SECONDS * 0.9) + 3  # the changes are looked at besides
    assert max(looks.values()) <= most, f"{looks} looks in a time for {most:.0f}"


@fault(bound=15, alone=True)
@contextmanager
def scheduler_frozen_past_its_lease(drill: Drill) -> Iterator[None]:
    """It stands still until another one has opened runs, and then goes on."""
    frozen = drill.services["scheduler"]
    drill.rest()
    frozen.freeze()
    drill.add("scheduler")
    begun = drill.now()
    yield
    drill.until(
        lambda: [run for run in drill.runs("true") if run["queued_at"] > begun], "a run that another one opened"
    )
    time.sleep(2)  # is what is injected: a lease
    frozen.thaw()


@fault(bound=15, alone=True)
@contextmanager
def fetcher_frozen_past_its_lease(drill: Drill) -> Iterator[None]:
    """It stands still with a file in hand until another one has taken the run over, and then goes on."""
    frozen = drill.replace("fetcher", failpoints="fetch.chunk=sleep:1")
    yield
    drill.until(lambda: drill.runs("stage = 'fetching'"), "a look in hand")
    frozen.freeze()
    held = drill.runs("stage = 'fetching'")
    assert held, "nothing was in hand"
    drill.add("fetcher")
    query = "select from runs where id = any(%s) and sends > 1 and blob is not null"
    drill.until(lambda: drill.rows(query, [run["id"] for run in held]), "another one that took a run over")
    frozen.thaw()


@fault(bound=15, alone=True)
@contextmanager
def importer_frozen_past_its_lease(drill: Drill) -> Iterator[None]:
    """It stands still with an import in hand until another one has taken the run over, and then goes on."""
    frozen = drill.replace("importer", failpoints="import.batch@2=sleep:1")
    yield
    drill.until(lambda: drill.runs("stage = 'importing'"), "an import in hand")
    frozen.freeze()
    assert drill.runs("stage = 'importing'"), "nothing was in hand"
    drill.add("importer")
    drill.until(lambda: drill.runs("stage = 'importing' and attempt = 2"), "another one that took the run over")
    frozen.thaw()
    drill.until(lambda: frozen.metric('sftp_connector_stale_total{kind="import"}') >= 1, "a fenced import")


@fault(bound=15, amid=True)
@contextmanager
def rolling_restart(drill: Drill) -> Iterator[None]:
    """Each service in turn is asked to stop, and another one started."""
    yield
    for name in list(drill.services):
        drill.replace(name)


@fault(bound=15, revived=1, alone=True)
@contextmanager
def killed_after_its_grace(drill: Drill) -> Iterator[None]:
    """A service with work in hand is asked to stop, and killed before it has."""
    name = drill.random.choice([*_IN_HAND])
    point, shown = _IN_HAND[name]
    service = drill.replace(name, failpoints=f"{point}=sleep:4")
    yield
    drill.until(lambda: drill.rows(shown), "work in hand")
    service.terminate()
    time.sleep(0.5)  # is what is injected: some grace
    assert service.running, "it ended within its grace"
    service.kill()


@fault(bound=15, amid=True, revived=1)
@contextmanager
def native_crash(drill: Drill) -> Iterator[None]:
    """A fetcher or importer ends as by a fault in native code (SIGSEGV)."""
    name = drill.random.choice(["fetcher", "importer"])
    service = drill.services[name]
    service.signal(signal.SIGSEGV)
    yield
    drill.until(lambda: drill.services[name] is not service, "another one")
    service.stop()  # its code is known then
    assert service.exit_code == -signal.SIGSEGV, "it did not crash"


@fault(bound=25, revived=5, alone=True)
@contextmanager
def poisonous_file(drill: Drill) -> Iterator[None]:
    """Another organisation's file kills each importer that takes it up, as one that needs too much memory would."""
    with Other(drill, b"company\nAcme\n" * 20_000) as other:
        done = threading.Event()
        killer = threading.Thread(target=_kill_whoever_imports, args=(drill, other.connector_id, done))
        killer.start()
        yield
        try:
            drill.until(lambda: other.runs("code = 'gave_up'"), "a file that is given up")
            other.ui.wait("sftp_connector.sync_failed", connector_id=other.connector_id, code="gave_up")
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
