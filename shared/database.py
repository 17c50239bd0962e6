"""PostgreSQL: a pool of checked connections, and queries kept in .sql files by name."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from shared.errors import DatabaseUnavailable, describe

Row = dict[str, Any]
Db = Connection[DictRow]

# Limits on the server's side: a worker that hangs must not hold locks for ever.
_OPTIONS = "-c lock_timeout=60s -c idle_in_transaction_session_timeout=120s -c timezone=UTC"
_KEEPALIVES = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "connect_timeout": 10}


def pool(url: str, *, name: str, size: int) -> ConnectionPool[Db]:
    """An open pool of up to `size` connections; each is checked before it is lent."""
    made: ConnectionPool[Db] = ConnectionPool(
        url,
        kwargs={
            "row_factory": dict_row,
            "options": _OPTIONS,
            "application_name": f"sftp-connector-{name}",
            **_KEEPALIVES,
        },
        min_size=1,
        max_size=size,
        timeout=30.0,
        check=ConnectionPool.check_connection,
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
        options=_OPTIONS,
        application_name=f"sftp-connector-{name}",
        **_KEEPALIVES,  # type: ignore[arg-type]
    )


@contextmanager
def reachable() -> Iterator[None]:
    """What PostgreSQL's absence, a lock that took too long or a deadlock raises, as DatabaseUnavailable: try again."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(describe(error)) from None


def queries(path: Path) -> dict[str, str]:
    """The statements of a .sql file, each under the name in the `-- name: ...` line above it."""
    parts = re.split(r"^-- name: (\w+)\n", path.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def answers(connections: ConnectionPool[Db]) -> bool:
    """Whether the database answers within a few seconds; its exception otherwise."""
    with connections.connection(timeout=3.0) as db:
        return db.execute("select 1 as one").fetchone() is not None
