"""A look at the database, over all organisations, in the role of the operator."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from deploy.command.output import Problem
from shared.database import Db, Row, connect, queries, see_all
from shared.settings import DatabaseSettings, load

_SQL = queries(Path(__file__).with_name("queries.sql"))


class Looks:
    """The statements of the command, within one transaction."""

    def __init__(self, db: Db) -> None:
        self.db = db

    def rows(self, statement: str, **values: Any) -> list[Row]:
        """All rows of a statement."""
        return self.db.execute(_SQL[statement], values).fetchall()

    def change(self, statement: str, **values: Any) -> int:
        """Carry out a statement; how many rows it changed."""
        return self.db.execute(_SQL[statement], values).rowcount

    def row(self, statement: str, **values: Any) -> Row:
        """The row of a statement that always has one."""
        (row,) = self.rows(statement, **values)
        return row

    def connector(self, connector_id: UUID) -> Row:
        """A connector, without its login."""
        for row in self.rows("connector", connector_id=connector_id):
            return row
        raise Problem(f"There is no connector {connector_id}: `sftp-connector connectors` lists them.")

    def run(self, run_id: UUID) -> Row:
        """A run."""
        for row in self.rows("run", run_id=run_id):
            return row
        raise Problem(f"There is no run {run_id}: `sftp-connector runs` lists them.")

    def runs(self, connector: UUID | None, **which: Any) -> list[Row]:
        """The newest runs, of a connector or of all."""
        if connector is None:
            return self.rows("runs", **which)
        return self.rows("runs_of_connector", connector=connector, **which)

    def decisions(self, run: Row) -> list[Row]:
        """What was noted of a run while it was under way, oldest first."""
        return self.rows("decisions", org_id=run["org_id"], run_id=run["id"])


@contextmanager
def looking(settings: DatabaseSettings | None = None) -> Iterator[Looks]:
    """A transaction that sees all rows; it is committed at the end."""
    url = (settings or load(DatabaseSettings)).database_url.get_secret_value()
    with connect(url, name="command") as db, db.transaction():
        see_all(db)
        made = Looks(db)
        if not made.row("sees_all")["sees_all"]:
            raise Problem("The database's role sees one organisation at a time: connect as sftp_connector_operator.")
        yield made
