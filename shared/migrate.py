"""Brings the database's schema up to date: `python -m shared.migrate`."""

import hashlib
import sys
import time
from pathlib import Path

from shared.database import Db, connect
from shared.settings import DatabaseSettings, load

FOLDER = Path(__file__).with_name("migrations")
_LOCK = 7_240_915_001
TABLE = """
    create table if not exists schema_migrations (
        name text primary key,
        checksum text not null,
        applied_at timestamptz not null default now()
    )
"""


class MigrationChanged(Exception):
    """A migration that was applied has another text now."""


def migrate(url: str) -> list[str]:
    """Apply the migrations that are missing, each in a transaction; the names applied. Safe to run side by side."""
    with connect(url, name="migrate") as db:
        _lock(db)
        db.execute(TABLE)
        done = {row["name"]: row["checksum"] for row in db.execute("select name, checksum from schema_migrations")}
        return [path.name for path in sorted(FOLDER.glob("*.sql")) if _apply(db, path, done)]


def _lock(db: Db) -> None:
    # Polled: a session that waits inside pg_advisory_lock holds a snapshot, which blocks CREATE INDEX CONCURRENTLY.
    while not (row := db.execute("select pg_try_advisory_lock(%s) as got", [_LOCK]).fetchone()) or not row["got"]:
        time.sleep(0.2)


def _apply(db: Db, path: Path, done: dict[str, str]) -> bool:
    text = path.read_text()
    checksum = hashlib.sha256(text.encode()).hexdigest()
    if path.name in done:
        if done[path.name] != checksum:
            raise MigrationChanged(f"{path.name} was applied with another text: write a new file instead of editing it")
        return False
    with db.transaction():
        db.execute("set local lock_timeout = '5s'")
        db.execute(text)
        db.execute("insert into schema_migrations (name, checksum) values (%s, %s)", [path.name, checksum])
    return True


def main() -> None:
    """Migrate the configured database and say what was done."""
    applied = migrate(load(DatabaseSettings).database_url.get_secret_value())
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")


if __name__ == "__main__":
    main()
