"""The key is changed while everything runs: every login opens before, meanwhile and afterwards."""

import base64
import os
import subprocess
import sys
from uuid import UUID, uuid4

import pytest
from nacl.public import PrivateKey
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool

from deploy.command.reseal import Resealed, reseal
from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from shared.database import Db, connect
from shared.sealing import Opener, Place, pack_key, seal, unpack_key
from tests.integration.scheduler.builders import Desk

OLD, NEW, LOST = (PrivateKey.generate() for _ in range(3))


class Logins:
    """Connectors with logins that are sealed to some key."""

    def __init__(self, connections: ConnectionPool[Db], operator_url: str) -> None:
        self.desk = Desk(connections)
        self.operator_url = operator_url

    def add(self, secret: str, key: PrivateKey, column: str = "sealed_password", host: str = "") -> UUID:
        """A connector; its login is sealed for its host, or for this one."""
        connector_id = self.desk.insert_connector(sealed_password=None, sealed_key="x")
        sealed = seal(secret, self.place(connector_id, host), key.public_key)
        values = {"sealed_password": None, "sealed_key": None} | {column: sealed}
        set_ = "sealed_password = %(sealed_password)s, sealed_key = %(sealed_key)s"
        self.desk.all(f"update connectors set {set_} where id = %(id)s", id=connector_id, **values)
        return connector_id

    def place(self, connector_id: UUID, host: str = "") -> Place:
        row = self.desk.connector(connector_id)
        return Place(row["org_id"], connector_id, host or row["host"], row["port"], row["username"])

    def opened(self, connector_id: UUID, *keys: PrivateKey, column: str = "sealed_password") -> str:
        """What a fetcher with these keys reads."""
        return Opener(keys).open(self.desk.connector(connector_id)[column], self.place(connector_id))

    def reseal(self) -> Resealed:
        with connect(self.operator_url, name="test") as db:
            return reseal(db, Opener([OLD, NEW]), NEW.public_key)


@pytest.fixture
def operator_url(postgres: Postgres, database_url: str) -> str:
    """The database as the operator sees it."""
    postgres.let_in(ROLES["operator"])
    return postgres.dsn(str(conninfo_to_dict(database_url)["dbname"]), user=ROLES["operator"])


@pytest.fixture
def logins(connections: ConnectionPool[Db], operator_url: str) -> Logins:
    """No connector yet."""
    return Logins(connections, operator_url)


def test_passwords_and_keys_open_with_the_new_key_alone_afterwards(logins: Logins) -> None:
    by_password = logins.add("p@ss", OLD)
    by_key = logins.add(pack_key("PEM", "phrase"), OLD, "sealed_key")
    # Both keys open it before, which is what fetchers have meanwhile
    assert logins.opened(by_password, OLD, NEW) == "p@ss"

    found = logins.reseal()

    assert (found.done, found.as_they_are, found.unreadable) == (2, 0, [])
    assert logins.opened(by_password, NEW) == "p@ss"
    assert unpack_key(logins.opened(by_key, NEW, column="sealed_key")) == ("PEM", "phrase")
    assert (logins.reseal().done, logins.reseal().as_they_are) == (0, 2)


def test_logins_of_every_organisation_are_sealed_anew(logins: Logins) -> None:
    ours = logins.add("ours", OLD)
    logins.desk.org_id = uuid4()
    theirs = logins.add("theirs", OLD)

    assert logins.reseal().done == 2
    assert [logins.opened(connector_id, NEW) for connector_id in (ours, theirs)] == ["ours", "theirs"]


def test_what_cannot_be_opened_stays_and_is_named_and_costs_no_other(logins: Logins) -> None:
    lost = logins.add("a", LOST)
    copied = logins.add("b", OLD, host="elsewhere.example")
    good = logins.add("c", OLD)

    found = logins.reseal()

    assert found.unreadable == [
        (lost, "sealed to a key that is not configured here"),
        (copied, "sealed for another place"),
    ]
    assert (found.done, logins.opened(good, NEW), logins.opened(lost, LOST)) == (1, "c", "a")


def test_a_login_that_an_admin_enters_at_the_same_moment_wins(logins: Logins) -> None:
    connector_id = logins.add("before", OLD)

    class Interrupted(Opener):
        """Opens a login while an admin enters another one."""

        def open(self, sealed: str, place: Place) -> str:
            """The secret."""
            entered = seal("entered", place, NEW.public_key)
            logins.desk.all("update connectors set sealed_password = %(new)s", new=entered)
            return super().open(sealed, place)

    with connect(logins.operator_url, name="test") as db:
        found = reseal(db, Interrupted([OLD, NEW]), NEW.public_key)

    assert found.done == 0
    assert logins.opened(connector_id, NEW) == "entered"


def test_the_command_says_what_it_did_and_no_secret(logins: Logins) -> None:
    logins.add("canary-5d1f", OLD)
    lost = logins.add("canary-5d1f", LOST)
    old, new, public = (base64.b64encode(bytes(key)).decode() for key in (OLD, NEW, NEW.public_key))
    settings = {
        "SFTP_CONNECTOR_DATABASE_URL": logins.operator_url,
        "SFTP_CONNECTOR_SEAL_PUBLIC_KEY": public,
        "SFTP_CONNECTOR_SEAL_PRIVATE_KEYS": f'["{new}", "{old}"]',
    }

    command = [sys.executable, "-m", "deploy.command", "reseal"]
    ended = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=60)

    assert ended.returncode == 1
    assert "sealed anew: 1, sealed to this key already: 0" in ended.stdout
    assert f"not opened: connector {lost}: sealed to a key that is not configured here" in ended.stdout
    assert not any(secret in ended.stdout + ended.stderr for secret in ("canary-5d1f", old, new))


def test_nothing_is_sealed_to_a_key_that_nobody_here_could_open(logins: Logins) -> None:
    # Given the public key of another pair, as after a typing error
    found = logins.add("canary-5d1f", OLD)
    settings = {
        "SFTP_CONNECTOR_DATABASE_URL": logins.operator_url,
        "SFTP_CONNECTOR_SEAL_PUBLIC_KEY": base64.b64encode(bytes(LOST.public_key)).decode(),
        "SFTP_CONNECTOR_SEAL_PRIVATE_KEYS": f'["{base64.b64encode(bytes(OLD)).decode()}"]',
    }

    command = [sys.executable, "-m", "deploy.command", "reseal"]
    ended = subprocess.run(command, env=os.environ | settings, capture_output=True, text=True, check=False, timeout=60)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert "nobody could open what is sealed to it" in ended.stderr
    assert logins.opened(found, OLD) == "canary-5d1f"
