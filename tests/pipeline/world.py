"""The words in which the pipeline tests speak: put a file, connect, wait, look, and check that nothing is double."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from psycopg.rows import dict_row

from deploy.local.servers.sshd import Sshd
from deploy.local.stack import Stack
from deploy.local.ui import UI, Event

PATH = "/exports/leads.csv"
FIELDS = {
    "id": "CRM_ID",
    "company": "LEAD_NAME",
    "site": "LEAD_WEBSITE",
    "city": "LEAD_LOCATION_CITY",
    "status": "LEAD_STATUS",
    "mail": "CONTACT_EMAIL",
}
STATUSES = {"Won": "WON"}
ENDED = (
    "sftp_connector.sync_succeeded",
    "sftp_connector.sync_failed",
    "sftp_connector.sync_unchanged",
    "sftp_connector.mapping_needed",
)


class World:
    """A stack, an admin, an SFTP server and a look into the database."""

    def __init__(self, stack: Stack, ui: UI, db: psycopg.Connection[dict[str, Any]], sshd: Sshd, password: str) -> None:
        self.stack = stack
        self.ui = ui
        self.db = db
        self.sshd = sshd
        self.password = password

    def look_again(self) -> None:
        """Connect to the database anew, after it was away."""
        self.db.close()
        self.db = psycopg.connect(self.stack.database_url, autocommit=True, row_factory=dict_row)

    def put(self, content: bytes, *, path: str = PATH) -> None:
        """Put a file on the SFTP server."""
        self.sshd.put(path, content)

    def save_mapping(self, fields: Mapping[str, str] = FIELDS, statuses: Mapping[str, str] = STATUSES) -> None:
        """Save the import mapping and wait until it counts."""
        asked = self.ui.ask("import_mapping.saved", fields=dict(fields), statuses=dict(statuses))
        self.ui.wait("import_mapping.accepted", in_reply_to=asked)

    def save_custom_field(self, field_id: str, name: str, kind: str, **others: str) -> None:
        """Save a custom field and wait until it counts."""
        asked = self.ui.ask("custom_field.saved", field_id=field_id, name=name, kind=kind, **others)
        self.ui.wait("custom_field.accepted", in_reply_to=asked)

    def previewed(self) -> Event:
        """Test the connection; what the file then looks like."""
        asked = self.ui.ask("sftp_connector.test", **self.form())
        assert self.ui.wait("sftp_connector.tested", in_reply_to=asked)["ok"]
        return self.ui.wait("sftp_connector.previewed", in_reply_to=asked)

    def synced(self, connector_id: str, *, dry_run: bool = False) -> Event:
        """Have the file looked at once; how that ended."""
        return self.ended(self.ui.ask("sftp_connector.sync_now", connector_id=connector_id, dry_run=dry_run))

    def logins(self) -> int:
        """How often anybody logged in to the SFTP server."""
        return self.sshd.log_path.read_text().count("Accepted password")

    def rows(self, query: str) -> list[dict[str, Any]]:
        """What the database answers."""
        return self.db.execute(query).fetchall()

    def form(self, **changes: Any) -> dict[str, Any]:
        """The connector's form, filled in."""
        return {
            "host": self.sshd.host,
            "port": self.sshd.port,
            "username": "crm",
            "password": self.password,
            "path": PATH,
            **changes,
        }

    def create(self, **changes: Any) -> str:
        """Ask for a connector; the id of the request."""
        return self.ui.ask("sftp_connector.create", **self.form(**changes))

    def ended(self, in_reply_to: str, *, seconds: float = 30.0) -> Event:
        """The final event of the run that a request queued."""
        return self.ui.wait(*ENDED, in_reply_to=in_reply_to, seconds=seconds)

    def run(self) -> dict[str, Any]:
        """The only run there is."""
        rows = self.db.execute("select * from runs").fetchall()
        assert len(rows) == 1
        return rows[0]

    def count(self, table: str) -> int:
        """How many rows a table has."""
        row = self.db.execute(f"select count(*) as n from {table}").fetchone()
        assert row is not None
        return int(row["n"])

    def until(self, holds: Callable[[], object], what: str, *, seconds: float = 20.0) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
            time.sleep(0.02)

    def until_stage(self, stage: str) -> None:
        """Wait until the only run has come so far."""
        self.until(lambda: self.count("runs") == 1 and self.run()["stage"] == stage, f"stage {stage}")

    def until_quiet(self) -> None:
        """Wait until no run is open and no message is owed."""
        self.until(lambda: self.count("runs where stage <> 'done'") == 0 and self.count("outbox") == 0, "quiet")

    def assert_imported_once(self, rows: int) -> None:
        """One run, one import, one event, every company exactly once."""
        self.until_quiet()
        run = self.run()
        assert (run["outcome"], run["rows_created"], run["rows_rejected"]) == ("succeeded", rows, 0)
        assert self.count("leads") == self.count("(select distinct crm_id from leads) l") == rows
        assert self.count("contacts") == rows
        succeeded = {event["id"] for event in self.ui.heard if event["type"] == "sftp_connector.sync_succeeded"}
        assert len(succeeded) == 1
