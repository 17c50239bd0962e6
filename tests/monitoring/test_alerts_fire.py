"""Each alert fires for real when what it tells of is done to a stack that a Prometheus watches.

The rules are the product's at sixty times the speed: see `hurry`.
"""

import resource
import time
from collections.abc import Callable

import pika
import pytest

from tests.integration.amqp import put
from tests.monitoring.hurry import hurried
from tests.monitoring.watched import Watched, leads

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def until_fired(watched: Watched, *names: str, seconds: float, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Wait until each of the alerts has fired, not necessarily at the same time."""
    assert watched.prometheus is not None
    missing, deadline = set(names), time.monotonic() + seconds
    while missing:
        assert time.monotonic() < deadline, f"did not fire within {seconds} s: {sorted(missing)}"
        missing -= watched.prometheus.alerts("firing")
        meanwhile()
        time.sleep(0.3)


def started(
    watched: Watched, connectors: int, *, interval_seconds: int = 1, budget: float = 500e9, **settings: object
) -> None:
    """Connectors of one file, each imported once; no alert fires."""
    prometheus = watched.start(hurried(budget=budget), **settings)
    watched.world.save_mapping()
    watched.world.put(leads(20), path="/exports/a.csv")
    watched.connect(connectors, "/exports/a.csv", interval_seconds=interval_seconds)
    watched.until(f"sum(sftp_connector_imports_total{{outcome='succeeded'}}) >= {connectors}", "first imports")
    # The first scrapes of a busy machine may come late.
    deadline = time.monotonic() + 20
    while firing := prometheus.alerts("firing"):
        assert time.monotonic() < deadline, f"fire without a reason: {sorted(firing)}"
        time.sleep(0.3)


def look_now(watched: Watched) -> None:
    """Make every connector due."""
    watched.world.db.execute("update connectors set due_at = now() where state = 'active'")


def purge(watched: Watched, queue: str) -> None:
    """Lose the messages of a queue."""
    with pika.BlockingConnection(pika.URLParameters(watched.world.stack.amqp_url)) as connection:
        connection.channel().queue_purge(queue)


def test_fetchers_that_are_gone(watched: Watched) -> None:
    # Given connectors of which three may be under way at once
    started(watched, 8, max_queued=4)

    # When the fetcher goes, what it was sent is lost again and again, and a run has been tried too often
    watched.services["fetcher"].stop()
    watched.world.db.execute(
        "update runs set attempt = 5 where id = (select id from runs where stage = 'queued' limit 1)"
    )
    until_fired(
        watched,
        *("ServiceMissing", "QueueWithoutConsumers", "ConnectorsPileUp", "NothingSucceeds", "RunsSentAgain"),
        *("RunsGivenUp", "FreshnessBurnsFast", "FreshnessBurns"),
        seconds=130,
        meanwhile=lambda: purge(watched, "sftp.fetch"),
    )

    # And when the sweep does not do its work
    watched.run("scheduler", sweep_seconds=1000)
    until_fired(watched, "LeasesOverdue", seconds=30)


def test_importers_that_stand_still(watched: Watched) -> None:
    # Given
    started(watched, 12)

    # When the importer is frozen while every file changes, and goes on
    watched.services["importer"].freeze()
    watched.world.put(leads(20, version=1), path="/exports/a.csv")
    until_fired(watched, "ImportsLag", seconds=70)
    watched.services["importer"].thaw()

    # Then imports are late, by far more than promised
    until_fired(watched, "SyncsSlowFast", "SyncsSlow", seconds=60)


def test_servers_that_are_away(watched: Watched) -> None:
    # Given
    started(watched, 4)
    servers, blobs = watched.world.stack.servers, watched.world.stack.blobs

    # When broker and blob store go, and then the database
    aside = blobs.rename(blobs.with_name("aside"))
    blobs.touch()
    servers.rabbitmq.kill()
    # and the importer's disk is full
    importer = watched.services["importer"].pid
    assert importer is not None
    resource.prlimit(importer, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        expected = ("BrokerUnreachable", "BlobStoreUnreachable", "OutboxStuck", "TemporaryFolderUnusable")
        until_fired(watched, *expected, seconds=60)
        servers.postgres.stop()
        until_fired(watched, "DatabaseUnreachable", "FiguresOld", "LoopFails", seconds=90)

    # Then they come back, and no service has died of it
    finally:
        blobs.unlink()
        aside.rename(blobs)
        servers.postgres.start()
        servers.rabbitmq.start()
    assert all(service.running for service in watched.services.values())
    watched.world.look_again()


def test_faults_that_spread(watched: Watched) -> None:
    # Given
    started(watched, 20, interval_seconds=600, budget=10)
    world = watched.world

    # When imports are refused at their end, because their connectors were deleted meanwhile
    importer = watched.services["importer"]
    world.put(leads(6000, version=1), path="/exports/a.csv")  # so many that one deletes in time
    look_now(watched)
    while importer.metric('sftp_connector_stale_total{kind="import"}') < 4:
        world.until(lambda: world.rows(_IMPORTING), "an import in hand", seconds=30)
        world.ui.ask("sftp_connector.delete", connector_id=str(world.rows(_IMPORTING)[0]["connector_id"]))
        world.until(lambda: not world.rows(_IMPORTING), "its end", seconds=30)

    # And servers show other host keys, messages are none, and the schema is not that of the code
    world.sshd.rotate_host_key()
    look_now(watched)
    world.db.execute("delete from schema_migrations where name = (select max(name) from schema_migrations)")
    put(world.stack.amqp_url, "sftp.reports", b"\x00")

    # Then
    until_fired(
        watched,
        *("WritesFenced", "HostKeysChange", "OneCodeEverywhere", "DeadLetters", "NotMigrated", "BlobStoreOverBudget"),
        seconds=90,
    )


_IMPORTING = "select connector_id from runs where stage = 'importing' and outcome is null"
