"""PostgreSQL: a pool of checked connections, and queries kept in .sql files by name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from shared.errors import DatabaseUnavailable, describe

Row = dict[str, Any]
Db = Connection[DictRow]

# A pool whose attempts fail waits twice as long before each next one, up to minutes: after so many seconds it gives up,
# and begins anew.
_RECONNECT_SECONDS = 2.0
_IDLE_SECONDS = 120.0
# A server that is gone without a sign is noticed within a minute: idle ones by keepalives, which say nothing while
# something that was sent is not acknowledged.
_KEEPALIVES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}


def pool(url: str, *, name: str, size: int, idle_seconds: float = _IDLE_SECONDS) -> ConnectionPool[Db]:
    """An open pool of up to `size` connections; each is checked before it is lent.

    PostgreSQL ends a transaction that asks for nothing for `idle_seconds`.
    """

    def check(connection: Db) -> None:
        try:
            ConnectionPool.check_connection(connection)
        except psycopg.Error:
            # Where one is broken all may be, and the pool waits longer after each that it finds.
            made.drain()
            raise

    made: ConnectionPool[Db] = ConnectionPool(
        url,
        kwargs={
            "row_factory": dict_row,
            "options": _options(idle_seconds),
            "application_name": f"sftp-connector-{name}",
            **_KEEPALIVES,
        },
        min_size=1,
        max_size=size,
        timeout=30.0,
        reconnect_timeout=_RECONNECT_SECONDS,
        # Whoever waits for a connection is remembered then, and no attempt is under way.
        reconnect_failed=ConnectionPool.check,
        check=check,
        name=name,
        open=True,
    )
    return made


def connect(url: str, *, name: str) -> Db:
    """One connection of its own, with autocommit, for listening and leases."""
    return Connection.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        options=_options(_IDLE_SECONDS),
        application_name=f"sftp-connector-{name}",
        **_KEEPALIVES,  # type: ignore[arg-type]
    )


def _options(idle_seconds: float) -> str:
    """Limits on the server's side: neither a worker that hangs nor a machine that is gone may hold locks for ever."""
    limits = {
        "lock_timeout": "60s",
        "idle_in_transaction_session_timeout": f"{round(idle_seconds * 1000)}ms",
        "tcp_keepalives_idle": "30s",
        "tcp_keepalives_interval": "10s",
        "tcp_keepalives_count": 3,
        "timezone": "UTC",
    }
    return " ".join(f"-c {name}={value}" for name, value in limits.items())


@contextmanager
def organisation(connections: ConnectionPool[Db], org_id: UUID, *, timeout: float | None = None) -> Iterator[Db]:
    """A connection whose transaction sees and writes the rows of one organisation alone."""
    with connections.connection(timeout) as db:
        see(db, org_id)
        yield db


@contextmanager
def every_organisation(connections: ConnectionPool[Db]) -> Iterator[Db]:
    """A connection whose transaction sees and writes all rows; an importer's role gets none of them."""
    with connections.connection() as db:
        see_all(db)
        yield db


def see(db: Db, org_id: UUID) -> None:
    """Begin a transaction about one organisation, or go on with one. The next one begins without any."""
    _set(db, "org_id", str(org_id))


def see_all(db: Db) -> None:
    """Begin a transaction about all organisations."""
    _set(db, "every_organisation", "on")


@contextmanager
def seeing_all(db: Db) -> Iterator[None]:
    """Within it a transaction about one organisation sees the others too, to look alone: what it writes is undone."""
    with db.transaction(force_rollback=True):
        see_all(db)
        yield


def _set(db: Db, name: str, value: str) -> None:
    # For the transaction alone: behind a pooler the session may be somebody else's next.
    db.execute("select set_config('sftp_connector.' || %s, %s, true)", [name, value])


# What it is that PostgreSQL cannot do just now, and another time can: it is away, full, a standby, or has a deadlock.
AWAY = (
    psycopg.OperationalError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
)


def is_away(error: BaseException) -> bool:
    """Whether it says nothing about the work in hand; too much memory or too complex a statement may come from that."""
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, AWAY) and not state.startswith(("25P03", "53200", "53400", "54", "57014"))


@contextmanager
def reachable() -> Iterator[None]:
    """What PostgreSQL's absence, a lock that took too long or a deadlock raises, as DatabaseUnavailable: try again."""
    try:
        yield
    except AWAY as error:
        raise DatabaseUnavailable(describe(error)) from None


def queries(path: Path) -> dict[str, str]:
    """The statements of a .sql file, each under the name in the `-- name: ...` line above it."""
    parts = re.split(r"^-- name: (\w+)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def answers(connections: ConnectionPool[Db]) -> bool:
    """Whether the database answers within a few seconds; its exception otherwise."""
    with connections.connection(timeout=3.0) as db:
        return db.execute("select 1 as one").fetchone() is not None
