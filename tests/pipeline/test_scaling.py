"""Several of each service side by side, lanes apart from each other, and graceful stops."""

from collections.abc import Callable

import psycopg
import pytest

from tests.pipeline.test_crashes import organisation_locked
from tests.pipeline.world import World
from tests.proxy import Proxy

LeadsCsv = Callable[..., bytes]


def test_two_of_each_service_share_the_work_without_doubling_it(world: World, leads_csv: LeadsCsv) -> None:
    # Given twenty connectors on twenty files, and two of each service
    world.stack.start()
    for name in ("scheduler", "fetcher", "importer"):
        world.stack.service(name, 2).start()
    world.save_mapping()
    for number in range(20):
        rows = leads_csv(5).replace(b"C", f"F{number}-C".encode()).replace(b"company", f"c{number}-".encode())
        header, rest = rows.split(b"\n", 1)
        world.put(b"id,company,site,city,status,mail,notes\n" + rest, path=f"/exports/{number}.csv")
        del header

    asked = [world.create(path=f"/exports/{number}.csv") for number in range(20)]

    for event_id in asked:
        assert world.ended(event_id)["rows"]["created"] == 5
    world.until_quiet()
    assert world.count("runs") == world.count("runs where outcome = 'succeeded' and attempt = 1") == 20
    assert world.count("leads") == 100


def test_a_connection_test_does_not_wait_for_long_downloads(world: World, leads_csv: LeadsCsv) -> None:
    content = leads_csv(200, padding=1_000)
    world.put(content)
    world.stack.start(["scheduler"])
    world.stack.service("fetcher", fetch_threads=1).start()
    with Proxy((world.sshd.host, world.sshd.port), hold_after=len(content) // 2) as proxy:
        world.create(port=proxy.port)
        assert proxy.holding.wait(20)

        asked = world.ui.ask("sftp_connector.test", **world.form())

        assert world.ui.wait("sftp_connector.tested", in_reply_to=asked, seconds=2)["ok"]


@pytest.mark.parametrize("service", ["scheduler", "fetcher", "importer"])
def test_an_idle_service_stops_at_once_with_exit_code_0(world: World, service: str) -> None:
    running = world.stack.start([service])[service]

    running.stop()

    assert running.exit_code == 0
    assert '"service.stopped"' in running.log_path.read_text()


@pytest.mark.slow
def test_a_stopped_fetcher_hands_its_download_back(world: World, leads_csv: LeadsCsv) -> None:
    content = leads_csv(50, padding=10_000)
    world.put(content)
    services = world.stack.start()
    world.save_mapping()
    with Proxy((world.sshd.host, world.sshd.port), hold_after=len(content) // 2) as proxy:
        asked = world.create(port=proxy.port)
        assert proxy.holding.wait(20)

        services["fetcher"].stop()

        assert services["fetcher"].exit_code == 0
        proxy.release()
        services["fetcher"].start()
        world.ended(asked)
    world.assert_imported_once(50)


@pytest.mark.slow
def test_a_stopped_importer_hands_its_import_back(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(50))
    services = world.stack.start(["scheduler", "fetcher"])
    services["importer"] = world.stack.service("importer", lease_seconds=60)
    services["importer"].start()
    world.save_mapping()
    with organisation_locked(world):
        asked = world.create()
        world.until_stage("importing")

        services["importer"].stop()

        assert services["importer"].exit_code == 0
    # Then the next importer need not wait for the lease of a minute
    services["importer"].start()
    world.ended(asked, seconds=20)
    world.assert_imported_once(50)


def test_a_service_that_is_stopped_with_work_in_hand_finishes_it(world: World, leads_csv: LeadsCsv) -> None:
    world.put(leads_csv(50))
    services = world.stack.start()
    world.save_mapping()
    with psycopg.connect(world.stack.database_url) as holder:
        org = world.ui.organisation_id
        holder.execute("select pg_advisory_xact_lock(hashtextextended('leads ' || %s::text, 0))", [org])
        asked = world.create()
        world.until_stage("importing")
        services["importer"].terminate()
        holder.rollback()

    world.ended(asked)
    world.until(lambda: not services["importer"].running, "a stopped importer")
    assert world.run()["attempt"] == 1
    world.assert_imported_once(50)
