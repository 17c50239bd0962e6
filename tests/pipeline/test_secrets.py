"""No password and no private key gets out: not into logs, queues, events, metrics, the database or the file system."""

import base64
import json
import urllib.parse
from collections.abc import Callable

import pika
import psycopg

from shared.bus.events import PARKED_QUEUE
from tests.integration.fetcher.keys import private_key
from tests.pipeline.world import World

LeadsCsv = Callable[..., bytes]
PASSPHRASE = "0pen sesame canary-beef"
NEW_PASSWORD = "n3w/pass word?&\u00fc canary-c0ffee"


def test_no_secret_is_to_be_found_anywhere(world: World, leads_csv: LeadsCsv) -> None:
    services = world.stack.start()
    world.put(leads_csv(3))
    world.save_mapping()
    key = private_key("ed25519", passphrase=PASSPHRASE)
    key_form = world.form(password=None, private_key=key, passphrase=PASSPHRASE)
    # Given a test, an import, a refused form, refused logins and events that cannot be understood
    asked = world.ui.ask("sftp_connector.test", **world.form())
    world.ui.wait("sftp_connector.tested", in_reply_to=asked)
    done = world.ended(world.create())
    asked = world.ui.ask("sftp_connector.create", **world.form(host="not a host", port=0))
    world.ui.wait("sftp_connector.refused", in_reply_to=asked)
    asked = world.ui.ask("sftp_connector.update", connector_id=done["connector_id"], password=NEW_PASSWORD)
    assert world.ended(asked)["code"] == "login_refused"
    assert world.ended(world.ui.ask("sftp_connector.create", **key_form))["code"] == "login_unsupported"
    for form in (world.form(), key_form):
        broken = {"specversion": "1.0", "id": "x", "source": "ui", "type": "sftp_connector.create", "data": form}
        world.ui.publish("sftp_connector.create", json.dumps(broken).encode())
    world.until(lambda: services["scheduler"].log_path.read_text().count("ui_events.parked") == 2, "parked events")
    # and jobs that wait in their queues, because nobody takes them
    services["fetcher"].stop()
    services["importer"].stop()
    world.ui.ask("sftp_connector.test", **world.form())
    world.ui.ask("sftp_connector.test", **key_form)
    world.ui.ask("sftp_connector.sync_now", connector_id=done["connector_id"])
    world.until(lambda: world.count("runs where stage = 'queued'") == 1, "a queued run")
    world.until(lambda: world.count("outbox") == 0, "a relayed job")

    metrics = services["scheduler"].status("/metrics")[1]
    services["scheduler"].stop()

    # Then none of what is left behind holds a secret
    places = {
        "logs": "".join(service.log_path.read_text() for service in services.values()),
        "metrics": metrics,
        "events": json.dumps(world.ui.heard, ensure_ascii=False),
        "queues": _bodies(world, ["sftp.fetch", "sftp.test", "sftp.fetch.XQ", "sftp.test.XQ", PARKED_QUEUE]),
        "database": _dump(world),
        "blobs": " ".join(str(path) for path in world.stack.blobs.rglob("*")),
    }
    for name, content in places.items():
        for secret in (world.password, NEW_PASSWORD, PASSPHRASE, key.splitlines()[2]):
            assert not [form for form in _forms(secret) if form in content], f"{name} hold a secret"
    # and the search itself can find something
    assert "sftp.fetch" in places["queues"]
    assert '"***"' in places["queues"]
    assert "crm" in places["database"]


def test_connection_strings_stay_out_of_logs_when_servers_are_away(world: World) -> None:
    password = str(psycopg.conninfo.conninfo_to_dict(world.stack.database_url)["password"])
    services = world.stack.start()

    world.stack.servers.postgres.restart()

    world.until(lambda: all(service.status("/readyz")[0] == 200 for service in services.values()), "ready services")
    world.stack.stop()
    for service in services.values():
        log = service.log_path.read_text()
        assert all(form not in log for form in (*_forms(password), "guest:guest"))


def _forms(secret: str) -> list[str]:
    plain = secret.encode()
    spellings = [secret, json.dumps(secret)[1:-1], urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)]
    # Within other bytes the base64 of a text depends on where it begins.
    inner = [base64.b64encode(b" " * shift + plain)[4:-4].decode() for shift in range(3)]
    return [*spellings, *inner]


def _bodies(world: World, queues: list[str]) -> str:
    """Every message of the queues, base64 bodies opened as far as they are JSON."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(world.stack.amqp_url)) as connection:
        channel = connection.channel()
        for queue in queues:
            while True:
                method, _properties, body = channel.basic_get(queue, auto_ack=True)
                if method is None:
                    break
                found.append(f"{queue} {body.decode()}")
    assert len(found) >= 5, "three jobs and two parked events were expected"
    return "\n".join(found)


def _dump(world: World) -> str:
    """Every row of every table as text."""
    tables = world.db.execute("select tablename from pg_tables where schemaname = 'public'").fetchall()
    rows = [
        str(row)
        for table in tables
        for row in world.db.execute(f"select t::text from {table['tablename']} t").fetchall()
    ]
    return "\n".join(rows)
