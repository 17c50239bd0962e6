"""Faults of what admins do while files are under way, and of what customers ask them to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deploy.local.ui import UI
from tests.faults.drill import INTERVAL_SECONDS, Drill
from tests.faults.fault import fault
from tests.faults.ledger import FIELDS, STATUSES
from tests.faults.other import Other

_IN_THE_MIDST = """
    select from pg_stat_activity where datname = current_database() and usename = 'sftp_connector_importer'
    and state = 'idle in transaction' and state_change < now() - interval '0.3 seconds'
"""
_ENDED = "select mapping_version from runs where id = %s and outcome is not null"
_SECRETS = "select sealed_password, sealed_key, now() from connectors where id = %s"


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
    drill.rest()
    sshd.rotate_host_key()
    logins = _logins(drill)
    yield
    drill.until(
        lambda: not drill.rows("select from connectors where id = any(%s) and state = 'active'", drill.connector_ids),
        "connectors that are paused because of the key",
    )
    assert _logins(drill) == logins, "a password was sent to a server that is not known"
    _ask_all(drill, "sftp_connector.accept_host_key", host_key=f"ssh-ed25519 {sshd.fingerprints['ed25519']}")


def _logins(drill: Drill) -> int:
    """How many passwords the customers' server was sent."""
    log = drill.stack.servers.sshd.log_path.read_text(errors="replace")
    return log.count("Accepted password") + log.count("Failed password")


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
    with Other(drill, interval_seconds=INTERVAL_SECONDS) as other:
        drill.rows(
            "update connectors set due_at = now(), sealed_password = case when %s"
            " then (select sealed_password from connectors where id = %s) else overlay(sealed_password placing 'AAAA'"
            " from 60) end where id = %s",
            copied,
            drill.connector_ids[0],
            other.connector_id,
        )
        yield
        other.ui.wait("sftp_connector.sync_failed", connector_id=other.connector_id, code="secret_unreadable")
        other.ui.wait(
            "sftp_connector.paused", seconds=30, matching=lambda event: event["connector"]["id"] == other.connector_id
        )


@fault(bound=20, alone=True)
@contextmanager
def mapping_is_saved_in_an_import(drill: Drill) -> Iterator[None]:
    """The import in hand keeps the mapping that it began with; then all is imported by the new one, and by the old."""
    drill.replace("importer", failpoints="import.batch@2=sleep:2", import_threads=1)
    with admins(drill) as uis:
        yield
        # It has read its mapping when it stands still in the midst of its transaction
        drill.until(lambda: drill.rows(_IN_THE_MIDST) and drill.runs("stage = 'importing'"), "an import in hand")
        (held,) = drill.runs("stage = 'importing'")
        _save(uis, {"Won": "LOST"})
        drill.until(lambda: drill.rows(_ENDED, held["id"]), "its end")
        assert drill.rows(_ENDED, held["id"])[0]["mapping_version"] == 1, "it took a mapping that came later"
        _until_mapped(drill, 2, "LOST")
        _save(uis, STATUSES)
        _until_mapped(drill, 3, "WON")


def _save(uis: dict[str, UI], statuses: dict[str, str]) -> None:
    for ui in uis.values():
        asked = ui.ask("import_mapping.saved", fields=FIELDS, statuses=statuses)
        ui.wait("import_mapping.accepted", in_reply_to=asked)


def _until_mapped(drill: Drill, version: int, status: str) -> None:
    """Wait until all files are imported by this version of the mapping, and see that all leads have the status."""
    old = "select from connectors where id = any(%s) and file_mapping_version <> %s"
    drill.until(lambda: drill.imported() and not drill.rows(old, drill.connector_ids, version), f"mapping {version}")
    others = drill.rows("select from leads where org_id = any(%s) and status <> %s", drill.ledger.org_ids, status)
    assert not others, f"{len(others)} leads are not {status}, as mapping {version} says"


@fault(bound=20, amid=True, alone=True)
@contextmanager
def connectors_are_paused_and_resumed(drill: Drill) -> Iterator[None]:
    """The admins pause all connectors, and resume them later."""
    _ask_all(drill, "sftp_connector.pause")
    yield
    active = "select from connectors where id = any(%s) and state = 'active'"
    drill.until(lambda: not drill.rows(active, drill.connector_ids), "connectors that are paused")
    _ask_all(drill, "sftp_connector.resume")


@fault(bound=20, amid=True, alone=True)
@contextmanager
def another_organisation_is_deleted_at_work(drill: Drill) -> Iterator[None]:
    """Nothing is left of it, wherever its files just were."""
    with Other(drill) as other:
        drill.linger()
        asked = other.ui.ask("organisation.deleted")
        yield
        other.ui.wait("organisation.removed", in_reply_to=asked, seconds=30)
        for table in ("connectors", "runs", "leads", "lead_keys", "contacts", "rejects", "fingerprints"):
            assert not drill.rows(f"select from {table} where org_id = %s", other.org_id), table
        drill.until(
            lambda: not [path for path in _blobs(drill) if str(other.org_id) in path], "a store without its blobs"
        )


def _blobs(drill: Drill) -> list[str]:
    return [str(path) for path in drill.stack.blobs.rglob("*") if path.is_file()]


@fault(bound=20, amid=True, alone=True)
@contextmanager
def another_connector_is_deleted_at_work(drill: Drill) -> Iterator[None]:
    """Its secret is gone at once, and no run of it ends well afterwards."""
    with Other(drill) as other:
        drill.linger()
        other.ui.ask("sftp_connector.delete", connector_id=other.connector_id)
        other.ui.wait("sftp_connector.deleted", connector_id=other.connector_id)
        (left,) = drill.rows(_SECRETS, other.connector_id)
        assert (left["sealed_password"], left["sealed_key"]) == (None, None)
        yield
        drill.until(lambda: not other.runs("outcome is null"), "no open run of it")
    ended = [run for run in other.runs("outcome = 'succeeded'") if run["finished_at"] > left["now"]]
    assert not ended, "an import of a deleted connector was committed"
