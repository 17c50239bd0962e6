"""The release before the newest migration and today's code work side by side, before, during and after it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.service import ROOT, Service
from deploy.local.stack import ROLES, SERVICES, Stack
from shared.migrate import migrate
from tests.conftest import PASSWORD
from tests.faults.check import deviations
from tests.faults.drill import SETTINGS, Drill
from tests.faults.looking import look
from tests.pipeline.conftest import SessionServers


def git(*arguments: str) -> bytes:
    """What git says; the test is skipped where there is no history."""
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no history to take the former release from: {done.stderr.decode().strip()}")
    return done.stdout


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The tree as it was before the newest migration came."""
    newest = git("log", "-1", "--format=%H", "--diff-filter=A", "--", "shared/migrations").decode().strip()
    tree = tmp_path / "former"
    tree.mkdir()
    packed = git("archive", f"{newest}^", "services", "shared")
    subprocess.run(["tar", "-x", "-C", str(tree)], input=packed, check=True)
    return tree


def names_of(tree: Path) -> set[str]:
    """The settings that a release knows."""
    return set(re.findall(r'"(\w+)",', (tree / "shared" / "setting_names.py").read_text()))


class Upgrade(Drill):
    """Starts services of the former release, which know of no roles, until it is told otherwise."""

    former: Path | None = None

    def service(self, name: str, *, variables: Mapping[str, str] | None = None, **settings: object) -> Service:
        """A service of the former release or of today's."""
        if self.former is None:
            return super().service(name, variables=variables, **settings)
        url: dict[str, object] = {} if name == "fetcher" else {"database_url": self.stack.database_url}
        return super().service(name, variables={"PYTHONPATH": str(self.former)}, **(url | settings))


@pytest.fixture
def drill(postgres: Postgres, rabbitmq: Rabbitmq, sshd: Sshd, tmp_path: Path, former: Path) -> Iterator[Upgrade]:
    """The former release on its own schema."""
    # A setting that the former release does not know is given when it is gone.
    known = {name: value for name, value in SETTINGS.items() if name in names_of(former)}
    made = Stack(SessionServers(postgres, rabbitmq, sshd), tmp_path, f"t_{tmp_path.name[-12:]}", settings=known)
    postgres.create_database(made.name)
    rabbitmq.create_vhost(made.name)
    environment = {
        "PYTHONPATH": str(former),
        "SFTP_CONNECTOR_DATABASE_URL": made.database_url,
        "PATH": os.environ["PATH"],
    }
    subprocess.run([sys.executable, "-P", "-m", "shared.migrate"], env=environment, check=True, capture_output=True)
    upgrade = Upgrade(made, PASSWORD)
    upgrade.former = former
    with upgrade:
        yield upgrade
    made.forget()


def test_an_upgrade_under_load_loses_nothing_and_doubles_nothing(drill: Upgrade) -> None:
    drill.begin(1)
    # When the schema changes while the former release is at work
    drill.change()
    assert migrate(drill.stack.database_url) != []
    drill.until_imported()
    drill.change()
    drill.until_imported()
    # and today's code joins, one service after the other, and stays alone
    drill.former = None
    drill.stack.servers.postgres.let_in(*ROLES.values())
    for name in SERVICES:
        drill.add(name)
        drill.change()
        drill.until_imported()
    for name in reversed(SERVICES):
        drill.change()
        drill.replace(name)
        drill.until_imported()
    drill.settle()

    found = look(drill, {}, parked=False)

    assert deviations(drill.ledger, found) == []
