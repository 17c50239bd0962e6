"""Runs the statements of queries.sql by name, inside the caller's transaction."""

from pathlib import Path
from typing import Any

from shared.database import Db, Row, queries

SQL = queries(Path(__file__).with_name("queries.sql"))


class Statements:
    """What every store of this service is made of."""

    def __init__(self, db: Db) -> None:
        self.db = db

    def _all(self, name: str, /, **values: Any) -> list[Row]:
        return self.db.execute(SQL[name], values).fetchall()

    def _one(self, name: str, /, **values: Any) -> Row | None:
        return self.db.execute(SQL[name], values).fetchone()

    def _do(self, name: str, /, **values: Any) -> None:
        self.db.execute(SQL[name], values)

    def _required(self, name: str, /, **values: Any) -> Row:
        row = self._one(name, **values)
        assert row is not None, f"{name} always returns a row"  # noqa: S101
        return row
