"""The services' roles log in with the passwords that they were let in with, and with no other."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.servers.postgres import Postgres
from deploy.local.stack import ROLES
from deploy.roles import PASSWORDS
from shared.database import connect

# Everything that a quoting mistake would trip over.
ODD = 'it\'s \\ "odd" % $$ é'


@pytest.fixture
def restored(postgres: Postgres) -> Iterator[None]:
    """Roles belong to the whole server: the other tests find them as they were."""
    yield
    postgres.let_in(*ROLES.values())


def let_in(url: str, passwords: dict[str, str]) -> str:
    """Run the step as it is deployed; what it prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "deploy.roles"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "SFTP_CONNECTOR_DATABASE_URL": url,
        }
        | {PASSWORDS[role]: password for role, password in passwords.items()},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def who(url: str, role: str, password: str) -> str:
    """Log in; the name that the server knows us by."""
    with psycopg.connect(make_conninfo(url, user=role, password=password)) as connection:
        (name,) = connection.execute("select current_user").fetchone() or ("nobody",)
        return str(name)


@pytest.mark.usefixtures("restored")
def test_roles_log_in_with_the_passwords_of_the_last_run_alone(database_url: str) -> None:
    # Given the roles of the schema, let in once
    first = {role: f"first {number}" for number, role in enumerate(PASSWORDS)}
    let_in(database_url, first)
    assert {role: who(database_url, role, password) for role, password in first.items()} == {
        role: role for role in first
    }
    # When the passwords are changed, also to an odd one
    second = {role: f"{ODD} {number}" for number, role in enumerate(PASSWORDS)}
    told = let_in(database_url, second)
    # Then the new ones count, the old ones do not, and none is told
    for role in PASSWORDS:
        assert who(database_url, role, second[role]) == role
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            who(database_url, role, first[role])
    assert told.splitlines() == [f"let in {role}" for role in PASSWORDS]


@pytest.mark.usefixtures("restored")
def test_no_statement_carries_a_password_to_the_server(database_url: str, postgres: Postgres) -> None:
    # Given a server that logs every statement
    with connect(database_url, name="test") as db:
        db.execute("alter role postgres set log_statement = 'all'")
    try:
        # When the roles are let in
        let_in(database_url, dict.fromkeys(PASSWORDS, "canary-0b7d1f"))
    finally:
        with connect(database_url, name="test") as db:
            db.execute("alter role postgres reset log_statement")
    # Then its log tells of it, and holds hashes alone
    log = postgres.log_path.read_text()
    assert log.count("SCRAM-SHA-256$") >= len(PASSWORDS)
    assert "canary-0b7d1f" not in log


def test_every_role_of_the_schema_is_let_in() -> None:
    assert set(PASSWORDS) == set(ROLES.values())
