"""The leads, contacts, deals and keys of one organisation: looking up whom rows mean, and merging batches of rows."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from services.importer.copy_text import Cells, block
from services.importer.core.identity import Known, Resolved
from services.importer.core.issued import Issued
from services.importer.core.merge import Batch
from services.importer.core.people import Person, asked_for, contact_key, doubtful
from shared.database import Db, Row, queries, see

SQL = queries(Path(__file__).with_name("lead_queries.sql"))


class LeadStore:
    """Reads and writes within one transaction, for one organisation; to be closed before the transaction ends.

    New leads are written in a thread, while the caller makes the next batch; every statement waits for that.
    """

    def __init__(self, db: Db, org_id: UUID) -> None:
        self._db = db
        self._org_id = org_id
        self._merges = False
        self._issued: Issued | None = None
        self._writer = ThreadPoolExecutor(1, "leads")
        self._written: Future[None] | None = None

    def close(self) -> None:
        """Wait until all is written, or raise what came in its way."""
        self._writer.shutdown()
        self._settle()

    def begin_merge(self) -> None:
        """Wait for the organisation's other imports, then make room for batches."""
        self._run("wait_long")
        self._run("lock_organisation")
        self._run("wait_short")
        self._merges = True
        self.begin_look()

    def begin_look(self) -> None:
        """Make room to look rows up, in a transaction that writes nothing."""
        see(self._db, self._org_id)
        for name in ("plan_for_batches", "staging"):
            for statement in SQL[name].split(";"):
                self._db.execute(statement)
        # Where no key was, none but those of this import can be found.
        self._issued = None if self._run("any_key") else Issued()

    def known_keys(self, keys: Iterable[str]) -> dict[str, Known]:
        """Those of the keys that leads own; the keys are all different."""
        asked = list(keys) if self._issued is None else self._issued.perhaps(list(keys))
        if not asked:
            return {}
        self._seek((None, key) for key in asked)
        owners: dict[str, Known] = {}
        gone: list[str] = []
        for row in self._run("known_keys"):
            owned = [asked[int(place)] for place in row["places"].split(" ")]
            if row["lives"]:
                owners.update(dict.fromkeys(owned, Known(UUID(row["lead_id"]), row["crm_id"], row["siren"])))
            else:
                gone += owned
        if gone and self._merges:
            self._run("forget_keys", keys=gone)
        return owners

    def known_ids(self, ids: Sequence[UUID]) -> dict[UUID, Known]:
        """Those of the ids that are leads of this organisation."""
        return {row["lead_id"]: Known(**row) for row in self._run("known_ids", ids=ids)} if ids else {}

    def known_people(self, resolved: Sequence[Resolved]) -> dict[UUID, list[Person]]:
        """The contacts at the batch's leads whom its rows may mean, but for those known by the very same key."""
        new = {item.lead_id for item in resolved if item.is_new}
        found = {
            (item.lead_id, contact_key(item.row.contact)): item.row.contact
            for item in resolved
            if item.row.contact and item.lead_id not in new
        }
        if not found:
            return {}
        asked = list(found)
        self._seek((lead_id.hex, key) for lead_id, key in asked)
        sought = doubtful(found) | {asked[row["place"]] for row in self._run("strangers")}
        people: dict[UUID, list[Person]] = {}
        wanted = asked_for((place[0], found[place]) for place in sought)
        for row in self._run("known_people", **wanted) if sought else ():
            people.setdefault(row.pop("lead_id"), []).append(Person(**row))
        return people

    def deal_owners(self, deal_ids: Sequence[str]) -> dict[str, UUID]:
        """The leads that these deals belong to; a deal that is not known is left out."""
        return {row["crm_id"]: row["lead_id"] for row in self._run("deal_owners", deal_ids=list(deal_ids))}

    def merge(self, batch: Batch) -> set[UUID]:
        """Write what the batch changes; the leads of which anything was written, new ones not among them."""
        if batch.new_leads:
            self._insert(batch)
        touched = self._update(batch) if batch.leads or batch.deals or batch.keys else set()
        if not (batch.new_leads or batch.leads or batch.deals or batch.keys):
            self._run("stay_awake")
        return touched.difference({UUID(lead[0]) for lead in batch.new_leads} if batch.deals else ())

    def _insert(self, batch: Batch) -> None:
        if self._issued is not None:
            self._issued.add([str(key) for _, key in (*batch.new_keys, *batch.keys)])
        parts = {"stage_leads": batch.new_leads, "stage_contacts": batch.new_contacts, "stage_keys": batch.new_keys}
        blocks = [(name, block(rows, self._org_id.hex)) for name, rows in parts.items() if rows]
        self._settle()
        self._written = self._writer.submit(self._write_new, blocks)

    def _update(self, batch: Batch) -> set[UUID]:
        for name, rows in (
            ("stage_leads", batch.leads),
            ("stage_contacts", batch.contacts),
            ("stage_deals", batch.deals),
            ("stage_keys", batch.keys),
        ):
            self._copy(name, rows)
        touched: set[UUID] = set()
        for rows, statement in (
            (batch.leads, "update_leads"),
            (batch.contacts, "upsert_contacts"),
            (batch.deals, "upsert_deals"),
        ):
            touched.update(row["lead_id"] for row in (self._run(statement) if rows else ()))
        if batch.keys:
            self._run("insert_keys")
        self._run("clear_staging")
        return touched

    def _seek(self, asked: Iterable[tuple[str | None, str]]) -> None:
        self._run("clear_sought")
        self._copy("seek", [(str(place), lead_id, key) for place, (lead_id, key) in enumerate(asked)])

    def _run(self, name: str, **values: Any) -> list[Row]:
        """The rows of a statement; planned each time, because the tables grow between two batches."""
        self._settle()
        result = self._db.execute(SQL[name], values | {"org_id": self._org_id}, prepare=False)
        return result.fetchall() if result.description else []

    def _copy(self, name: str, rows: Sequence[Cells]) -> None:
        self._settle()
        if rows:
            self._write(name, block(rows, self._org_id.hex))

    def _write_new(self, blocks: Sequence[tuple[str, bytes]]) -> None:
        for name, data in blocks:
            self._write(name, data)
        self._db.execute(SQL["insert_new"], prepare=False)

    def _write(self, name: str, data: bytes) -> None:
        with self._db.cursor() as cursor, cursor.copy(SQL[name]) as copy:
            copy.write(data)

    def _settle(self) -> None:
        written, self._written = self._written, None
        if written is not None:
            written.result()
