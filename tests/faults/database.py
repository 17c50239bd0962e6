"""Faults of PostgreSQL: killed, out of reach, read-only, full, locked, too slow."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault


def _alter(drill: Drill, statement: str) -> None:
    """Change a server's or a database's setting, in a session that obeys none of them."""
    with psycopg.connect(drill.stack.servers.postgres.dsn(), autocommit=True) as db:
        db.execute("set default_transaction_read_only = off")
        db.execute(statement.replace("DATABASE", f"database {drill.stack.name}"))


def _end_sessions(drill: Drill) -> None:
    _alter(
        drill,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname = '{drill.stack.name}' and application_name like 'sftp-connector%'",
    )


@fault(bound=20, amid=True)
@contextmanager
def database_is_killed(drill: Drill) -> Iterator[None]:
    """PostgreSQL and all its sessions are killed; its disk is kept."""
    drill.stack.servers.postgres.kill()
    yield
    drill.stack.servers.postgres.start()


@fault(bound=15, amid=True)
@contextmanager
def sessions_are_ended(drill: Drill) -> Iterator[None]:
    """All sessions are ended, five times within two seconds."""
    for _ in range(5):
        _end_sessions(drill)
        drill.linger()
    yield


@fault(bound=25, amid=True)
@contextmanager
def database_is_out_of_reach_without_a_sign(drill: Drill) -> Iterator[None]:
    """Nothing passes to or from PostgreSQL, and no connection ends."""
    drill.database.both(blackhole=True)
    yield
    time.sleep(3)  # is what is injected
    drill.database.reset()
    drill.database.heal()


@fault(bound=20, alone=True)
@contextmanager
def answer_to_a_commit_is_lost(drill: Drill) -> Iterator[None]:
    """The import is committed, and the importer never hears of it."""
    drill.replace("importer", failpoints="import.finished=sleep:1")
    yield
    drill.until(
        lambda: drill.rows(
            "select from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"
            " and application_name = 'sftp-connector-importer'"
        ),
        "an import that is about to commit",
    )
    drill.database.to_client.blackhole = True
    time.sleep(1.5)  # is what is injected: the commit passes meanwhile
    drill.database.reset()
    drill.database.heal()
    drill.replace("importer")


def _setting(name: str, value: str, usual: str) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        _alter(drill, f"alter DATABASE set {name} = {value}")
        _end_sessions(drill)
        try:
            yield
            time.sleep(2)  # is what is injected
        finally:
            _alter(drill, f"alter DATABASE reset {name}")
            _end_sessions(drill)

    inject.__name__ = usual
    inject.__doc__ = f"All sessions are ended, and the next ones live under `{name} = {value}`."
    return inject


fault(bound=20, amid=True)(_setting("default_transaction_read_only", "on", "database_is_read_only"))
fault(bound=20, amid=True)(_setting("statement_timeout", "'2ms'", "statements_take_too_long"))


@fault(bound=20, amid=True)
@contextmanager
def tables_are_locked(drill: Drill) -> Iterator[None]:
    """Leads and runs are locked against writing."""
    with psycopg.connect(drill.stack.database_url) as db:
        for table in ("leads", "runs"):
            db.execute(f"lock table {table} in share mode")
        yield
        time.sleep(2)  # is what is injected


def _raises(sqlstate: str, name: str) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        drill.rows(
            "create function broken() returns trigger language plpgsql as"
            f" $$ begin raise exception 'broken' using errcode = '{sqlstate}'; end $$"
        )
        drill.rows("create trigger broken before insert or update on leads for each row execute function broken()")
        try:
            yield
            time.sleep(1)  # is what is injected
        finally:
            drill.rows("drop function broken cascade")

    inject.__name__ = name
    inject.__doc__ = f"Each write of a lead fails with the state {sqlstate}."
    return inject


fault(bound=20)(_raises("53100", "disk_of_the_database_is_full"))
fault(bound=20)(_raises("40P01", "deadlocks"))
fault(bound=20)(_raises("40001", "serialization_failures"))


@fault(bound=20, amid=True)
@contextmanager
def too_many_connections(drill: Drill) -> Iterator[None]:
    """PostgreSQL takes a single connection."""
    _alter(drill, "alter DATABASE connection limit 1")
    _end_sessions(drill)
    try:
        yield
        time.sleep(2)  # is what is injected
    finally:
        _alter(drill, "alter DATABASE connection limit -1")
