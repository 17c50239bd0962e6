"""The main job, live: an admin connects a CSV on an SFTP server, and its leads stay in sync. `make demo`."""

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg.rows import dict_row
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deploy.local import crm_export
from deploy.local.service import Service
from deploy.local.stack import Servers, Stack
from deploy.local.ui import UI, Event

_HOME = Path(__file__).parents[2] / ".local" / "demo"
_PATH = "/exports/leads.csv"
_ROWS = 1000
_INTERVAL = 2
# What the file holds beside the companies: one row without a name, one cell over two lines, one row too
# long, one quote that never closes.
_BAD_ROWS, _EXTRA_GOOD_ROWS = 3, 1

console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


class NotAsPromised(Exception):
    """The demo saw something other than what the connector promises."""


def expect(happened: object, what: str) -> None:
    """Go on only if it really happened."""
    if not happened:
        raise NotAsPromised(what)


def run() -> int:
    """Play the story; 0 only if every step came out as promised."""
    begun = time.monotonic()
    try:
        _play()
    except (NotAsPromised, AssertionError) as error:
        console.print(f"[bold red]Not as promised:[/] {escape(str(error))}")
        console.print(f"The services' logs are in {_HOME}/stack/*/*.log")
        return 1
    console.print(f"\n[bold green]All of that really happened[/], in {time.monotonic() - begun:.1f} s.")
    return 0


def _play() -> None:
    servers = Servers(_HOME, {"crm": "old-password"})
    with _step("Starting private PostgreSQL, RabbitMQ and OpenSSH servers on loopback"):
        servers.start()
    try:
        stack = Stack(servers, _HOME / "stack", "demo", settings={"min_interval_seconds": 1, "tick_seconds": 0.2})
        with _step("Starting scheduler, fetcher and importer"):
            shutil.rmtree(stack.home, ignore_errors=True)
            stack.forget()
            stack.prepare()
            services = stack.start()
        try:
            with UI(stack.amqp_url, uuid4()) as ui, psycopg.connect(stack.database_url, row_factory=dict_row) as db:
                db.autocommit = True
                Story(servers, services, ui, db).tell()
        finally:
            stack.stop()
    finally:
        servers.stop()


@contextmanager
def _step(words: str) -> Iterator[None]:
    """Say what is being done, and how long it took; a spinner turns meanwhile on a terminal."""
    begun = time.monotonic()
    with console.status(f"{words} ..."):
        yield
    console.print(f"  [green]✓[/] {words} [dim]({time.monotonic() - begun:.1f} s)[/]")


class Story:
    """The steps, in order. Whoever plays them is the admin's UI: it publishes real events and hears the answers."""

    def __init__(
        self, servers: Servers, services: dict[str, Service], ui: UI, db: psycopg.Connection[dict[str, Any]]
    ) -> None:
        self._sshd = servers.sshd
        self._services = services
        self._ui = ui
        self._db = db
        self._companies = crm_export.companies(_ROWS)
        self._connector_id = ""
        self._preview: Event = {}
        self._dry: Event = {}
        self._form: dict[str, Any] = {
            "host": self._sshd.host,
            "port": self._sshd.port,
            "username": "crm",
            "password": "old-password",
            "path": _PATH,
        }

    def tell(self) -> None:
        """Every step of the story."""
        self._sshd.put(_PATH, crm_export.export(self._companies))
        for chapter in (
            self._test_connection,
            self._save_mapping,
            self._connect,
            self._touch,
            self._try_dry,
            self._change,
            self._wrong_password,
            self._mend,
            self._delete,
            self._watch,
        ):
            console.print(f"\n[bold]{(chapter.__doc__ or '').strip()}[/]")
            chapter()

    def _ask(self, event_type: str, *answers: str, **data: Any) -> Event:
        asked = self._ui.ask(f"sftp_connector.{event_type}", **data)
        return self._ui.wait(*(f"sftp_connector.{name}" for name in (*answers, "refused")), in_reply_to=asked)

    def _test_connection(self) -> None:
        """1. The admin fills the form and presses "Test connection"."""
        with _step("Waiting for the answer"):
            tested = self._ask("test", "tested", **self._form)
        expect(tested["type"].endswith(".tested") and tested["ok"], f"the test failed: {tested}")
        for step in tested["steps"]:
            console.print(f"    [green]✓[/] {step['name']}")
        console.print(f"    the file has {tested['size']:,} bytes; host key {tested['host_key']}")
        self._preview = self._ui.wait("sftp_connector.previewed", in_reply_to=tested["in_reply_to"])
        self._show_preview()

    def _save_mapping(self) -> None:
        """2. The admin takes the columns as they were suggested, maps three statuses, and saves."""
        fields = {column["name"]: column["target"] for column in self._preview["columns"] if column["target"]}
        expect(fields == crm_export.MAPPING, f"another mapping was suggested: {fields}")
        asked = self._ui.ask("import_mapping.saved", fields=fields, statuses=crm_export.STATUSES)
        expect(self._ui.wait("import_mapping.accepted", in_reply_to=asked)["version"] == 1, "no mapping")
        console.print("    it is kept as version 1, for every connector and for manual imports")

    def _connect(self) -> None:
        """3. The admin presses "Connect": a first sync is queued at once."""
        begun = time.monotonic()
        with _step("Fetching the file and importing its rows"):
            done = self._ask("create", "sync_succeeded", "sync_failed", interval_seconds=_INTERVAL, **self._form)
        expect(done["type"].endswith("sync_succeeded"), f"the first sync failed: {done}")
        seconds = time.monotonic() - begun
        self._connector_id = done["connector_id"]
        rows = done["rows"]
        expect(rows["created"] == _ROWS + _EXTRA_GOOD_ROWS, f"not every row became a lead: {rows}")
        expect(rows["rejected"] == _BAD_ROWS, f"other rows were rejected than expected: {rows}")
        expect(self._leads() == rows["created"], "the database holds another number of leads")
        console.print(f"    from [italic]create[/] to {rows['created']} leads in PostgreSQL: {seconds:.2f} s")
        self._show_leads()
        self._show_rejects(done)

    def _touch(self) -> None:
        """4. The CRM writes the same content again: new time, same bytes."""
        self._ui.forget()
        self._put()
        with _step(f"Waiting for the periodic check (every {_INTERVAL} s here)"):
            same = self._ui.wait("sftp_connector.sync_unchanged", detail="same content")
            imports = self._imports()
            later = self._ui.wait("sftp_connector.sync_unchanged", detail="size and time as before")
        expect(imports == self._imports() == 1, "something was imported")
        console.print(f"    unchanged: {same['detail']} (downloaded and compared), nothing was imported")
        console.print(f"    the next check: {later['detail']} (one look, nothing downloaded)")

    def _try_dry(self) -> None:
        """5. Two deals are won and a company is new; the admin pauses and asks what an import would do."""
        self._ask("pause", "paused", connector_id=self._connector_id)
        self._companies = crm_export.with_changes(self._companies)
        self._put()
        before = self._leads()
        with _step("Waiting for the dry run"):
            self._dry = self._ask(
                "sync_now", "sync_succeeded", "sync_failed", connector_id=self._connector_id, dry_run=True
            )
        expect(self._dry["type"].endswith("sync_succeeded") and self._dry["dry_run"], f"no dry run: {self._dry}")
        expect((self._leads(), self._imports()) == (before, 1), "the dry run wrote something")
        console.print(f"    it would be: {self._counts(self._dry['rows'])}; nothing was written")

    def _change(self) -> None:
        """6. The admin resumes: only now the file is imported again."""
        with _step("Waiting for the sync that follows"):
            done = self._ask("resume", "sync_succeeded", "sync_failed", connector_id=self._connector_id)
        rows = done["rows"]
        expect((rows["created"], rows["updated"]) == (1, 2), f"other rows changed than expected: {rows}")
        expect(rows == self._dry["rows"], "the dry run promised something else")
        expect(self._imports() == 2, "it was not imported exactly once more")
        console.print(f"    as promised: {self._counts(rows)}")

    def _wrong_password(self) -> None:
        """7. The password is changed on the server: the connector says so, and tries again later."""
        self._sshd.set_password("crm", "new-password")
        with _step("Waiting for the next check to fail"):
            failed = self._ui.wait("sftp_connector.sync_failed")
        expect(failed["code"] == "login_refused", f"it failed otherwise: {failed}")
        console.print(f"    [red]{failed['code']}[/]: {failed['message']} {failed['action']}")
        waits = self._one("select extract(epoch from due_at - now())::float8 as s, failures from connectors")
        expect(waits["s"] > _INTERVAL, "the next try is not later than usual")
        console.print(f"    the next try is in {waits['s']:.1f} s instead of {_INTERVAL} s; the leads are as they were")

    def _mend(self) -> None:
        """8. The admin enters the new password."""
        with _step("Waiting for the sync that follows at once"):
            done = self._ask(
                "update",
                "sync_unchanged",
                "sync_succeeded",
                "sync_failed",
                connector_id=self._connector_id,
                password="new-password",  # noqa: S106 - the demo's own server
            )
        expect(done["type"].endswith("sync_unchanged"), f"it was not mended: {done}")
        console.print("    it works again; the file had not changed, so nothing was imported")

    def _delete(self) -> None:
        """9. The admin deletes the connector."""
        before = self._leads()
        deleted = self._ask("delete", "deleted", connector_id=self._connector_id)
        expect(deleted["type"].endswith(".deleted"), f"it was not deleted: {deleted}")
        gone = self._one("select state, sealed_password from connectors")
        expect(gone == {"state": "deleted", "sealed_password": None}, "the password is still there")
        expect(self._leads() == before, "leads were lost")
        console.print(f"    the password is gone, the {before} leads stay")

    def _watch(self) -> None:
        """10. What an operator sees: the runs, and while the services run, the metrics of each."""
        table = Table("why", "outcome", "detail", "seconds", "read", "created", "updated", "unchanged", "rejected")
        query = """
            select case when dry_run then 'dry run' else trigger end as trigger, outcome, code,
                   extract(epoch from finished_at - queued_at)::float8 as seconds, rows_read, rows_created,
                   rows_updated, rows_unchanged, rows_rejected, detail
            from runs where outcome <> 'unchanged' or detail <> 'size and time as before' order by queued_at
        """
        for row in self._db.execute(query).fetchall():
            cells = [row["trigger"], row["outcome"], row["code"] or row["detail"], f"{row['seconds']:.2f}"]
            counts = [str(row[f"rows_{name}"]) for name in ("read", "created", "updated", "unchanged", "rejected")]
            table.add_row(*cells, *counts)
        console.print(table)
        quick = self._one("select count(*) as n from runs where detail = 'size and time as before'")["n"]
        console.print(f"    and {quick} checks that found size and time as before, without a download")
        for name, service in self._services.items():
            console.print(f"    {name}: {service.url}/metrics, log {service.log_path.relative_to(_HOME.parents[1])}")
        for name, series in (
            ("fetcher", "sftp_connector_fetched_bytes_total"),
            ("importer", 'sftp_connector_rows_total{result="created"}'),
        ):
            value = self._services[name].metric(series)
            expect(value > 0, f"{name} does not count {series}")
            console.print(f"    [dim]{escape(series)} {value:.0f}[/]")

    def _put(self) -> None:
        """Write the file as a CRM does: with the present time."""
        self._sshd.put(_PATH, crm_export.export(self._companies))

    def _one(self, query: str) -> dict[str, Any]:
        row = self._db.execute(query).fetchone()
        expect(row is not None, f"nothing found by {query}")
        return row or {}

    def _leads(self) -> int:
        return int(self._one("select count(*) as n from leads")["n"])

    def _imports(self) -> int:
        return int(self._one("select count(*) as n from runs where outcome = 'succeeded' and not dry_run")["n"])

    def _counts(self, rows: dict[str, int]) -> str:
        return ", ".join(f"{count} {name}" for name, count in rows.items())

    def _show_preview(self) -> None:
        found = self._preview["reading"]
        console.print(
            f"    it is {found['encoding']} with {escape(repr(found['delimiter']))} between cells;"
            f" these are its columns, and what they seem to be:"
        )
        table = Table("column", "field", "sure", "because", "for example")
        for column in self._preview["columns"]:
            sure = "" if column["confidence"] is None else f"{column['confidence']} %"
            cells = (column["name"], column["target"] or "", sure, column["evidence"], ", ".join(column["samples"][:2]))
            table.add_row(*map(escape, cells))
        console.print(table)
        statuses = ", ".join(f"{status['raw']} -> {status['status']}" for status in self._preview["statuses"])
        console.print(f"    statuses: {escape(statuses)}")

    def _show_leads(self) -> None:
        table = Table("name", "website", "status", "postcode", "city", "contact", title="The first leads")
        query = """
            select l.name, l.website, l.status, l.postcode, l.city, c.email
            from leads l left join contacts c on c.lead_id = l.id order by l.crm_id limit 6
        """
        for row in self._db.execute(query).fetchall():
            table.add_row(*(escape(str(value or "")) for value in row.values()))
        console.print(table)

    def _show_rejects(self, done: Event) -> None:
        table = Table("line", "column", "code", "what to do", title="Rejected rows; all others were imported")
        for reject in done["rejects"]:
            table.add_row(str(reject["line"]), reject["column"] or "", reject["code"], escape(reject["reason"]))
        console.print(table)
        for status, count in done["unknown_statuses"].items():
            console.print(f"    status {escape(status)!r} is not mapped yet ({count} rows); those leads keep theirs")
