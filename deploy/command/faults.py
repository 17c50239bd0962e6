"""How the command ends: 0, or 1 with one clear line. Wrong usage and wrong settings end with 2."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import psycopg
import structlog
import typer
from typer.core import TyperGroup

from deploy.command.output import Problem, plain
from shared.errors import ConnectorError, Unavailable, describe
from shared.migrate import MigrationChanged

_THERE_ALREADY = (psycopg.errors.DuplicateTable, psycopg.errors.DuplicateObject, psycopg.errors.DuplicateFunction)
# Parts of what the library says when it cannot connect; the whole text may quote what it was given.
_NO_CONNECTION = {
    "password authentication failed": "PostgreSQL refuses the user or the password",
    "no password supplied": "PostgreSQL wants a password",
    "no pg_hba.conf entry": "PostgreSQL lets this user in from nowhere near here (pg_hba.conf)",
    "does not exist": "PostgreSQL knows no such database or user",
    "too many": "PostgreSQL has no connection left",
    "remaining connection slots": "PostgreSQL has no connection left",
    "Connection refused": "Nothing listens where PostgreSQL should",
    "timeout expired": "Nothing answered in time where PostgreSQL should be",
    "could not translate host name": "The name of PostgreSQL's host is unknown",
    "failed to resolve host": "The name of PostgreSQL's host is unknown",
    "the database system is starting up": "PostgreSQL is starting",
    "the database system is shutting down": "PostgreSQL is stopping",
}
_OLD_SCHEMA = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction)


class Group(TyperGroup):
    """Turns an exception into a line. The text of a library's own is left out, because it may quote a secret."""

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
        try:
            with _quiet():
                return super().invoke(ctx)
        except (Problem, MigrationChanged) as problem:
            line = str(problem)
        except psycopg.Error as error:
            line = of_database(error)
        except Unavailable as error:
            line = f"{describe(error)}. `sftp-connector doctor` says what is away."
        except ConnectorError as error:
            line = describe(error)
        with contextlib.suppress(BrokenPipeError):
            typer.echo(plain(line), err=True)
        raise typer.Exit(1) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No log line stands in a document: what there is to say of a fault is said in its one line."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def of_database(error: psycopg.Error) -> str:
    """What PostgreSQL objects to, and what to do."""
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "The database's role may not do that: connect as sftp_connector_operator, or to migrate as the owner."
    if isinstance(error, _OLD_SCHEMA):
        return "The database's schema is older than this command: run `sftp-connector migrate` as its owner."
    if isinstance(error, _THERE_ALREADY):
        return (
            f"A migration found what it was to make ({describe(error)}), and nothing of it was kept: its row in"
            " schema_migrations is missing. See NotMigrated in docs/runbook.md."
        )
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return "Another session holds a lock that this needs: try again, or see in pg_stat_activity who holds it."
    # An error that a statement met has a state; what is said of a connection that was not made has none.
    text = "" if error.sqlstate else str(error)
    found = (words for part, words in _NO_CONNECTION.items() if part in text)
    words = next(found, f"PostgreSQL does not answer ({describe(error)})")
    return f"{words}: is it up, and is SFTP_CONNECTOR_DATABASE_URL right?"
