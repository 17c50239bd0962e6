"""What others publish, write or refuse neither ends the command nor speaks in its name."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pika

from deploy.command.asking import desk
from shared.contracts import EVENTS_EXCHANGE, CloudEvent, SyncQueued, SyncUnchanged
from shared.settings import BusSettings
from tests.integration.command_scene import Operator, Scene


@contextmanager
def published(amqp_url: str, *bodies: bytes) -> Iterator[None]:
    """Within it somebody else publishes these again and again, where our events are."""
    stop, begun = threading.Event(), threading.Event()

    def publish() -> None:
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            channel = connection.channel()
            while not stop.wait(0.01):
                for body in bodies:
                    channel.basic_publish(EVENTS_EXCHANGE, "sftp_connector.other", body)
                begun.set()

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        assert begun.wait(10)
        yield
    finally:
        stop.set()
        thread.join()


def test_events_that_lack_what_ours_have_are_passed_over(scene: Scene, operator: Operator) -> None:
    names = {"id": "e-1", "source": "other", "time": datetime.now(UTC), "data": {}}
    events = [CloudEvent(type=kind.type, **names).model_dump_json().encode() for kind in (SyncQueued, SyncUnchanged)]

    with published(scene.world.stack.amqp_url, *events):
        unchanged = operator("sync", scene.connector_id, "--wait", "--json").document["answer"]
        scene.world.until_quiet()
        replayed = operator("replay", scene.run_id, "--wait", "--json").document["answer"]

    assert unchanged["connector_id"] == replayed["connector_id"] == scene.connector_id
    scene.world.until_quiet()


def test_what_is_no_event_is_passed_over(amqp_url: str) -> None:
    names = {"id": "e-1", "source": "other", "time": datetime.now(UTC), "data": {"connector_id": "c-1"}}
    event = CloudEvent(type=SyncUnchanged.type, **names).model_dump_json().encode()

    with desk(BusSettings(amqp_url=amqp_url)) as opened:
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for body in (b"{", b"\xff", b"[]", b"7", b'{"type": "other"}', event):
                channel.basic_publish(EVENTS_EXCHANGE, "sftp_connector.other", body)
        heard = opened.first(lambda told: told["type"] == SyncUnchanged.type, 10)

    assert heard["connector_id"] == "c-1"


def test_a_refusal_names_the_fields(scene: Scene, operator: Operator) -> None:
    scene.world.rows("update connectors set path = '' returning 1")
    try:
        said = operator("test", scene.connector_id, code=1)
    finally:
        scene.world.rows("update connectors set path = '/exports/leads.csv' returning 1")

    assert said.out.startswith("refused\n")
    assert "\npath: " in said.out


def test_no_value_of_a_run_forges_a_line(scene: Scene, operator: Operator) -> None:
    scene.world.rows(f"update runs set detail = E'found\nIt failed: call 7' where id = '{scene.run_id}' returning 1")
    scene.world.rows("update connectors set path = E'/exports\nIt failed' returning 1")
    try:
        said = operator("explain", scene.run_id).out
    finally:
        scene.world.rows("update connectors set path = '/exports/leads.csv' returning 1")

    assert "found\N{REPLACEMENT CHARACTER}It failed: call 7" in said
    assert not [line for line in said.splitlines() if line.lstrip().startswith("It failed")]
