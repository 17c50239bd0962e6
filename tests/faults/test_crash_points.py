"""A service that fails at a named point does its work again; one that is killed there is the ledger's matter."""

from collections.abc import Callable

import psutil
import pytest

from deploy.local.service import Service
from tests.pipeline.world import FIELDS, STATUSES, World

LeadsCsv = Callable[..., bytes]
ROWS = 200
POINTS = (
    ("scheduler", "relay.taken"),
    ("scheduler", "relay.published"),
    ("fetcher", "fetch.chunk"),
    ("fetcher", "fetch.chunk@3"),
    ("fetcher", "fetch.stored"),
    ("fetcher", "fetch.answered"),
    ("importer", "import.batch"),
    ("importer", "import.batch@2"),
    ("importer", "import.batch@4"),
    ("importer", "import.finished"),
    ("importer", "import.committed"),
)


def started(world: World, name: str, failpoints: str, **settings: object) -> Service:
    """All services, of which one has its failpoints armed."""
    world.stack.start([other for other in ("scheduler", "fetcher", "importer") if other != name])
    # Four batches in a file
    batches = {"batch_rows": ROWS // 4} if name == "importer" else {}
    armed = world.stack.service(name, 1, failpoints=failpoints, **batches, **settings)
    armed.start()
    return armed


def dead(service: Service) -> bool:
    """Whether nothing answers any more."""
    try:
        service.status("/healthz")
    except OSError:
        return True
    return False


@pytest.mark.parametrize("point", [point for name, point in POINTS if name == "importer"])
def test_an_import_that_is_killed_shows_nothing_until_the_next_one_is_done(
    world: World, leads_csv: LeadsCsv, point: str
) -> None:
    world.put(leads_csv(ROWS))
    armed = started(world, "importer", f"{point}=kill")
    world.ui.ask("import_mapping.saved", fields=FIELDS, statuses=STATUSES)
    asked = world.create()
    world.until(lambda: dead(armed), "a killed service")
    # Half an import is nothing
    assert world.count("leads") == (ROWS if point == "import.committed" else 0)

    world.stack.service("importer", 2).start()

    world.ended(asked)
    world.assert_imported_once(ROWS)


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[point for _, point in POINTS])
def test_one_that_fails_there_does_it_again(world: World, leads_csv: LeadsCsv, name: str, point: str) -> None:
    world.put(leads_csv(ROWS, padding=5_000))
    failing = started(world, name, f"{point}=raise")
    world.ui.ask("import_mapping.saved", fields=FIELDS, statuses=STATUSES)

    asked = world.create()

    world.ended(asked)
    world.assert_imported_once(ROWS)
    assert "FailpointReached" in failing.log_path.read_text()


def test_a_scheduler_that_dies_with_a_run_half_open_opens_it_again(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    armed = started(world, "scheduler", "tick.opened=kill")
    world.save_mapping()
    world.ended(world.create(interval_seconds=1))
    world.until(lambda: dead(armed), "a scheduler that died in a tick")
    assert world.count("runs") == 1

    world.stack.service("scheduler", 2).start()

    world.ui.wait("sftp_connector.sync_unchanged")
    assert world.count("leads") == ROWS
    assert world.count("runs where outcome = 'succeeded'") == 1


@pytest.mark.parametrize("point", ["import.batch@2", "import.finished"])
def test_an_importer_that_wakes_after_its_lease_writes_nothing(world: World, leads_csv: LeadsCsv, point: str) -> None:
    # Given an importer that froze with something written and nothing committed
    world.put(leads_csv(ROWS))
    frozen = started(world, "importer", f"{point}=freeze", idle_transaction_seconds=1)
    world.save_mapping()
    asked = world.create()
    world.until_stage("importing")
    world.until(lambda: psutil.Process(frozen.pid).status() == psutil.STATUS_STOPPED, "a frozen importer")
    # When another importer takes the run over, because PostgreSQL ended the transaction that held the locks
    world.stack.service("importer", 2).start()
    world.ended(asked)
    frozen.thaw()
    # Then the first one's work is gone, and it lives
    world.assert_imported_once(ROWS)
    assert world.run()["attempt"] == 2
    assert frozen.status("/healthz")[0] == 200
