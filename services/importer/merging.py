"""Merges a file's batches: what they say of leads goes to the database, and their fingerprints to disk."""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter

import numpy as np

from services.importer.batches import Batch
from services.importer.contested import Contested
from services.importer.core import identity, merge
from services.importer.core.delta import Entries, Hashes, Places, missing
from services.importer.core.identity import Resolved
from services.importer.core.record import LeadRow, Reject, Warning_
from services.importer.fingerprints import Fingerprints
from services.importer.lead_store import LeadStore
from services.importer.outcome import Outcome
from services.importer.plan import Plan
from shared.ids import new_id

_TWINS = "This row also names another lead: {}. They were left apart; merge them in Leadbay if they are one company."
_LOW = 0xFFFF_FFFF_FFFF_FFFF


class Looking:
    """Tells which leads rows mean."""

    def __init__(self, leads: LeadStore) -> None:
        self._leads = leads

    def resolve(self, rows: Sequence[LeadRow]) -> list[Resolved | Reject]:
        """The lead of each row, or why it has none; nothing is written."""
        named = list(map(identity.keys, rows))
        known = self._leads.known_keys(set(chain.from_iterable(named)))
        known_ids = self._leads.known_ids([row.leadbay_id for row in rows if row.leadbay_id])
        return identity.resolve(rows, known, known_ids, new_id, named)

    def leads_of(self, rows: Sequence[LeadRow]) -> Hashes:
        """The leads that the rows mean, and those that the rows' deals belong to."""
        resolved = [item.lead_id for item in self.resolve(rows) if not isinstance(item, Reject)]
        deals = {row.deal_crm_id for row in rows if row.deal_crm_id}
        owners = self._leads.deal_owners(sorted(deals)).values() if deals else ()
        return np.array([lead_id.int & _LOW for lead_id in (*resolved, *owners)], np.uint64)


class Merging:
    """Merges one file by a plan, batch by batch."""

    def __init__(
        self, leads: LeadStore, outcome: Outcome, plan: Plan, after: Fingerprints, contested: Contested
    ) -> None:
        self._leads = leads
        self._looking = Looking(leads)
        self._outcome = outcome
        self._plan = plan
        self._after = after
        self._contested = contested
        self._position = 0
        self._new: list[Hashes] = []  # leads of the records that have no like in the version before

    def take(self, batch: Batch) -> None:
        """Merge, count and tell one batch, and write its fingerprints down."""
        self._outcome.tell(batch)
        entries, merged, new = self._plan.part(self._position, len(batch.places))
        at = np.flatnonzero(batch.places < 0)
        sent = np.flatnonzero(merged[at])
        # Something was told of those the last time.
        noted = np.flatnonzero(~merged[at] & (entries["raw"][at] == 0))
        entries["raw"][at], entries["content"][at], entries["lead"][at[sent]] = batch.raws, batch.contents, 0
        self._merge(batch, entries, at, sent, noted)
        self._outcome.tally.unchanged += len(entries) - len(sent)
        # What was rejected after all has no lead.
        known = entries["lead"] != 0
        self._new.append(entries["lead"][known & new])
        places = len(self._after) + np.cumsum(known) - 1
        merged_rows = sent[known[at[sent]]]
        deals = [row.deal_crm_id for row in _taken(batch.rows, merged_rows)]
        self._contested.add(deals, entries["lead"][at[merged_rows]], places[at[merged_rows]])
        self._after.add(entries[known])
        self._position += len(entries)

    def settle(self) -> None:
        """Let rows whose deal another lead names as well, anywhere in the file, be merged each time.

        Which lead has the deal then does not hang on rows that did not change.
        """
        for places in self._contested.places():
            self._after.blur(places)

    def missing(self) -> int:
        """How many records of the version before have no successor."""
        return missing(self._plan.gone(), np.concatenate([np.empty(0, np.uint64), *self._new]))

    def _merge(self, batch: Batch, entries: Entries, at: Places, sent: Places, noted: Places) -> None:
        """Merge rows, and look again at others of which something may be told."""
        results = self._looking.resolve(_taken(batch.rows, sent))
        resolved = [item for item in results if isinstance(item, Resolved)]
        touched = self._leads.merge(merge.build(resolved, self._leads.known_people(resolved)))
        self._outcome.tally.count_merged(resolved, touched)
        entries["lead"][at[sent]] = [item.lead_id.int & _LOW if isinstance(item, Resolved) else 0 for item in results]
        if len(resolved) < len(results):
            self._reject(batch, sent, results)
        others = self._looking.resolve(_taken(batch.rows, noted)) if len(noted) else []
        for row in self._tell_twins(batch, np.concatenate([sent, noted]), [*results, *others]):
            entries["raw"][at[row]] = 0

    def _reject(self, batch: Batch, rows: Places, results: Sequence[Resolved | Reject]) -> None:
        for row, item in zip(rows.tolist(), results, strict=True):
            if isinstance(item, Reject):
                self._outcome.reject([item], batch.numbers[row])

    def _tell_twins(self, batch: Batch, rows: Places, results: Sequence[Resolved | Reject]) -> list[int]:
        """Tell which rows name other leads as well; those rows."""
        found = [(rows[at], item) for at, item in enumerate(results) if isinstance(item, Resolved) and item.twins]
        for row, item in sorted(found, key=itemgetter(0)):
            twins = (Warning_(item.row.line, None, "two_leads", _TWINS.format(twin)) for twin in item.twins)
            self._outcome.warn(twins, batch.numbers[row])
        return [row for row, _ in found]


def _taken(rows: list[LeadRow], places: Places) -> list[LeadRow]:
    return rows if len(places) == len(rows) else [rows[place] for place in places.tolist()]
