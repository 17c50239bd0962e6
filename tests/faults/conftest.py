"""One stack serves the drills of a session; after one that failed the next gets a new one."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from deploy.local.servers.postgres import Postgres
from deploy.local.servers.rabbitmq import Rabbitmq
from deploy.local.servers.sshd import Sshd
from deploy.local.stack import Stack
from shared.migrate import migrate
from tests.conftest import PASSWORD, TEMPLATE
from tests.faults.drill import SETTINGS, Drill
from tests.pipeline.conftest import SessionServers, db, leads_csv, stack, ui, world

_LONGEST = ("test_overload.py", "test_planted.py")

__all__ = ["db", "leads_csv", "stack", "ui", "world"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder take long, but for the sharpest."""
    # None of them is waited for alone in the end.
    items.sort(key=lambda item: item.path.name not in _LONGEST)
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.path.name != "test_sharpest.py":
            item.add_marker(pytest.mark.slow)


class Drills:
    """Makes the drill when it is first wanted, and anew after a failure."""

    def __init__(self, servers: SessionServers, home: Path) -> None:
        self._servers = servers
        self._home = home
        self._drill: Drill | None = None

    def get(self) -> Drill:
        """A drill whose services run."""
        if self._drill is None:
            name = f"t_{uuid4().hex[:12]}"
            made = Stack(self._servers, self._home / name, name, settings=dict(SETTINGS))
            made.prepare(template=TEMPLATE)
            self._drill = Drill(made, PASSWORD)
            self._drill.__enter__()
        return self._drill

    def drop(self) -> None:
        """Stop it."""
        drill, self._drill = self._drill, None
        if drill is not None:
            drill.__exit__()
            drill.stack.forget()


@pytest.fixture(scope="session")
def durable_postgres(session_home: Path) -> Iterator[Postgres]:
    """A PostgreSQL that keeps what was committed when it is killed."""
    with Postgres(session_home / "durable-postgres") as server:
        server.create_database(TEMPLATE)
        migrate(server.dsn(TEMPLATE))
        yield server


@pytest.fixture(scope="session")
def drills(
    durable_postgres: Postgres, rabbitmq: Rabbitmq, session_sshd: Sshd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Drills]:
    """The session's drill."""
    made = Drills(SessionServers(durable_postgres, rabbitmq, session_sshd), tmp_path_factory.mktemp("drills"))
    yield made
    made.drop()


@pytest.fixture
def drill(drills: Drills, sshd: Sshd, request: pytest.FixtureRequest) -> Iterator[Drill]:
    """The drill; it is thrown away when the test fails."""
    failed_before = request.session.testsfailed
    yield drills.get()
    if request.session.testsfailed > failed_before:
        drills.drop()
