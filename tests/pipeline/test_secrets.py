"""No secret gets out: not into logs, queues, events, metrics, the database, its statements or the file system."""

import json
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest

from deploy.local.service import Service
from deploy.local.stack import SERVICES
from shared.bus.events import PARKED_QUEUE
from tests.integration.amqp import put
from tests.integration.fetcher.keys import private_key
from tests.leaks import leaks
from tests.pipeline.world import World

LeadsCsv = Callable[..., bytes]
PASSPHRASE = "0pen sesame canary-beef"
NEW_PASSWORD = "n3w/pass word?&\u00fc canary-c0ffee"
BROKER_PASSWORD = "br0ker+pass/word canary-f00d"
# One traceback of each service
POINTS = {"scheduler": "relay.taken=raise", "fetcher": "fetch.stored=raise", "importer": "import.batch=raise"}


@pytest.fixture
def amqp_url(world: World) -> Iterator[str]:
    """The virtual host, for a user with a password that can be told from other words."""
    rabbitmq, user = world.stack.servers.rabbitmq, f"u-{world.stack.name}"
    rabbitmq.ctl("add_user", user, BROKER_PASSWORD)
    rabbitmq.ctl("set_permissions", "-p", world.stack.name, user, ".*", ".*", ".*")
    quoted = urllib.parse.quote(BROKER_PASSWORD, safe="")
    yield world.stack.amqp_url.replace("guest:guest", f"{user}:{quoted}")
    rabbitmq.ctl("delete_user", user)


def started(world: World, amqp_url: str, **failpoints: str) -> dict[str, Service]:
    """All services, each of which fails at the point that is named for it."""
    services = {}
    for name in SERVICES:
        armed: dict[str, object] = {"failpoints": failpoints[name]} if name in failpoints else {}
        services[name] = world.stack.service(name, 1, amqp_url=amqp_url, **armed)
        services[name].start()
    return services


def test_no_secret_is_to_be_found_anywhere(world: World, leads_csv: LeadsCsv, amqp_url: str) -> None:
    services = started(world, amqp_url, **POINTS)
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
    # and a dead letter: one of these jobs without a field that it needs
    waiting = bodies(world, ["sftp.fetch", "sftp.test", PARKED_QUEUE])
    send_without_its_run(world, waiting["sftp.fetch"][0])
    fetcher = world.stack.service("fetcher", 2, amqp_url=amqp_url)
    fetcher.start()
    world.until(lambda: "job.not_understood" in fetcher.log_path.read_text(), "a dead letter")
    fetcher.stop()
    statements = str(world.rows("select query from pg_stat_activity"))
    metrics = "".join(service.status("/metrics")[1] for service in services.values() if service.running)
    services["scheduler"].stop()

    # Then none of what is left behind holds a secret
    places = {
        "logs": "".join(path.read_text() for path in world.stack.home.rglob("*.log")),
        "the database's log": world.stack.servers.postgres.log_path.read_text(errors="replace"),
        "metrics": metrics,
        "events": json.dumps(world.ui.heard, ensure_ascii=False),
        "queues": str(waiting),
        "dead letters": str(bodies(world, ["sftp.fetch.XQ"])),
        "database": dump(world),
        "statements": statements,
        "blobs": " ".join(str(path) for path in world.stack.blobs.rglob("*")),
    }
    assert not list(leaks(places, secrets(world, key)))
    # and the search itself can find something
    assert "sftp.fetch" in places["dead letters"]
    assert '"***"' in places["queues"]
    assert "crm" in places["database"]
    assert "select" in places["statements"]
    assert all(service.log_path.read_text().count("FailpointReached") for service in services.values())
    assert '"frames"' in places["logs"]
    assert list(leaks({"a text": urllib.parse.quote(PASSPHRASE)}, {"the passphrase": PASSPHRASE}))


def secrets(world: World, key: str) -> dict[str, str]:
    """Everything that nobody may see."""
    importer, fetcher = (world.stack.environment(name) for name in ("importer", "fetcher"))
    return {
        "the password": world.password,
        "another password": NEW_PASSWORD,
        "the passphrase": PASSPHRASE,
        "the private key": key.splitlines()[2],
        "RabbitMQ's password": BROKER_PASSWORD,
        "the database's password": str(urllib.parse.urlsplit(importer["SFTP_CONNECTOR_DATABASE_URL"]).password),
        "the administrator's": str(urllib.parse.urlsplit(world.stack.database_url).password),
        "the key that opens logins": json.loads(fetcher["SFTP_CONNECTOR_SEAL_PRIVATE_KEYS"])[0],
    }


@pytest.mark.slow
def test_connection_strings_stay_out_of_logs_when_servers_are_away(world: World, amqp_url: str) -> None:
    services = started(world, amqp_url)

    world.stack.servers.postgres.restart()
    world.stack.servers.rabbitmq.ctl("close_all_connections", "test")

    world.until(lambda: all(service.ready for service in services.values()), "ready services")
    world.stack.stop()
    logs = {name: service.log_path.read_text() for name, service in services.items()}
    assert not list(leaks(logs, secrets(world, "no key\n\nwas made")))


def send_without_its_run(world: World, body: str) -> None:
    """The job once more, but for the field that says which run it is about."""
    message: dict[str, Any] = json.loads(body)
    del message["kwargs"]["job"]["run_id"]
    put(world.stack.amqp_url, "sftp.fetch", json.dumps(message).encode())


def bodies(world: World, queues: list[str]) -> dict[str, list[str]]:
    """Every message of the queues, at least one each."""
    found: dict[str, list[str]] = {queue: [] for queue in queues}
    with pika.BlockingConnection(pika.URLParameters(world.stack.amqp_url)) as connection:
        channel = connection.channel()
        for queue, texts in found.items():
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                texts.append(got[2].decode())
    assert all(found.values()), "each of the queues was to hold a message"
    return found


def dump(world: World) -> str:
    """Every row of every table as text."""
    tables = world.rows("select tablename from pg_tables where schemaname = 'public'")
    return "\n".join(str(row) for table in tables for row in world.rows(f"select t::text from {table['tablename']} t"))
