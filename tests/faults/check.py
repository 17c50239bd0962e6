"""The nine points that hold after every fault: a pure comparison of the ledger with what was found."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.ledger import Ledger, Line

Row = dict[str, Any]
SUCCEEDED = "sftp_connector.sync_succeeded"
_ENDS = ("sync_failed", "sync_held", "sync_unchanged", "mapping_needed")
FINAL = (SUCCEEDED, *(f"sftp_connector.{end}" for end in _ENDS))
_PARTS = ("created", "updated", "unchanged", "rejected", "ignored")
_COUNTS = ("read", *_PARTS)


@dataclass(slots=True)
class Found:
    """What the database, the bus, the blob store and the processes show in the end."""

    leads: list[Row]  # org_id, ledger_id, crm_id, name, city, status
    contacts: list[Row]  # org_id, ledger_id of the lead, email
    deals: list[Row]  # org_id, ledger_id of the lead, crm_id
    imports: list[
        Row
    ]  # succeeded: run_id, org_id, connector_id, checksum, mapping_version, the counts of rows, and `kept` rejects
    events: list[Row] = field(default_factory=list)  # as published, repeats included
    texts: list[tuple[UUID, str]] = field(default_factory=list)  # rejects, decisions and reject files, by organisation
    strangers: list[str] = field(default_factory=list)  # rows of two organisations that refer to each other
    leaks: list[str] = field(default_factory=list)  # where a secret was seen
    litter: list[str] = field(default_factory=list)  # blobs and handles that were left behind
    seconds: float = 0.0  # until all was imported
    bound: float = 0.0  # that was promised
    sick: list[str] = field(default_factory=list)  # dead services, messages and runs that were given up


def deviations(ledger: Ledger, found: Found, *, events_lost: bool = False) -> list[str]:
    """Every point that does not hold, in words; `events_lost`: the fault took events that were published."""
    return [
        *_leads(ledger, found),
        *_imports(ledger, found),
        *_counts(ledger, found),
        *_events(ledger, found, events_lost=events_lost),
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
            yield from (f"1: {name} {row} should not be there" for row in sorted(counted.keys() - wanted))
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
        if version and (row["rejected"], row["read"]) != (version.bad, version.bad + len(version.good)):
            yield f"3: run {row['run_id']} read {row['read']} and rejected {row['rejected']}, not {version.bad}"
        if row["kept"] != row["rejected"]:
            yield f"3: run {row['run_id']} rejected {row['rejected']} rows and keeps {row['kept']} of them"


def _events(ledger: Ledger, found: Found, *, events_lost: bool) -> Iterator[str]:
    by_id: dict[str, Row] = {}
    for event in found.events:
        if by_id.setdefault(event["id"], event) != event:
            yield f"4: event {event['id']} was published with two contents"
    finals = Counter(event["data"].get("run_id") for event in by_id.values() if event["type"] in FINAL)
    ends = {event["data"].get("run_id"): event for event in by_id.values() if event["type"] in FINAL}
    for row in found.imports:
        end = ends.get(str(row["run_id"]))
        if end and (end["type"] != SUCCEEDED or any(end["data"]["rows"][name] != row[name] for name in _COUNTS)):
            yield f"4: the end of run {row['run_id']} was told as another one: {end['type']}"
        told = finals[str(row["run_id"])]
        if told > 1 or (told == 0 and not events_lost):
            yield f"4: the end of run {row['run_id']} was told {told} times"


def _walls(ledger: Ledger, found: Found) -> Iterator[str]:
    yield from (f"5: {what}" for what in found.strangers)
    for row in found.leads:
        if not _names_only(ledger, row["org_id"], row["ledger_id"]):
            yield f"5: organisation {row['org_id']} has the lead {row['ledger_id']}"
    for event in found.events:
        org_id = event["data"].get("organisation_id")
        if org_id is None:
            yield f"5: an event of no organisation: {event['type']}"
        elif not _names_only(ledger, UUID(org_id), str(event["data"])):
            yield f"5: an event of organisation {org_id} names another one: {event['type']}"
    for org_id, text in found.texts:
        if not _names_only(ledger, org_id, text):
            yield f"5: what is kept of organisation {org_id} names another one: {text[:80]}"


def _names_only(ledger: Ledger, org_id: UUID, text: str) -> bool:
    """Whether the text names no other organisation."""
    return not any(str(other) in text or other.hex in text for other in ledger.org_ids if other != org_id)
