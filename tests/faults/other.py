"""Another organisation with a connector of its own, which the ledger does not know: for faults that hit it alone."""

from typing import Any, Self
from uuid import uuid4

from deploy.local.ui import UI
from tests.faults.drill import Drill

ROWS = b"company\n" + b"".join(b"Acme %d\n" % number for number in range(2_000))


class Other:
    """Its connector is there within a `with`, and looked at once an hour, or when that is asked for."""

    def __init__(self, drill: Drill, content: bytes = ROWS, **form: object) -> None:
        self.org_id = uuid4()
        self.path = f"/exports/other-{self.org_id.hex}.csv"
        self.ui = UI(drill.stack.amqp_url, self.org_id)
        self.connector_id = ""
        self.begun = drill.now()
        self._drill = drill
        self._form = drill.form(self.path) | {"interval_seconds": 3600} | form
        self.put(content)

    def __enter__(self) -> Self:
        self.ui.__enter__()
        asked = self.ui.ask("import_mapping.saved", fields={"company": "LEAD_NAME"}, statuses={})
        self.ui.wait("import_mapping.accepted", in_reply_to=asked)
        asked = self.ui.ask("sftp_connector.create", **self._form)
        self.connector_id = self.ui.wait("sftp_connector.created", in_reply_to=asked)["connector"]["id"]
        return self

    def __exit__(self, *_: object) -> None:
        self.ui.__exit__()

    def put(self, content: bytes, *, mtime: float | None = None) -> None:
        """What its CRM exports."""
        self._drill.stack.servers.sshd.put(self.path, content, mtime=mtime)

    def look(self) -> None:
        """Have the file looked at now, and wait until that look has ended."""
        (before,) = self._drill.rows(
            "update connectors set due_at = now() where id = %s returning now()", self.connector_id
        )
        self.until_ended(before["now"])

    def until_ended(self, since: object) -> None:
        """Wait until a run that began since then has ended."""
        query = "select from runs where connector_id = %s and queued_at >= %s and outcome is not null"
        self._drill.until(lambda: self._drill.rows(query, self.connector_id, since), "the other one's look")

    def runs(self, condition: str) -> list[dict[str, Any]]:
        """Those of its runs of which this holds, the oldest first."""
        query = f"select *, now() from runs where connector_id = %s and {condition} order by queued_at"
        return self._drill.rows(query, self.connector_id)

    def names(self) -> set[str]:
        """Its leads."""
        return {row["name"] for row in self._drill.rows("select name from leads where org_id = %s", self.org_id)}
