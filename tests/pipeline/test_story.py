"""What an admin sees, from the first test to the deletion."""

from collections.abc import Callable

import pytest

from tests.pipeline.world import World

LeadsCsv = Callable[..., bytes]


def test_a_csv_becomes_leads_and_is_imported_again_only_when_its_content_changed(
    world: World, leads_csv: LeadsCsv
) -> None:
    # Given a file, a mapping and running services
    services = world.stack.start()
    world.put(leads_csv(50))
    world.save_mapping()

    # When the admin tests the connection, it is green within two seconds
    asked = world.ui.ask("sftp_connector.test", **world.form())
    tested = world.ui.wait("sftp_connector.tested", in_reply_to=asked)
    assert tested["ok"]
    assert [step["name"] for step in tested["steps"]] == ["address", "connect", "host_key", "login", "file"]
    assert tested["took_ms"] < 2000
    assert tested["host_key"].endswith(world.sshd.fingerprint)
    assert tested["size"] == len(leads_csv(50))

    # and connects, then the first sync brings the leads at once
    created = world.create(interval_seconds=1)
    first = world.ended(created)
    assert first["rows"] == {"read": 50, "created": 50, "updated": 0, "unchanged": 0, "rejected": 0, "ignored": 0}
    assert world.count("leads where status = 'WON' and website like 'company%.example'") == 50
    pinned = world.db.execute("select host_keys from connectors").fetchone()
    assert pinned == {"host_keys": [tested["host_key"]]}

    # When the file is written again with equal content, it is compared and not imported
    world.ui.forget()
    world.put(leads_csv(50))
    same = world.ui.wait("sftp_connector.sync_unchanged", detail="same content")
    assert same["connector_id"] == first["connector_id"]
    assert world.count("runs where outcome = 'succeeded'") == 1

    # and once its time lies far enough back, a look is enough
    world.ui.wait("sftp_connector.sync_unchanged", detail="size and time as before")

    # When one row changes, only that one is written
    world.put(leads_csv(50).replace(b"Company 7,", b"Company Seven,"))
    again = world.ui.wait("sftp_connector.sync_succeeded")
    assert (again["rows"]["updated"], again["rows"]["unchanged"]) == (1, 49)

    # When the connector is deleted, its password goes and the leads stay
    asked = world.ui.ask("sftp_connector.delete", connector_id=first["connector_id"])
    world.ui.wait("sftp_connector.deleted", in_reply_to=asked)
    assert world.count("connectors where sealed_password is not null") == 0
    assert world.count("leads") == 50

    # and every service tells its operators how it went
    assert services["importer"].metric('sftp_connector_rows_total{result="created"}') == 50
    assert services["fetcher"].metric('sftp_connector_looks_total{code="",verdict="changed"}') == 2
    assert services["scheduler"].metric("sftp_connector_queue_to_start_seconds_count") >= 4


def test_a_wrong_password_is_told_and_mended_by_an_update(world: World, leads_csv: LeadsCsv) -> None:
    world.stack.start()
    world.put(leads_csv(3))
    world.save_mapping()

    failed = world.ended(world.create(password="wrong"))

    assert (failed["type"], failed["code"]) == ("sftp_connector.sync_failed", "login_refused")
    assert failed["message"]
    assert failed["action"]
    waits = world.db.execute("select due_at > now() + interval '900 seconds' as later from connectors").fetchone()
    assert waits == {"later": True}

    asked = world.ui.ask("sftp_connector.update", connector_id=failed["connector_id"], password=world.password)

    assert world.ended(asked)["rows"]["created"] == 3


def test_without_a_company_name_column_nothing_is_imported_until_the_mapping_is_mended(world: World) -> None:
    world.stack.start()
    world.put(b"firm,town\nAcme,Paris\n")
    world.save_mapping()

    failed = world.ended(world.create(interval_seconds=1))

    assert failed["code"] == "company_name_not_mapped"
    assert "firm" in failed["detail"]
    assert "town" in failed["detail"]
    assert world.count("leads") == 0

    # When the mapping is saved, the stored file is imported by itself
    asked = world.ui.ask("import_mapping.saved", fields={"firm": "LEAD_NAME", "town": "LEAD_LOCATION_CITY"})
    world.ui.wait("import_mapping.accepted", in_reply_to=asked)
    done = world.ui.wait("sftp_connector.sync_succeeded")

    assert done["rows"]["created"] == 1
    assert world.count("runs where trigger = 'mapping'") == 1


def test_a_member_may_do_nothing(world: World) -> None:
    world.stack.start(["scheduler"])

    asked = world.ui.ask("sftp_connector.create", role="MEMBER", **world.form())

    assert world.ui.wait("sftp_connector.refused", in_reply_to=asked)["code"] == "admin_only"
    assert world.count("connectors") == 0


def test_a_changed_host_key_is_refused_before_the_password_is_sent(world: World, leads_csv: LeadsCsv) -> None:
    world.stack.start()
    world.put(leads_csv(3))
    world.save_mapping()
    done = world.ended(world.create())
    logins = world.logins()

    # When the server shows another key
    world.sshd.rotate_host_key()
    asked = world.ui.ask("sftp_connector.sync_now", connector_id=done["connector_id"])

    # Then the connector pauses, and nobody tried to log in
    assert world.ended(asked)["code"] == "host_key_changed"
    changed = world.ui.wait("sftp_connector.host_key_changed")
    assert changed["seen"].endswith(world.sshd.fingerprint)
    assert world.ui.wait("sftp_connector.paused")["code"] == "host_key_changed"
    assert world.logins() == logins

    # When the admin accepts it, it goes on
    asked = world.ui.ask("sftp_connector.accept_host_key", connector_id=done["connector_id"], host_key=changed["seen"])
    assert world.ended(asked)["type"] == "sftp_connector.sync_unchanged"


@pytest.mark.parametrize("service", ["scheduler", "fetcher", "importer"])
def test_each_service_serves_metrics_and_health(world: World, service: str) -> None:
    running = world.stack.start([service])[service]

    assert running.status("/healthz")[0] == 200
    assert running.ready
    assert "sftp_connector_" in running.status("/metrics")[1]


def test_every_log_line_of_a_run_names_it_in_all_three_services(world: World, leads_csv: LeadsCsv) -> None:
    services = world.stack.start()
    world.put(leads_csv(3))
    world.save_mapping()

    run_id = world.ended(world.create())["run_id"]

    for name, service in services.items():
        log = service.log_path
        world.until(lambda log=log: f'"run_id": "{run_id}"' in log.read_text(), f"a line of the {name}")  # type: ignore[misc]
