"""The leads, contacts, deals and keys of one organisation: looking up whom rows mean, and merging batches of rows."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from services.importer.core.identity import Known, Resolved
from services.importer.core.merge import Batch
from services.importer.core.people import Person, asked_for, contact_key, doubtful
from shared.database import Db, Row, queries

SQL = queries(Path(__file__).with_name("lead_queries.sql"))

_COPIES = {
    "staged_leads": "copy staged_leads from stdin",
    "staged_contacts": "copy staged_contacts from stdin",
    "staged_deals": "copy staged_deals from stdin",
    "staged_keys": "copy staged_keys from stdin",
}


class LeadStore:
    """Reads and writes within one transaction, for one organisation."""

    def __init__(self, db: Db, org_id: UUID) -> None:
        self._db = db
        self._org_id = org_id

    def begin_merge(self) -> None:
        """Wait for the organisation's other imports, then make room for batches."""
        self._db.execute(SQL["wait_long"])
        self._db.execute(SQL["lock_organisation"], {"org_id": self._org_id})
        self._db.execute(SQL["wait_short"])
        for statement in SQL["staging"].split(";"):
            self._db.execute(statement)

    def known_keys(self, keys: Sequence[str]) -> dict[str, Known]:
        """The leads that own these keys."""
        rows = self._db.execute(SQL["known_keys"], {"org_id": self._org_id, "keys": keys}).fetchall()
        return {row["key"]: _known(row) for row in rows}

    def known_ids(self, ids: Sequence[UUID]) -> dict[UUID, Known]:
        """Those of the ids that are leads of this organisation."""
        rows = self._db.execute(SQL["known_ids"], {"org_id": self._org_id, "ids": ids}).fetchall()
        return {row["lead_id"]: _known(row) for row in rows}

    def known_people(self, resolved: Sequence[Resolved]) -> dict[UUID, list[Person]]:
        """The contacts at the batch's leads whom its rows may mean, but for those known by the very same key."""
        new = {item.lead_id for item in resolved if item.is_new}
        found = {
            (item.lead_id, contact_key(item.row.contact)): item.row.contact
            for item in resolved
            if item.row.contact and item.lead_id not in new
        }
        lead_ids, keys = zip(*found, strict=True) if found else ((), ())
        strangers = self._db.execute(
            SQL["strangers"], {"org_id": self._org_id, "lead_ids": list(lead_ids), "keys": list(keys)}
        ).fetchall()
        sought = doubtful(found) | {(row["lead_id"], row["key"]) for row in strangers}
        asked = asked_for((place[0], found[place]) for place in sought)
        people: dict[UUID, list[Person]] = {}
        for row in self._db.execute(SQL["known_people"], {"org_id": self._org_id, **asked}) if sought else ():
            people.setdefault(row.pop("lead_id"), []).append(Person(**row))
        return people

    def merge(self, batch: Batch) -> set[UUID]:
        """Write what the batch changes; the leads of which anything was written, new ones not among them."""
        self._db.execute(SQL["clear_staging"])
        self._copy("staged_leads", batch.leads)
        self._copy("staged_contacts", batch.contacts)
        self._copy("staged_deals", batch.deals)
        self._copy("staged_keys", batch.keys)
        own = {"org_id": self._org_id}
        self._db.execute(SQL["insert_leads"], own)
        touched = {
            row["lead_id"]
            for name in ("update_leads", "upsert_contacts", "upsert_deals")
            for row in self._db.execute(SQL[name], own)
        }
        self._db.execute(SQL["insert_keys"], own)
        return touched

    def _copy(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        with self._db.cursor() as cursor, cursor.copy(_COPIES[table]) as copy:
            for row in rows:
                copy.write_row(row)


def _known(row: Row) -> Known:
    return Known(lead_id=row["lead_id"], crm_id=row["crm_id"], siren=row["siren"])
