"""`doctor` finds everything well, or says what to do."""

import json
from pathlib import Path

from shared.bus.events import UI_QUEUE
from shared.contracts import LARGE_IMPORTS
from tests.integration.command_scene import Operator, Scene, apart

OTHER_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_the_doctor_finds_everything_well(operator: Operator, scene: Scene) -> None:
    scene.world.until_quiet()
    found = operator("doctor", "--json").document

    parts = {check["part"] for check in found["checks"]}
    assert found["ok"]
    assert {"database", "clock", "schema", "outbox", "schedule", "leases", "keys", "broker", "blob store"} < parts
    assert {f"queue {UI_QUEUE}", "queue sftp.fetch", f"queue {LARGE_IMPORTS}"} < parts
    assert "✓ database" in operator("doctor").out


def ill(operator: Operator, **environment: str) -> dict[str, str]:
    """What the doctor finds not well, and what it says to do."""
    checks = operator("doctor", "--json", code=1, **environment).document["checks"]
    return {check["part"]: check["to_do"] for check in checks if not check["ok"]}


def test_the_doctor_sees_that_a_table_is_gone(operator: Operator, scene: Scene) -> None:
    scene.world.db.execute("alter table host_keys_seen rename to elsewhere")
    assert "restore the backup" in ill(operator)["schema"]
    scene.world.db.execute("alter table elsewhere rename to host_keys_seen")


def test_the_doctor_says_what_to_do(operator: Operator, scene: Scene) -> None:
    assert "reseal" in ill(operator, SFTP_CONNECTOR_SEAL_PRIVATE_KEYS=json.dumps([OTHER_KEY]))["keys"]
    assert "SFTP_CONNECTOR_AMQP_URL" in ill(operator, SFTP_CONNECTOR_AMQP_URL="amqp://127.0.0.1:1/")["broker"]
    # and what admins enter from now on could be opened by nobody
    assert "private key of it" in ill(operator, SFTP_CONNECTOR_SEAL_PUBLIC_KEY=OTHER_KEY)["keys"]
    url = "postgresql://127.0.0.1:1/x"
    assert "SFTP_CONNECTOR_DATABASE_URL" in ill(operator, SFTP_CONNECTOR_DATABASE_URL=url)["database"]
    nowhere = scene.world.stack.home / "nowhere"
    assert "blob store" in ill(operator, SFTP_CONNECTOR_BLOB_URL=f"file://{nowhere}")
    assert not nowhere.exists()

    scene.world.rows("delete from schema_migrations where name = '0002_reading.sql' returning 1")
    assert "sftp-connector migrate" in ill(operator)["schema"]
    scene.world.rows(
        "insert into schema_migrations (name, checksum)"
        " values ('0002_reading.sql', encode(sha256(convert_to('another', 'utf8')), 'hex')) returning 1"
    )
    assert "released" in ill(operator)["schema"]


def test_the_doctor_looks_at_the_rest_where_the_database_shows_little(operator: Operator, scene: Scene) -> None:
    importer = scene.world.stack.environment("importer")["SFTP_CONNECTOR_DATABASE_URL"]

    checks = operator("doctor", "--json", code=1, SFTP_CONNECTOR_DATABASE_URL=importer).document["checks"]

    assert [check["part"] for check in checks if not check["ok"]] == ["database"]
    assert "sftp_connector_operator" in checks[0]["to_do"]
    assert {"broker", "blob store"} < {check["part"] for check in checks}


def test_the_doctor_sees_that_clocks_differ(operator: Operator) -> None:
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    wrong = {"LD_PRELOAD": str(library), "FAKETIME": "+1h", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    said = apart(operator, "doctor", "--json", **wrong)

    assert said.code == 1, said.err
    ill = {check["part"]: check["to_do"] for check in said.document["checks"] if not check["ok"]}
    assert ill["clock"] == "Set both by NTP."


def test_the_doctor_misses_a_service(operator: Operator, scene: Scene) -> None:
    scene.services["importer"].stop()
    try:
        found = ill(operator)
    finally:
        scene.services["importer"].start()

    assert found["queue sftp.import"] == "Start an importer."
    assert "queue sftp.fetch" not in found


def test_the_doctor_sees_what_a_frozen_scheduler_leaves_undone(operator: Operator, scene: Scene) -> None:
    world, scheduler, fetcher = scene.world, scene.services["scheduler"], scene.services["fetcher"]
    world.until_quiet()
    fetcher.stop()
    try:
        scheduler.freeze()
        world.db.execute("update connectors set due_at = now() - interval '1 hour'")
        found = ill(operator)
        assert "ConnectorsPileUp" in found["schedule"]
        assert "leases" not in found

        scheduler.thaw()
        world.until(lambda: world.count("runs where stage = 'queued'") == 1, "a run for a fetcher")
        scheduler.freeze()
        world.db.execute("update runs set lease_until = now() - interval '1 hour' where stage = 'queued'")
        found = ill(operator)
        assert "LeasesOverdue" in found["leases"]
        assert "schedule" not in found
    finally:
        scheduler.thaw()
        fetcher.start()
    world.until_quiet()
