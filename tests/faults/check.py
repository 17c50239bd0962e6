"""The nine points that hold after every fault: a pure comparison of the ledger with what was found."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.ledger import Ledger, Line, Version

Row = dict[str, Any]
# What may be told of the end of a run, by how it ended.
_TOLD = {
    "succeeded": {"sync_succeeded"},
    "unchanged": {"sync_unchanged"},
    "failed": {"sync_failed", "mapping_needed"},
    "held": {"sync_held", "mapping_needed"},
    "cancelled": {"sync_cancelled"},
}
_ENDS = {f"sftp_connector.{name}": name for names in _TOLD.values() for name in names}
_PARTS = ("created", "updated", "unchanged", "rejected", "ignored")
_COUNTS = ("read", *_PARTS)


@dataclass(slots=True)
class Found:
    """What the database, the bus, the blob store and the processes show in the end."""

    leads: list[Row]  # org_id, ledger_id, crm_id, name, city, status
    contacts: list[Row]  # org_id, ledger_id of the lead, email
    deals: list[Row]  # org_id, ledger_id of the lead, crm_id
    # Succeeded, in that order: run_id, org_id, connector_id, checksum, mapping_version, the counts of rows, and how
    # many rejected ones are in the table (`kept`) and in the file that the admin gets (`filed`; None where it is gone)
    imports: list[Row]
    ends: dict[str, str] = field(default_factory=dict)  # how each run ended, by its id
    events: list[Row] = field(default_factory=list)  # as published, repeats included
    texts: list[tuple[UUID, str]] = field(default_factory=list)  # rows and blobs, by organisation
    strangers: list[str] = field(default_factory=list)  # rows of two organisations that refer to each other
    leaks: list[str] = field(default_factory=list)  # where a secret was seen
    litter: list[str] = field(default_factory=list)  # blobs, handles, threads and sessions that were left behind
    seconds: float = 0.0  # until all was imported
    bound: float = 0.0  # that was promised
    sick: list[str] = field(default_factory=list)  # dead services, messages and runs that were given up


def deviations(ledger: Ledger, found: Found, *, events_lost: bool = False) -> list[str]:
    """Every point that does not hold, in words; `events_lost`: the fault took events that were published."""
    return [
        *_leads(ledger, found),
        *_imports(ledger, found),
        *_counts(ledger, found),
        *_created(ledger, found),
        *_events(found, events_lost=events_lost),
        *_walls(ledger, found),
        *(f"6: a secret is in {place}" for place in found.leaks),
        *(f"7: left behind: {what}" for what in found.litter),
        *([f"8: it took {found.seconds:.1f} s, not {found.bound:.0f}"] if found.seconds > found.bound else []),
        *(f"9: {what}" for what in found.sick),
    ]


def _leads(ledger: Ledger, found: Found) -> Iterator[str]:
    told: dict[str, tuple[list[Row], Callable[[Line], tuple[str, ...]]]] = {
        "lead": (found.leads, lambda line: (line.crm_id, line.name, line.city, "WON")),
        "contact": (found.contacts, lambda line: (line.mail,)),
        "deal": (found.deals, lambda line: (line.deal,)),
    }
    for org_id in ledger.org_ids:
        expected = ledger.leads_of(org_id)
        for name, (rows, said) in told.items():
            wanted = {(ledger_id, *said(line)) for ledger_id, line in expected.items()}
            counted = Counter(tuple(row.values())[1:] for row in rows if row["org_id"] == org_id)
            yield from (f"1: {name} {row} is missing" for row in sorted(wanted - counted.keys()))
            yield from (f"1: {name} {row} should not be there" for row in sorted(counted.keys() - wanted, key=str))
            yield from (f"1: {name} {row} is there {count} times" for row, count in counted.items() if count > 1)


def _imports(ledger: Ledger, found: Found) -> Iterator[str]:
    counted = Counter((str(row["connector_id"]), row["checksum"], row["mapping_version"]) for row in found.imports)
    yield from (f"2: {version} was imported {count} times" for version, count in counted.items() if count > 1)
    imported = {(connector_id, checksum) for connector_id, checksum, _ in counted}
    known = {(source.connector_id, version.checksum) for source in ledger.sources for version in source.versions}
    yield from (f"2: {version} never was a version of the file" for version in sorted(imported - known))
    for source in ledger.sources:
        for at, version in enumerate(source.versions, 1):
            wanted = version is source.current or version.checksum in source.awaited
            if wanted and (source.connector_id, version.checksum) not in imported:
                yield f"2: version {at} of source {source.number} of {source.org_id} was not imported"


def _counts(ledger: Ledger, found: Found) -> Iterator[str]:
    versions = {version.checksum: version for source in ledger.sources for version in source.versions}
    for row in found.imports:
        parts = sum(row[name] for name in _PARTS)
        if row["read"] != parts:
            yield f"3: run {row['run_id']} read {row['read']} rows and tells of {parts}"
        version = versions.get(row["checksum"])
        if version and (row["rejected"], row["ignored"], row["read"]) != (
            version.bad,
            0,
            version.bad + len(version.good),
        ):
            yield f"3: run {row['run_id']} read {row['read']} and rejected {row['rejected']}, not {version.bad}"
        if row["kept"] != row["rejected"]:
            yield f"3: run {row['run_id']} rejected {row['rejected']} rows and keeps {row['kept']} of them"
        if row["filed"] not in {row["rejected"], None}:
            yield f"3: run {row['run_id']} rejected {row['rejected']} rows and has {row['filed']} of them in its file"


def _created(ledger: Ledger, found: Found) -> Iterator[str]:
    """Whether imports created and updated what their versions have anew: each compares with the one before it."""
    versions = {version.checksum: version for source in ledger.sources for version in source.versions}
    before: dict[tuple[Any, Any], Version] = {}
    created: Counter[UUID] = Counter()
    for row in found.imports:
        created[row["org_id"]] += row["created"]
        version = versions.get(row["checksum"])
        if version is None:
            continue
        by_mapping = (row["connector_id"], row["mapping_version"])
        last = before.get(by_mapping)
        before[by_mapping] = version
        if last and (row["created"], row["updated"]) != (became := _became(last, version)):
            yield f"3: run {row['run_id']} created {row['created']}, updated {row['updated']}, not {became}"
    for org_id in ledger.org_ids:
        if created[org_id] != (leads := len(ledger.leads_of(org_id))):
            yield f"3: the imports of {org_id} created {created[org_id]} leads, not {leads}"


def _became(last: Version, version: Version) -> tuple[int, int]:
    """How many rows are new, and how many changed."""
    known = {line.crm_id: ledger_id for ledger_id, line in last.good.items()}
    old = [(known[line.crm_id], ledger_id) for ledger_id, line in version.good.items() if line.crm_id in known]
    return len(version.good) - len(old), sum(before != after for before, after in old)


def _events(found: Found, *, events_lost: bool) -> Iterator[str]:
    by_id: dict[str, Row] = {}
    for event in found.events:
        if by_id.setdefault(event["id"], event) != event:
            yield f"4: event {event['id']} was published with two contents"
    told: defaultdict[str, list[Row]] = defaultdict(list)
    for event in by_id.values():
        if event["type"] in _ENDS:
            told[str(event["data"].get("run_id"))].append(event)
    imports = {str(row["run_id"]): row for row in found.imports}
    for run_id, outcome in found.ends.items():
        count = len(told[run_id])
        if count > 1 or (count == 0 and outcome == "succeeded" and not events_lost):
            yield f"4: the end of run {run_id} was told {count} times"
        for event in told[run_id]:
            if _ENDS[event["type"]] not in _TOLD[outcome] or not _same_counts(event, imports.get(run_id)):
                yield f"4: the end of run {run_id}, {outcome}, was told as another one: {event['type']}"


def _same_counts(event: Row, run: Row | None) -> bool:
    """Whether the event counts rows as the run does, if that was an import."""
    rows = event["data"].get("rows", {})
    return run is None or all(rows.get(name) == run[name] for name in _COUNTS)


def _walls(ledger: Ledger, found: Found) -> Iterator[str]:
    yield from (f"5: {what}" for what in found.strangers)
    for row in found.leads:
        if not _names_only(ledger, row["org_id"], str(row["ledger_id"])):
            yield f"5: organisation {row['org_id']} has the lead {row['ledger_id']}"
    for event in found.events:
        org_id = event["data"].get("organisation_id")
        if org_id is None:
            yield f"5: an event of no organisation: {event['type']}"
        elif not _names_only(ledger, UUID(org_id), str(event)):
            yield f"5: an event of organisation {org_id} names another one: {event['type']}"
    for org_id, text in found.texts:
        if not _names_only(ledger, org_id, text):
            yield f"5: what is kept of organisation {org_id} names another one: {text[:80]}"


def _names_only(ledger: Ledger, org_id: UUID, text: str) -> bool:
    """Whether the text names no other organisation."""
    return not any(str(other) in text or other.hex in text for other in ledger.org_ids if other != org_id)
