"""The tables of connectors, runs and tests. Each method is one statement of queries.sql, or two."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from services.scheduler.core.planning import Connector, NewRun, Reimport
from services.scheduler.rows import connector_of
from services.scheduler.statements import Statements
from shared.contracts import CsvOptions, FetchReported, StoredFile
from shared.database import Row
from shared.decisions import note
from shared.ids import first_id_of, new_id
from shared.trace_context import Trace, parse
from shared.tracing import current

_STORED = ("checksum", "blob", "size", "mtime", "looked_at", "remote_size", "remote_checksum", "path")


class Store(Statements):
    """Reads and writes within one transaction."""

    def first_time(self, source: str, event_id: str) -> bool:
        """Whether this event was not handled before; a rollback forgets it again."""
        return self._one("remember_event", source=source, event_id=event_id) is not None

    def forget(self, decisions_days: int, runs_days: int, batch_size: int) -> None:
        """Drop the memory of events that cannot come again, of old tests, and of a batch of old decisions."""
        self._do("forget_events")
        self._do("forget_tests")
        self._do("forget_decisions", days=decisions_days, batch_size=batch_size)
        first_kept = first_id_of(datetime.now(UTC) - timedelta(days=runs_days))
        old = [row["id"] for row in self._all("old_runs", first_kept=first_kept, batch_size=batch_size)]
        self._do("forget_rejects", run_ids=old)
        self._do("forget_runs", run_ids=old)

    def connector(self, org_id: UUID, connector_id: UUID) -> Connector | None:
        """The organisation's connector, locked; None when it has no such one."""
        row = self._one("connector", org_id=org_id, connector_id=connector_id)
        return connector_of(row) if row else None

    def connectors_of(self, org_id: UUID) -> list[Connector]:
        """Every connector of the organisation, locked."""
        return [connector_of(row) for row in self._all("connectors_of", org_id=org_id)]

    def insert_connector(self, *, csv: CsvOptions, **values: Any) -> Connector:
        """A new connector."""
        return connector_of(self._required("insert_connector", csv=_json(csv), **values))

    def update_connector(self, *, csv: CsvOptions, **values: Any) -> Connector:
        """The form's fields anew; `other_file` forgets the old file, `read_again` only how it was read."""
        return connector_of(self._required("update_connector", csv=_json(csv), **values))

    def delete_connector(self, connector_id: UUID) -> None:
        """Forget the password at once."""
        self._do("delete_connector", connector_id=connector_id)

    def set_state(self, connector_id: UUID, state: str) -> Connector:
        """Pause or resume, as the admin says."""
        return connector_of(self._required("set_state", connector_id=connector_id, state=state))

    def resume_recovered(self, batch_size: int) -> list[Connector]:
        """Resume those that Leadbay had paused by itself and whose last look succeeded."""
        return [connector_of(row) for row in self._all("resume_recovered", batch_size=batch_size)]

    def accept_host_key(self, connector_id: UUID, host_key: str) -> Connector:
        """Accept one more host key."""
        return connector_of(self._required("accept_host_key", connector_id=connector_id, host_key=host_key))

    def schedule(self, connector_id: UUID, delay: float) -> None:
        """Set the next look."""
        self._do("schedule", connector_id=connector_id, delay=delay)

    def open_run(self, connector: Connector, new: NewRun, lease: float) -> UUID | None:
        """A new run of the trace in hand; None when one is open already."""
        trace = current()
        file = new.step.file if isinstance(new.step, Reimport) else None
        row = self._one(
            "open_run",
            id=new_id(),
            org_id=connector.org_id,
            connector_id=connector.id,
            trigger=new.trigger,
            reply_to=new.reply_to,
            stage=new.stage,
            lease=lease,
            dry_run=new.dry_run,
            traceparent=trace and trace.parent,
            tracestate=trace and trace.state,
            server=None if file else connector.server,
            **{name: file and getattr(file, name) for name in _STORED},
        )
        return row["id"] if row else None

    def trace_of(self, run_id: UUID) -> Trace | None:
        """The trace that the run is part of."""
        return parse(*self._required("trace_of", run_id=run_id).values())

    def open_run_of(self, connector_id: UUID) -> UUID | None:
        """The connector's open run."""
        row = self._one("open_run_of", connector_id=connector_id)
        return row["id"] if row else None

    def cancel_runs(self, connector_id: UUID, *, only_dry: bool) -> list[Row]:
        """End open runs and take back what is owed for them; whoever still works on one is fenced off."""
        runs = self._all("cancel_runs", connector_id=connector_id, only_dry=only_dry)
        self._do("take_back_jobs", run_ids=[run["id"] for run in runs])
        return runs

    def start_run(self, run_id: UUID, lease: float) -> Row | None:
        """Note the first sign of a fetcher; None when it is not the first."""
        return self._one("start_run", run_id=run_id, lease=lease)

    def extend_fetch(self, run_id: UUID, received_bytes: int, lease: float) -> None:
        """Note that the fetcher is alive."""
        self._do("extend_fetch", run_id=run_id, received_bytes=received_bytes, lease=lease)

    def note_stored(self, run_id: UUID, file: StoredFile, lease: float) -> None:
        """Note that the file is in the blob store and waits for an importer, unless an importer has it already."""
        if self._one("note_stored", run_id=run_id, lease=lease, **file.model_dump()):
            note(self.db, run_id, "stored", f"{file.size} bytes, downloaded because: {file.reason or 'not told'}")

    def lock_fetch(self, run_id: UUID) -> Connector | None:
        """The run's connector, locked."""
        row = self._one("lock_fetch", run_id=run_id)
        return connector_of(row) if row else None

    def finish_fetch(self, report: FetchReported, outcome: str) -> Row | None:
        """End a run with the fetcher's answer; None when the answer is late."""
        values = report.model_dump(exclude={"verdict", "downloaded"})
        if report.reason:
            values["detail"] = f"{report.detail}, downloaded because: {report.reason}"
        return self._one("finish_fetch", outcome=outcome, **values)

    def leave_server(self, run_id: UUID) -> None:
        """Note that the fetcher of a cancelled run is done."""
        self._do("leave_server", run_id=run_id)

    def connector_unchanged(self, connector_id: UUID, report: FetchReported) -> None:
        """Note a look that found the known content."""
        self._do("connector_unchanged", connector_id=connector_id, **report.model_dump())

    def connector_troubled(
        self,
        connector_id: UUID,
        code: str,
        failures: int,
        delay: float,
        *,
        pause: bool,
        warn: bool,
        address: str | None,
    ) -> Connector:
        """Note a look that brought nothing."""
        noted = {"code": code, "failures": failures, "delay": delay, "pause": pause, "warn": warn, "address": address}
        return connector_of(self._required("connector_troubled", connector_id=connector_id, **noted))

    def connector_unsettled(self, connector_id: UUID, code: str, delay: float, *, address: str | None) -> Connector:
        """Note a look that found the file being written."""
        noted = {"code": code, "delay": delay, "address": address}
        return connector_of(self._required("connector_unsettled", connector_id=connector_id, **noted))

    def overdue_runs(self, batch_size: int, max_attempts: int) -> list[Row]:
        """Runs past their lease, locked; of those that wait only what importers have had so often."""
        return self._all("overdue_runs", batch_size=batch_size, max_attempts=max_attempts)

    def wait_on(self, run_id: UUID, lease: float) -> None:
        """Give a run another lease, because its message still waits in a queue."""
        self._do("wait_on", run_id=run_id, lease=lease)

    def resend_fetch(self, run_id: UUID, lease: float) -> None:
        """Back into the fetchers' queue."""
        self._do("resend_fetch", run_id=run_id, lease=lease)
        note(self.db, run_id, "sent again", "to a fetcher: the lease ended")

    def resend_import(self, run_id: UUID, lease: float) -> None:
        """Back into the importers' queue."""
        self._do("resend_import", run_id=run_id, lease=lease)
        note(self.db, run_id, "sent again", "to an importer: the lease ended")

    def give_up(self, run_id: UUID, detail: str) -> None:
        """End a run that was interrupted too often; its file version is remembered as refused, but for a dry run."""
        row = self._required("give_up", run_id=run_id, detail=detail)
        if row["checksum"] is not None and not row["dry_run"]:
            self._do("remember_given_up_file", **row)


def _json(options: CsvOptions) -> Jsonb:
    return Jsonb(options.model_dump(exclude_none=True))
