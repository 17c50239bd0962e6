"""The operator's command against the real services: it shows, explains and asks, and prints no secret."""

import re
import threading
from uuid import uuid4

import pika
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.ui import UI
from shared.contracts import EVENTS_EXCHANGE
from tests.conftest import PASSWORD
from tests.integration.command_scene import FILE, Operator, Scene, apart
from tests.pipeline.world import PATH


def test_connectors_are_listed_by_organisation_state_and_code(scene: Scene, operator: Operator) -> None:
    org_id = scene.world.ui.organisation_id

    found = operator("connectors", "--org", org_id, "--json").document["connectors"]

    assert [(row["id"], row["name"], row["state"]) for row in found] == [(scene.connector_id, "Nightly", "active")]
    assert operator("connectors", "--org", uuid4(), "--json").document == {"connectors": []}
    assert operator("connectors", "--state", "paused", "--json").document == {"connectors": []}
    assert operator("connectors", "--code", "login_refused", "--json").document == {"connectors": []}
    assert scene.connector_id in operator("connectors").out


def test_all_about_a_connector_is_shown_but_its_login(scene: Scene, operator: Operator) -> None:
    shown = operator("show", scene.connector_id, "--json").document

    assert shown["connector"]["login"] == "password"
    assert not [name for name in shown["connector"] if "sealed_pass" in name or "sealed_key" in name]
    assert scene.run_id in [run["id"] for run in shown["runs"]]
    assert "Nightly" in operator("show", scene.connector_id).out


def test_the_life_of_a_run_is_explained_from_due_to_done(scene: Scene, operator: Operator) -> None:
    told = operator("explain", scene.run_id, "--json").document

    words = " / ".join(moment["words"] for moment in told["life"])
    parts = [
        "its first sync queued",
        "A fetcher began",
        "was looked at",
        "An importer took it",
        "The file was imported",
    ]
    places = [words.index(part) for part in parts]
    assert places == sorted(places)
    assert "4 rows: 3 created, 1 rejected" in words
    assert "succeeded" in told["now"]
    assert "An importer took it" in operator("explain", scene.run_id).out


def test_runs_and_rejected_rows_are_listed(scene: Scene, operator: Operator) -> None:
    runs = operator("runs", "--connector", scene.connector_id, "--json").document["runs"]
    rejects = operator("rejects", scene.run_id, "--json").document

    assert scene.run_id in [run["id"] for run in runs]
    assert rejects["rows_rejected"] == 1
    assert [(row["line"], row["column_name"]) for row in rejects["rejects"]] == [(5, "company")]
    assert operator("runs", "--open", "--json").document == {"runs": []}
    assert operator("runs", "--failed", "--json").document == {"runs": []}
    assert "rejected: 1 of 4 rows" in operator("rejects", scene.run_id).out


def test_a_file_is_synced_on_demand_and_its_end_awaited(scene: Scene, operator: Operator) -> None:
    queued = operator("sync", scene.connector_id, "--json").document["answer"]
    scene.world.until_quiet()
    ended = operator("sync", scene.connector_id, "--wait", "--json").document["answer"]
    dry = operator("sync", scene.connector_id, "--dry-run", "--wait").out

    assert queued["type"] == "sftp_connector.sync_queued"
    assert ended["type"] == "sftp_connector.sync_unchanged"
    assert "sync succeeded" in dry
    assert "4 read" in dry


def test_a_connector_is_paused_and_resumed(scene: Scene, operator: Operator) -> None:
    assert operator("pause", scene.connector_id, "--json").document["answer"]["connector"]["state"] == "paused"
    refused = operator("replay", scene.run_id, code=1)
    assert operator("resume", scene.connector_id, "--json").document["answer"]["connector"]["state"] == "active"

    assert "only an active one" in refused.err
    scene.world.until_quiet()


def test_a_connection_is_tested_with_the_stored_login(scene: Scene, operator: Operator) -> None:
    said = operator("test", scene.connector_id)
    assert "✓ login" in said.out

    scene.world.sshd.set_password("crm", "another")
    try:
        failed = operator("test", scene.connector_id, "--json", code=1).document["answer"]
    finally:
        scene.world.sshd.set_password("crm", PASSWORD)

    assert failed["ok"] is False
    assert failed["steps"][-1]["code"] == "login_refused"


def test_a_stored_file_is_imported_again_without_a_look_at_the_server(scene: Scene, operator: Operator) -> None:
    logins, runs = scene.world.logins(), scene.world.count("runs")

    ended = operator("replay", scene.run_id, "--wait", "--json").document["answer"]

    assert ended["type"] == "sftp_connector.sync_succeeded"
    assert ended["rows"]["read"] == 4
    assert (scene.world.logins(), scene.world.count("runs")) == (logins, runs + 1)
    trigger = scene.world.rows(f"select trigger from runs where id = '{ended['run_id']}'")
    assert trigger == [{"trigger": "mapping"}]


def test_an_older_version_is_replayed_until_the_next_look(scene: Scene, operator: Operator) -> None:
    scene.world.put(FILE + b"C10,Newcomer,newcomer.example,Paris,won,p@newcomer.example\n")
    newer = operator("sync", scene.connector_id, "--wait", "--json").document["answer"]
    scene.world.until_quiet()

    said = operator("replay", scene.run_id, "--wait")

    assert newer["rows"]["read"] == 5
    assert "another version" in said.out
    assert "4 read" in said.out
    scene.world.until_quiet()
    again = operator("sync", scene.connector_id, "--wait", "--json").document["answer"]
    assert (again["type"], again["rows"]["read"]) == ("sftp_connector.sync_succeeded", 5)
    scene.world.until_quiet()


def test_what_cannot_be_replayed_says_why(scene: Scene, operator: Operator) -> None:
    unchanged = operator("sync", scene.connector_id, "--wait", "--json").document["answer"]["run_id"]
    assert "stored no file" in operator("replay", unchanged, code=1).err

    scene.world.until_quiet()
    scene.services["fetcher"].stop()
    try:
        still_open = operator("sync", scene.connector_id, "--json").document["answer"]["run_id"]
        assert f"Run {still_open}" in operator("replay", scene.run_id, code=1).err
        assert "queued for a fetcher" in operator("explain", still_open, "--json").document["now"]
        assert [run["id"] for run in operator("runs", "--open", "--json").document["runs"]] == [still_open]
    finally:
        scene.services["fetcher"].start()
        scene.world.until_quiet()


def test_what_is_not_there_is_told_in_one_line(operator: Operator) -> None:
    for words in (
        ("show", uuid4()),
        ("explain", uuid4()),
        ("rejects", uuid4()),
        ("replay", uuid4()),
        ("sync", uuid4()),
    ):
        said = operator(*words, code=1)
        assert said.out == ""
        assert said.err.startswith("There is no ")
        assert said.err.count("\n") == 1


def test_what_customers_wrote_commands_no_terminal(scene: Scene, operator: Operator) -> None:
    scene.world.rows("update connectors set name = E'\\x1b]0;owned\\x07 [red]' returning 1")
    try:
        said = operator("connectors").out + operator("show", scene.connector_id).out
        documents = operator("connectors", "--json").out
    finally:
        scene.world.rows("update connectors set name = 'Nightly' returning 1")

    assert said.count("]0;owned") == said.count("[red]") == 2
    assert not {"\x1b", "\x07"} & set(said + documents)


def test_without_a_scheduler_the_answer_is_not_awaited_for_ever(scene: Scene, operator: Operator) -> None:
    scene.services["scheduler"].stop()
    try:
        assert "No answer within 1 s" in operator("pause", scene.connector_id, "--timeout", 1, code=1).err
    finally:
        scene.services["scheduler"].start()

    # It is carried out all the same
    scene.world.until(lambda: scene.world.count("connectors where state = 'paused'") == 1, "a pause")
    operator("resume", scene.connector_id)
    scene.world.until_quiet()


def test_a_wrong_use_ends_with_2(operator: Operator) -> None:
    operator("show", "no-id", code=2)
    operator("connectors", "--state", "broken", code=2)
    operator("dead-letters", "drop", code=2)
    assert "SFTP_CONNECTOR_HTTP_PORT?" in operator("runs", SFTP_CONNECTOR_HTTP_PORTS="1", code=2).err


@pytest.mark.parametrize(
    ("part", "wrong", "told"),
    [
        ("password", "canary-7f3a", "refuses the user or the password"),
        ("database", "nowhere", "knows no such database"),
        ("host", "canary.invalid", "host is unknown"),
    ],
)
def test_what_is_wrong_with_the_databases_address_is_told(
    operator: Operator, scene: Scene, part: str, wrong: str, told: str
) -> None:
    right = scene.world.stack.environment("operator")["SFTP_CONNECTOR_DATABASE_URL"]
    name = {"database": "dbname"}.get(part, part)

    done = operator("runs", SFTP_CONNECTOR_DATABASE_URL=make_conninfo(right, **{name: wrong}), code=1)

    assert told in done.err
    assert "canary" not in done.err + done.out


def test_servers_that_are_away_are_told_in_one_line(operator: Operator) -> None:
    nowhere = {
        "SFTP_CONNECTOR_DATABASE_URL": "postgresql://u:canary-7f3a@127.0.0.1:1/x",
        "SFTP_CONNECTOR_AMQP_URL": "amqp://u:canary-7f3a@127.0.0.1:1/",
    }
    database, broker = apart(operator, "runs", **nowhere), apart(operator, "dead-letters", "list", **nowhere)

    assert (database.code, database.out, broker.code, broker.out) == (1, "", 1, "")
    assert database.err == (
        "Nothing listens where PostgreSQL should: is it up, and is SFTP_CONNECTOR_DATABASE_URL right?\n"
    )
    # and the libraries add nothing of their own
    assert broker.err.startswith("BusUnavailable: ")
    assert broker.err.count("\n") == 1


def test_the_owner_alone_migrates(scene: Scene, operator: Operator) -> None:
    assert "as the owner" in operator("migrate", code=1).err

    owner = operator("migrate", "--json", SFTP_CONNECTOR_DATABASE_URL=scene.world.stack.database_url)

    assert owner.document == {"applied": []}


def test_a_file_that_nobody_mapped_is_told_with_its_rows(scene: Scene, operator: Operator) -> None:
    # Given a connector of an organisation without a mapping
    with UI(scene.world.stack.amqp_url, uuid4()) as ui:
        asked = ui.ask("sftp_connector.create", **scene.world.form(interval_seconds=3600))
        connector_id = ui.wait("sftp_connector.mapping_needed", in_reply_to=asked)["connector_id"]
    scene.world.rows("update connectors set file_checksum = null, file_mapping_version = null returning 1")

    said = operator("sync", connector_id, "--wait")

    assert re.search(r"^rows: [\d,]+ read$", said.out, re.MULTILINE)


def test_a_run_that_takes_longer_than_one_waits_is_named(scene: Scene, operator: Operator) -> None:
    scene.services["fetcher"].freeze()
    try:
        said = operator("sync", scene.connector_id, "--wait", "--timeout", 1, code=1)
    finally:
        scene.services["fetcher"].thaw()
    scene.world.until_quiet()

    assert re.search(r"^Run [0-9a-f-]{36} has not ended within 1 s: `sftp-connector explain ", said.err)


def test_what_others_publish_ends_no_command(scene: Scene, operator: Operator) -> None:
    # Given somebody who publishes on the exchange of events all the time
    url, stop = pika.URLParameters(scene.world.stack.amqp_url), threading.Event()

    def publish() -> None:
        with pika.BlockingConnection(url) as connection:
            channel = connection.channel()
            while not stop.wait(0.01):
                for body in (b"{", b"[]", b'{"hello": 1}'):
                    channel.basic_publish(EVENTS_EXCHANGE, "sftp_connector.paused", body)

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        operator("pause", scene.connector_id)
        operator("resume", scene.connector_id)
    finally:
        stop.set()
        thread.join()
    scene.world.until_quiet()


def test_an_id_is_never_folded_where_the_output_is_piped(scene: Scene, operator: Operator) -> None:
    scene.world.rows("update connectors set name = repeat('n', 90), path = '/' || repeat('p', 200) returning 1")
    try:
        said = apart(operator, "connectors").out
    finally:
        scene.world.rows(f"update connectors set name = 'Nightly', path = '{PATH}' returning 1")

    assert scene.connector_id in said
    assert "p" * 200 in said


def test_a_role_that_is_shown_one_organisation_at_a_time_is_told_so(scene: Scene, operator: Operator) -> None:
    importer = scene.world.stack.environment("importer")["SFTP_CONNECTOR_DATABASE_URL"]
    for words in (("runs",), ("connectors",), ("explain", scene.run_id)):
        said = operator(*words, code=1, SFTP_CONNECTOR_DATABASE_URL=importer)
        assert "connect as sftp_connector_operator" in said.err
    # The scheduler's role is shown all of them
    scheduler = scene.world.stack.environment("scheduler")["SFTP_CONNECTOR_DATABASE_URL"]
    assert scene.run_id in operator("runs", SFTP_CONNECTOR_DATABASE_URL=scheduler).out


@pytest.mark.parametrize(
    "url", ["amqp://u:canary/7f3a@localhost/", "amqp://canary@", "amqp://u:canary@h/?heartbeat=canary", "canary"]
)
def test_an_address_of_rabbitmq_that_is_none_is_told_without_it(operator: Operator, url: str) -> None:
    said = apart(operator, "dead-letters", "list", SFTP_CONNECTOR_AMQP_URL=url)

    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("SFTP_CONNECTOR_AMQP_URL: Input should be an amqp:// or amqps:// URL")
    assert "canary" not in said.err
    assert said.err.count("\n") == 1
