"""Faults of customers' servers and of the network to them, of their files, and of what admins do meanwhile."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from deploy.local.ui import UI
from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault
from tests.faults.ledger import FIELDS, STATUSES


def _network(name: str, **settings: float) -> Inject:
    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        for setting, value in settings.items():
            setattr(drill.server.to_client, setting, value)
        yield
        time.sleep(2)  # is what is injected
        drill.server.heal()

    inject.__name__ = name
    said = ", ".join(f"`{setting} = {value}`" for setting, value in settings.items())
    inject.__doc__ = f"The way from the customers' server: {said}."
    return inject


fault(bound=45)(_network("connection_is_reset_in_a_download", reset_after=6_000))
fault(bound=45)(_network("connection_ends_early", cut_after=6_000))
fault(bound=45)(_network("login_is_cut_off", cut_after=1_500))
fault(bound=20)(_network("server_is_slow", bandwidth=20_000))
fault(bound=20)(_network("network_has_a_long_delay", delay=0.3))
fault(bound=20)(_network("packets_come_in_pieces", slice=7))
fault(bound=45, amid=True)(_network("server_stalls", blackhole=True))


@fault(bound=45)
@contextmanager
def server_refuses_connections(drill: Drill) -> Iterator[None]:
    """Nobody listens at the customers' server."""
    drill.server.refuse = True
    logins = drill.server.connections
    yield
    time.sleep(3)  # is what is injected
    if drill.server.connections > logins:
        raise AssertionError("the proxy let somebody in")
    drill.server.heal()


@fault(bound=20)
@contextmanager
def files_change_while_they_are_read(drill: Drill) -> Iterator[None]:
    """The export is written again and again, in pieces, and now and then it is not there."""
    drill.server.to_client.delay = 0.05
    done = threading.Event()
    writer = threading.Thread(target=_rewrite, args=(drill, done))
    yield
    writer.start()
    time.sleep(2)  # is what is injected
    done.set()
    writer.join()
    for source in drill.ledger.sources:
        drill.stack.servers.sshd.put(source.path, source.current.content)
    drill.server.heal()


def _rewrite(drill: Drill, done: threading.Event) -> None:
    files = drill.stack.servers.sshd.files
    while not done.is_set():
        for source in drill.ledger.sources:
            path, content = files / source.path.lstrip("/"), source.current.content
            path.write_bytes(content[: drill.random.randrange(len(content))])
            if drill.random.random() < 0.2:
                path.unlink()


@fault(bound=10, amid=True)
@contextmanager
def server_loses_the_times_of_files(drill: Drill) -> Iterator[None]:
    """The files' times jump to 1970, yesterday or tomorrow."""
    for source in drill.ledger.sources:
        path = drill.stack.servers.sshd.files / source.path.lstrip("/")
        when = drill.random.choice([0, time.time() - 86_400, time.time() + 86_400])
        os.utime(path, (when, when))
    yield


@contextmanager
def admins(drill: Drill) -> Iterator[dict[str, UI]]:
    """A UI for each organisation, by its id."""
    made = {str(org_id): UI(drill.stack.amqp_url, org_id) for org_id in drill.ledger.org_ids}
    for ui in made.values():
        ui.__enter__()
    try:
        yield made
    finally:
        for ui in made.values():
            ui.__exit__()


def _ask_all(drill: Drill, event_type: str, **data: Any) -> None:
    with admins(drill) as uis:
        for source in drill.ledger.sources:
            uis[str(source.org_id)].ask(event_type, connector_id=source.connector_id, **data)


@fault(bound=30, alone=True)
@contextmanager
def host_key_changes(drill: Drill) -> Iterator[None]:
    """No password is sent; when the admins accept the new key, everything goes on."""
    sshd = drill.stack.servers.sshd
    sshd.rotate_host_key()
    yield
    drill.until(
        lambda: not drill.rows("select from connectors where id = any(%s) and state = 'active'", drill.connector_ids),
        "connectors that are paused because of the key",
    )
    _ask_all(drill, "sftp_connector.accept_host_key", host_key=f"ssh-ed25519 {sshd.fingerprints['ed25519']}")


@fault(bound=30, alone=True)
@contextmanager
def password_changes(drill: Drill) -> Iterator[None]:
    """The customers' server has another password; the admins enter it when a login was refused."""
    sshd, after = drill.stack.servers.sshd, f"{drill.password}-{drill.random.random()}"
    sshd.set_password("crm", after)
    drill.password = after
    yield
    drill.until(
        lambda: drill.rows(
            "select from connectors where id = any(%s) and last_code = 'login_refused'", drill.connector_ids
        ),
        "a login that is refused",
    )
    _ask_all(drill, "sftp_connector.update", password=after)


@fault(bound=20, amid=True, alone=True)
@contextmanager
def another_connector_s_login_is_damaged(drill: Drill) -> Iterator[None]:
    """Damaged, or copied from another connector: that one is paused, with a code of its own, and the others go on."""
    copied = drill.random.random() < 0.5
    with UI(drill.stack.amqp_url, uuid4()) as ui:
        asked = ui.ask("sftp_connector.create", **drill.form("/exports/none.csv"))
        connector_id = ui.wait("sftp_connector.created", in_reply_to=asked)["connector"]["id"]
        drill.rows(
            "update connectors set due_at = now(), sealed_password = case when %s"
            " then (select sealed_password from connectors where id = %s) else overlay(sealed_password placing 'AAAA'"
            " from 60) end where id = %s",
            copied,
            drill.connector_ids[0],
            connector_id,
        )
        yield
        ui.wait("sftp_connector.sync_failed", connector_id=connector_id, code="secret_unreadable")
        ui.wait("sftp_connector.paused", seconds=30, matching=lambda event: event["connector"]["id"] == connector_id)


@fault(bound=20, amid=True)
@contextmanager
def mapping_is_saved_in_an_import(drill: Drill) -> Iterator[None]:
    """The admins save another mapping."""
    with admins(drill) as uis:
        for ui in uis.values():
            ui.ask("import_mapping.saved", fields=FIELDS, statuses=STATUSES | {"Lost": "LOST"})
    yield


@fault(bound=20, amid=True, alone=True)
@contextmanager
def connectors_are_paused_and_resumed(drill: Drill) -> Iterator[None]:
    """The admins pause all connectors, and resume them later."""
    _ask_all(drill, "sftp_connector.pause")
    yield
    _ask_all(drill, "sftp_connector.resume")


@fault(bound=20, amid=True, alone=True)
@contextmanager
def another_organisation_is_deleted_at_work(drill: Drill) -> Iterator[None]:
    """Nothing is left of it, wherever its files just were."""
    path, org_id = f"/exports/other-{uuid4().hex}.csv", uuid4()
    drill.stack.servers.sshd.put(path, b"company\n" + b"".join(b"Acme %d\n" % n for n in range(2_000)))
    with UI(drill.stack.amqp_url, org_id) as ui:
        asked = ui.ask("import_mapping.saved", fields={"company": "LEAD_NAME"}, statuses={})
        ui.wait("import_mapping.accepted", in_reply_to=asked)
        asked = ui.ask("sftp_connector.create", **drill.form(path))
        ui.wait("sftp_connector.created", in_reply_to=asked)
        drill.linger()
        asked = ui.ask("organisation.deleted")
        yield
        ui.wait("organisation.removed", in_reply_to=asked, seconds=30)
        for table in ("connectors", "runs", "leads", "lead_keys", "contacts", "rejects", "fingerprints"):
            assert not drill.rows(f"select from {table} where org_id = %s", org_id), table
        drill.until(
            lambda: not [path for path in drill.stack.blobs.rglob("*") if path.is_file() and str(org_id) in str(path)],
            "a store without its blobs",
        )


@fault(bound=20, amid=True, alone=True)
@contextmanager
def another_connector_is_deleted_at_work(drill: Drill) -> Iterator[None]:
    """Its secret is gone at once, and no run of it ends well afterwards."""
    path = f"/exports/other-{uuid4().hex}.csv"
    drill.stack.servers.sshd.put(path, b"company\n" + b"".join(b"Acme %d\n" % n for n in range(2_000)))
    with UI(drill.stack.amqp_url, uuid4()) as ui:
        asked = ui.ask("import_mapping.saved", fields={"company": "LEAD_NAME"}, statuses={})
        ui.wait("import_mapping.accepted", in_reply_to=asked)
        asked = ui.ask("sftp_connector.create", **drill.form(path))
        connector_id = ui.wait("sftp_connector.created", in_reply_to=asked)["connector"]["id"]
        drill.linger()
        ui.ask("sftp_connector.delete", connector_id=connector_id)
        ui.wait("sftp_connector.deleted", connector_id=connector_id)
        (left,) = drill.rows("select sealed_password, sealed_key, now() from connectors where id = %s", connector_id)
        assert (left["sealed_password"], left["sealed_key"]) == (None, None)
        yield
    ended = drill.rows(
        "select from runs where connector_id = %s and outcome = 'succeeded' and finished_at > %s",
        connector_id,
        left["now"],
    )
    assert not ended, "an import of a deleted connector was committed"
