"""kill -9 of any service at any moment loses nothing and imports nothing twice."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from shared.bus.jobs import JobSender
from shared.contracts import ImportRequested
from tests.pipeline.world import World
from tests.proxy import Proxy

pytestmark = pytest.mark.slow

LeadsCsv = Callable[..., bytes]
ROWS = 200


@contextmanager
def organisation_locked(world: World) -> Iterator[None]:
    """Hold back every merge of the organisation: an importer waits after its claim."""
    org = world.ui.organisation_id
    with psycopg.connect(world.stack.database_url) as holder:
        holder.execute("select pg_advisory_xact_lock(hashtextextended('leads ' || %s::text, 0))", [org])
        yield


@contextmanager
def relay_locked(world: World) -> Iterator[None]:
    """Hold back the relay: what is committed is not published."""
    with psycopg.connect(world.stack.database_url) as holder:
        holder.execute("select pg_advisory_xact_lock(7240915002)")
        yield


def test_the_scheduler_dies_while_it_handles_an_event(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    services = world.stack.start()
    world.save_mapping()
    # Given a handler that waits, because another transaction holds the same inbox row
    with psycopg.connect(world.stack.database_url) as holder:
        holder.execute("insert into inbox (source, event_id) values ('leadbay/ui', 'the-event')")
        world.ui.ask("sftp_connector.create", event_id="the-event", **world.form())
        world.until(lambda: world.count("pg_stat_activity where wait_event_type = 'Lock'") > 0, "a waiting handler")

        services["scheduler"].kill()
        holder.rollback()
    assert world.count("connectors") == 0

    services["scheduler"].start()

    world.ended("the-event")
    world.assert_imported_once(ROWS)
    assert world.count("connectors") == 1


def test_the_scheduler_dies_after_the_commit_and_before_it_publishes(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    services = world.stack.start()
    world.save_mapping()
    with relay_locked(world):
        asked = world.create()
        world.until(lambda: world.count("runs") == 1, "a queued run")

        services["scheduler"].kill()
    assert world.count("outbox") > 0

    services["scheduler"].start()

    world.ended(asked)
    world.assert_imported_once(ROWS)


def test_the_fetcher_dies_in_the_middle_of_a_download(world: World, leads_csv: LeadsCsv) -> None:
    content = leads_csv(ROWS, padding=10_000)
    world.put(content)
    services = world.stack.start()
    world.save_mapping()
    with Proxy((world.sshd.host, world.sshd.port), hold_after=len(content) // 2) as proxy:
        asked = world.create(port=proxy.port)
        assert proxy.holding.wait(20)

        services["fetcher"].kill()
        proxy.release()
        services["fetcher"].start()

        world.ended(asked)
    world.assert_imported_once(ROWS)


@pytest.mark.slow
def test_the_fetcher_dies_after_the_blob_is_kept_and_before_it_answers(world: World, leads_csv: LeadsCsv) -> None:
    content = leads_csv(ROWS, padding=1_000)
    world.put(content)
    services = world.stack.start()
    world.save_mapping()
    with Proxy((world.sshd.host, world.sshd.port), hold_after=len(content) // 2) as proxy:
        asked = world.create(port=proxy.port)
        assert proxy.holding.wait(20)
        # A memory alarm blocks whoever publishes; the download goes on.
        world.stack.servers.rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1")
        try:
            proxy.release()
            world.until(lambda: any((world.stack.blobs / "org").rglob("*")), "a kept blob")

            services["fetcher"].kill()
        finally:
            world.stack.servers.rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")
        services["fetcher"].start()

        world.ended(asked)
    world.assert_imported_once(ROWS)


def test_the_importer_dies_in_the_middle_of_an_import(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    services = world.stack.start()
    world.save_mapping()
    with organisation_locked(world):
        asked = world.create()
        world.until_stage("importing")

        services["importer"].kill()
    services["importer"].start()

    world.ended(asked)
    world.assert_imported_once(ROWS)
    assert world.run()["attempt"] >= 2


def test_a_frozen_importer_that_wakes_after_its_lease_writes_nothing(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    services = world.stack.start()
    world.save_mapping()
    # Given an importer that claimed the run and froze, and a second one that took the run over
    with organisation_locked(world):
        asked = world.create()
        world.until_stage("importing")
        services["importer"].freeze()
        world.stack.service("importer", 2).start()
        world.until(lambda: world.run()["attempt"] == 2, "a second claim")

    # When the first one wakes, it is the first to merge
    services["importer"].thaw()

    # Then it notices that the run is not its own any more, and the second one's import counts
    world.until(
        lambda: services["importer"].metric('sftp_connector_stale_total{kind="import"}') == 1, "a fenced import"
    )
    assert "import.fenced" in services["importer"].log_path.read_text()
    world.ended(asked)
    world.assert_imported_once(ROWS)
    assert world.run()["attempt"] == 2


def test_everything_is_delivered_twice_and_imported_once(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    world.stack.start()
    second = world.stack.service("importer", 2)
    second.start()
    world.save_mapping()
    with organisation_locked(world):
        asked = world.create()
        world.until_stage("importing")
        run = world.run()
        again = ImportRequested(
            run_id=run["id"],
            org_id=run["org_id"],
            connector_id=run["connector_id"],
            checksum=run["checksum"],
            blob=run["blob"],
            size=run["file_size"],
            looked_at=run["looked_at"],
        )
        _send_at_once(world, again, copies=20)

    world.ended(asked)
    _send_at_once(world, again, copies=20)

    world.until(lambda: second.metric('sftp_connector_stale_total{kind="import_request"}') > 0, "a repeated request")
    world.assert_imported_once(ROWS)


def _send_at_once(world: World, job: ImportRequested, *, copies: int) -> None:
    sender = JobSender(world.stack.amqp_url)

    def send() -> None:
        for _ in range(copies // 4):
            sender.send(job)

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()


@pytest.mark.slow
def test_the_broker_is_killed_in_the_middle_of_a_download(world: World, leads_csv: LeadsCsv) -> None:
    content = leads_csv(ROWS, padding=1_000)
    world.put(content)
    world.stack.start()
    world.save_mapping()
    with Proxy((world.sshd.host, world.sshd.port), hold_after=len(content) // 2) as proxy:
        asked = world.create(port=proxy.port)
        assert proxy.holding.wait(20)

        world.stack.servers.rabbitmq.kill()
        proxy.release()
        world.stack.servers.rabbitmq.start()

        world.ended(asked, seconds=60)
    world.assert_imported_once(ROWS)


@pytest.mark.slow
def test_the_database_is_away_while_an_admin_connects(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(ROWS))
    services = world.stack.start()
    world.save_mapping()

    world.stack.servers.postgres.stop()
    asked = world.create()
    log = services["scheduler"].log_path
    world.until(lambda: '"ui_events.failed"' in log.read_text(), "a handler without database")
    assert services["scheduler"].status("/readyz")[0] == 503
    world.stack.servers.postgres.start()

    world.ended(asked)
    world.look_again()
    world.assert_imported_once(ROWS)
    assert "ui_events.parked" not in log.read_text()
