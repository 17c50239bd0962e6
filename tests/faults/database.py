"""Faults of PostgreSQL: killed, out of reach, read-only, full, locked, too slow."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault

_TOO_MANY = "too many connections for database"
_TERMINATED = "terminating connection due to administrator command"
_NO_SPACE = "No space left on device"
_BLOCKED = """
    select from pg_stat_activity where %s = any(pg_blocking_pids(pid)) and application_name = 'sftp-connector-importer'
"""


def _alter(drill: Drill, statement: str) -> None:
    """Change a server's or a database's setting, in a session that obeys none of them."""
    with psycopg.connect(drill.stack.servers.postgres.dsn(), autocommit=True) as db:
        db.execute("set default_transaction_read_only = off")
        db.execute(statement.replace("DATABASE", f"database {drill.stack.name}"))


def _logged(drill: Drill, text: str) -> int:
    """How often PostgreSQL's log tells this."""
    return drill.stack.servers.postgres.log_path.read_text(errors="replace").count(text)


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
    ended = _logged(drill, _TERMINATED)
    for _ in range(5):
        _end_sessions(drill)
        drill.linger()
    yield
    drill.until_hit(lambda: _logged(drill, _TERMINATED) > ended, "a session that is ended")


@fault(bound=25, amid=True)
@contextmanager
def database_is_out_of_reach_without_a_sign(drill: Drill) -> Iterator[None]:
    """Nothing passes to or from PostgreSQL for longer than any lease, and no connection ends, then or later."""
    drill.database.both(blackhole=True)
    yield
    drill.until_hit(lambda: drill.services["scheduler"].status("/readyz")[0] == 503, "a scheduler that is not ready")
    drill.database.heal()


@fault(bound=20, alone=True)
@contextmanager
def answer_to_a_commit_is_lost(drill: Drill) -> Iterator[None]:
    """The import is committed, and the importer never hears of it."""
    importer = drill.replace("importer", failpoints="import.finished=sleep:2")
    yield
    drill.until(
        lambda: drill.rows(
            "select from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"
            " and application_name = 'sftp-connector-importer' and state_change < clock_timestamp() - interval '0.5 s'"
        ),
        "an import that is about to commit",
    )
    drill.database.to_client.blackhole = True
    ids = [run["id"] for run in drill.runs("stage = 'importing'")]
    query = "select from runs where id = any(%s) and outcome = 'succeeded'"
    drill.until(lambda: drill.rows(query, ids), "a commit whose answer is held back", seconds=5)
    drill.database.reset()
    drill.database.heal()
    asked_again = 'sftp_connector_stale_total{kind="import_request"}'
    drill.until(lambda: importer.metric(asked_again) == 1, "an importer that asks what became of it")


def _setting(name: str, value: str, usual: str, error: str) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        failed = _logged(drill, error)
        _alter(drill, f"alter DATABASE set {name} = {value}")
        _end_sessions(drill)
        try:
            yield
            drill.until_hit(lambda: _logged(drill, error) > failed, error)
            time.sleep(1)  # is what is injected
        finally:
            _alter(drill, f"alter DATABASE reset {name}")
            _end_sessions(drill)

    inject.__name__ = usual
    inject.__doc__ = f"All sessions are ended, and the next ones live under `{name} = {value}`."
    return inject


for _name, _value, _usual, _error in (
    ("default_transaction_read_only", "on", "database_is_read_only", "in a read-only transaction"),
    ("statement_timeout", "'2ms'", "statements_take_too_long", "canceling statement due to statement timeout"),
):
    fault(bound=20, amid=True)(_setting(_name, _value, _usual, _error))


@fault(bound=20, amid=True)
@contextmanager
def tables_are_locked(drill: Drill) -> Iterator[None]:
    """Leads and runs are locked against writing."""
    with psycopg.connect(drill.stack.database_url) as db:
        for table in ("leads", "runs"):
            db.execute(f"lock table {table} in share mode")
        yield
        waiting = "select from pg_stat_activity where %s = any(pg_blocking_pids(pid))"
        drill.until_hit(lambda: drill.rows(waiting, db.info.backend_pid), "a session that waits for a lock")
        time.sleep(1)  # is what is injected


@fault(bound=20, amid=True)
@contextmanager
def disk_of_the_database_is_full(drill: Drill) -> Iterator[None]:
    """Temporary tables, which an import writes first, are on a small disk of their own, and it is full."""
    failed = _logged(drill, _NO_SPACE)
    folder = drill.stack.home / "small-disk"
    folder.mkdir(exist_ok=True)
    owner = (drill.stack.servers.postgres.home / "data").stat()
    options = f"size=64k,uid={owner.st_uid},gid={owner.st_gid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "small", folder], check=True)
    try:
        _alter(drill, f"create tablespace small location '{folder}'")
        _alter(drill, "grant create on tablespace small to public")
        _alter(drill, "alter DATABASE set temp_tablespaces = small")
        subprocess.run(
            ["dd", "if=/dev/zero", f"of={folder}/filler"], capture_output=True, check=False
        )  # until it is full
        _end_sessions(drill)
        yield
        drill.until_hit(lambda: _logged(drill, _NO_SPACE) > failed, "a session that finds no space")
    finally:
        _alter(drill, "alter DATABASE reset temp_tablespaces")
        _end_sessions(drill)
        drill.until(lambda: _dropped(drill, "small"), "a tablespace that nobody uses")
        _alter(drill, "checkpoint")  # PostgreSQL looks for the disk again when it recovers from before that
        subprocess.run(["umount", "--lazy", folder], check=True)


def _dropped(drill: Drill, tablespace: str) -> bool:
    try:
        _alter(drill, f"drop tablespace if exists {tablespace}")
    except psycopg.errors.ObjectNotInPrerequisiteState:  # a session that was ended is not gone yet
        return False
    return True


def _raises(sqlstate: str, name: str) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        failed = _logged(drill, "ERROR:  broken")
        drill.rows(
            "create function broken() returns trigger language plpgsql as"
            f" $$ begin raise exception 'broken' using errcode = '{sqlstate}'; end $$"
        )
        drill.rows("create trigger broken before insert or update on leads for each row execute function broken()")
        try:
            yield
            drill.until_hit(lambda: _logged(drill, "ERROR:  broken") > failed, "a lead that cannot be written")
        finally:
            drill.rows("drop function broken cascade")

    inject.__name__ = name
    inject.__doc__ = f"Each write of a lead fails with the state {sqlstate}."
    return inject


fault(bound=20)(_raises("40P01", "deadlocks"))
fault(bound=20)(_raises("40001", "serialization_failures"))


@fault(bound=20, alone=True)
@contextmanager
def deadlock_with_another_session(drill: Drill) -> Iterator[None]:
    """Another session locks a connector and then its leads, an import the leads and then the connector."""
    drill.replace("importer", failpoints="import.batch@2=sleep:1")
    yield
    drill.until(lambda: drill.runs("stage = 'importing'"), "an import in hand")
    (run,) = drill.runs("stage = 'importing'")
    with psycopg.connect(drill.stack.database_url) as db:
        pid = db.info.backend_pid
        db.execute("set deadlock_timeout = '1min'")  # PostgreSQL ends the one that notices, and that is the import
        db.execute("select from connectors where id = %s for update", [run["connector_id"]])
        drill.until(lambda: drill.rows(_BLOCKED, pid), "an import that waits for the connector")
        db.execute("select from leads where org_id = %s for update", [run["org_id"]])
    drill.until_imported()
    assert _logged(drill, f"Process {pid} waits"), "there was no deadlock"
    assert not drill.runs("attempt > 1"), "it counted as an attempt"


@fault(bound=20, amid=True)
@contextmanager
def too_many_connections(drill: Drill) -> Iterator[None]:
    """PostgreSQL takes a single connection."""
    refused = _logged(drill, _TOO_MANY)
    _alter(drill, "alter DATABASE connection limit 1")
    _end_sessions(drill)
    try:
        yield
        drill.until_hit(lambda: _logged(drill, _TOO_MANY) > refused, "a session that is refused")
        time.sleep(1)  # is what is injected
    finally:
        _alter(drill, "alter DATABASE connection limit -1")
