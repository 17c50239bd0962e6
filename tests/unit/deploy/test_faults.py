"""Whatever goes wrong in the command is one line, and what is logged stands in no document."""

import psycopg
import structlog
import typer
from typer.testing import CliRunner

from deploy.command.faults import Group, of_database
from deploy.command.output import Problem
from shared.errors import BusUnavailable

app = typer.Typer(cls=Group)


@app.command()
def log_something() -> None:
    structlog.get_logger().warning("queues.close_failed")
    typer.echo("{}")


@app.command()
def fail(how: str) -> None:
    raise Problem("a\x1b[2J problem") if how == "problem" else BusUnavailable("ConnectionClosed")


def test_what_is_logged_stands_in_no_document() -> None:
    ended = CliRunner().invoke(app, ["log-something"])

    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "{}\n", "")


def test_a_problem_is_one_line_and_ends_with_1() -> None:
    problem, away = (CliRunner().invoke(app, ["fail", how]) for how in ("problem", "away"))

    assert (problem.exit_code, problem.stdout, problem.stderr) == (1, "", "a\ufffd[2J problem\n")
    assert away.stderr == "BusUnavailable: ConnectionClosed. `sftp-connector doctor` says what is away.\n"


def test_what_the_database_says_is_told_with_what_to_do() -> None:
    assert "sftp-connector migrate" in of_database(psycopg.errors.UndefinedColumn('column "canary"'))
    assert "its row in schema_migrations is missing" in of_database(psycopg.errors.DuplicateTable('"canary"'))
    assert "sftp_connector_operator" in of_database(psycopg.errors.InsufficientPrivilege("canary"))
    assert "lock" in of_database(psycopg.errors.LockNotAvailable("canary"))
    assert "canary" not in of_database(psycopg.OperationalError("password=canary"))
