"""The ledger's checker finds every deviation that is planted, and none where there is none."""

from collections.abc import Callable
from random import Random
from uuid import UUID, uuid4

import pytest

from tests.faults.check import Found, deviations
from tests.faults.ledger import SHARED, Ledger, Source
from tests.leaks import leaks

COUNTS = ("read", "created", "updated", "unchanged", "rejected", "ignored")
Plant = Callable[[Ledger, Found], object]


def became(source: Source, at: int) -> dict[str, int]:
    """What becomes of a version's rows; the first file of an organisation creates what is in several."""
    lines = source.versions[at].good
    known = source.versions[at - 1].good if at else {}
    there = {line.crm_id for line in known.values()}
    if source.number and not at:
        there = {line.crm_id for line in lines.values() if line.crm_id.startswith("S")}
    created = sum(line.crm_id not in there for line in lines.values())
    updated = len(lines.keys() - known.keys()) - created if at else 0
    return {"created": created, "updated": updated, "unchanged": len(lines) - created - updated}


def made() -> tuple[Ledger, Found]:
    """Two versions of every file, imported as they should be."""
    ledger = Ledger(Random(7), rows=4, bad=2)
    for source in ledger.sources:
        source.connector_id = str(uuid4())
    ledger.grow()
    ledger.grow()
    imports = [
        {
            "run_id": uuid4(),
            "org_id": source.org_id,
            "connector_id": UUID(source.connector_id),
            "checksum": version.checksum,
            "mapping_version": 1,
            "read": len(version.good) + version.bad,
            **became(source, at),
            "rejected": version.bad,
            "ignored": 0,
            "kept": version.bad,
            "filed": version.bad,
        }
        for source in ledger.sources
        for at, version in enumerate(source.versions)
    ]
    rows = [(org_id, *row) for org_id in ledger.org_ids for row in ledger.leads_of(org_id).items()]
    return ledger, Found(
        leads=[
            {"org_id": org_id, "ledger_id": ledger_id}
            | {"crm_id": line.crm_id, "name": line.name, "city": line.city, "status": "WON"}
            for org_id, ledger_id, line in rows
        ],
        contacts=[{"org_id": org_id, "ledger_id": ledger_id, "email": line.mail} for org_id, ledger_id, line in rows],
        deals=[{"org_id": org_id, "ledger_id": ledger_id, "crm_id": line.deal} for org_id, ledger_id, line in rows],
        imports=imports,
        ends={str(row["run_id"]): "succeeded" for row in imports},
        events=[
            {
                "id": str(uuid4()),
                "type": "sftp_connector.sync_succeeded",
                "data": {
                    "run_id": str(row["run_id"]),
                    "organisation_id": str(row["org_id"]),
                    "rows": {name: row[name] for name in COUNTS},
                },
            }
            for row in imports
        ],
        seconds=1,
        bound=2,
    )


def an_end_twice(ledger: Ledger, found: Found) -> None:
    found.ends["run"] = "unchanged"
    data = {"run_id": "run", "organisation_id": str(ledger.org_ids[0])}
    found.events += [{"id": name, "type": "sftp_connector.sync_unchanged", "data": data} for name in ("a", "b")]


def another_s_lead(ledger: Ledger, found: Found) -> None:
    found.leads[0] = found.leads[0] | {"org_id": ledger.org_ids[1]}


def another_s_event(ledger: Ledger, found: Found) -> None:
    found.events[0]["data"]["path"] = ledger.sources[-1].path


def an_awaited_version(ledger: Ledger, found: Found) -> None:
    ledger.sources[0].awaited.add(ledger.sources[0].versions[0].checksum)
    found.imports.pop(0)


PLANTED: dict[str, tuple[Plant, str]] = {
    "a lead is missing": (lambda _, found: found.leads.pop(), "1: lead"),
    "a lead is there twice": (lambda _, found: found.leads.append(found.leads[0]), "is there 2 times"),
    "a lead is of a row that was never valid": (
        lambda ledger, found: found.leads.append({"org_id": ledger.org_ids[0], "ledger_id": "bad"}),
        "1: lead ('bad',) should not be there",
    ),
    "a contact has another row's email": (
        lambda _, found: found.contacts[0].update(email="other@shared.example"),
        "1: contact",
    ),
    "a lead has another city": (lambda _, found: found.leads[0].update(city="Rome"), "1: lead"),
    "a lead has another status": (lambda _, found: found.leads[0].update(status="LOST"), "1: lead"),
    "a deal is missing": (lambda _, found: found.deals.pop(), "1: deal"),
    "a deal is of another lead": (lambda _, found: found.deals[0].update(ledger_id="x"), "1: deal"),
    "a version was imported twice": (
        lambda _, found: found.imports.append(found.imports[0] | {"run_id": uuid4()}),
        "was imported 2 times",
    ),
    "the newest version was not imported": (
        lambda _, found: found.imports.pop(),
        "2: version 2 of source 1",
    ),
    "a version that was seen to be imported was not": (an_awaited_version, "2: version 1 of source 0"),
    "what was imported never was a version": (
        lambda _, found: found.imports[0].update(checksum="0" * 64),
        "never was a version",
    ),
    "the counts do not add up": (lambda _, found: found.imports[0].update(updated=1), "3: run"),
    "a bad row was taken": (
        lambda _, found: found.imports[0].update(rejected=1, created=found.imports[0]["created"] + 1),
        "and rejected 1, not 2",
    ),
    "a rejected row is not kept": (lambda _, found: found.imports[0].update(kept=0), "and keeps 0 of them"),
    "a success was told as a failure": (
        lambda _, found: found.events[0].update(type="sftp_connector.sync_failed"),
        "was told as another one",
    ),
    "an end was told with other counts": (
        lambda _, found: found.events[0]["data"].update(rows=dict.fromkeys(COUNTS, 0)),
        "was told as another one",
    ),
    "an end was told twice, as another one": (
        lambda _, found: found.events.append(found.events[0] | {"id": "x", "type": "sftp_connector.sync_unchanged"}),
        "was told 2 times",
    ),
    "rejected rows are not in the admin's file": (
        lambda _, found: found.imports[0].update(filed=0),
        "has 0 of them in its file",
    ),
    "a row that was there is told as created": (
        lambda _, found: found.imports[1].update(
            created=found.imports[1]["created"] + 1, unchanged=found.imports[1]["unchanged"] - 1
        ),
        "3: the imports of",
    ),
    "a row that changed is told as unchanged": (
        lambda _, found: found.imports[1].update(updated=0, unchanged=found.imports[1]["unchanged"] + 1),
        "updated 0, not",
    ),
    "a failure was told as a success": (
        lambda _, found: found.ends.update({found.events[0]["data"]["run_id"]: "failed"}),
        "failed, was told as another one",
    ),
    "a run that found nothing new was told twice": (
        an_end_twice,
        "4: the end of run run was told 2 times",
    ),
    "an end was not told": (lambda _, found: found.events.pop(), "was told 0 times"),
    "an end was told twice": (
        lambda _, found: found.events.append(found.events[0] | {"id": "another"}),
        "was told 2 times",
    ),
    "an event came with two contents": (
        lambda _, found: found.events.append(found.events[0] | {"data": {}}),
        "with two contents",
    ),
    "an organisation has another's lead": (another_s_lead, "5: organisation"),
    "an event names another organisation": (another_s_event, "5: an event of organisation"),
    "an event is nobody's": (
        lambda _, found: found.events.append({"id": "x", "type": "x", "data": {}}),
        "5: an event of no organisation",
    ),
    "a text names another organisation": (
        lambda ledger, found: found.texts.append((ledger.org_ids[0], str(ledger.org_ids[1]))),
        "5: what is kept of",
    ),
    "rows of two organisations refer to each other": (lambda _, found: found.strangers.append("a run"), "5: a run"),
    "a secret is somewhere": (lambda _, found: found.leaks.append("logs: key"), "6: a secret is in logs: key"),
    "a blob was left behind": (lambda _, found: found.litter.append("incoming/x"), "7: left behind: incoming/x"),
    "it took too long": (lambda _, found: setattr(found, "seconds", 3), "8: it took 3.0 s, not 2"),
    "a service is not well": (lambda _, found: found.sick.append("importer is not well"), "9: importer"),
}


def test_where_all_is_well_it_says_nothing() -> None:
    assert deviations(*made()) == []


@pytest.mark.parametrize("name", PLANTED)
def test_it_finds_what_is_planted(name: str) -> None:
    ledger, found = made()
    plant, told = PLANTED[name]

    plant(ledger, found)

    assert [line for line in deviations(ledger, found) if told in line]


def test_an_event_may_be_published_twice_under_one_id() -> None:
    ledger, found = made()

    found.events.append(found.events[0])

    assert deviations(ledger, found) == []


def test_where_the_fault_took_events_they_may_be_missing_and_not_doubled() -> None:
    ledger, found = made()
    found.events.pop()
    assert deviations(ledger, found, events_lost=True) == []

    found.events.append(found.events[0] | {"id": "another"})
    assert deviations(ledger, found, events_lost=True) != []


def test_the_same_seed_makes_the_same_rows_and_organisations_share_keys_and_emails() -> None:
    one, two = (Ledger(Random(3)) for _ in range(2))
    one.grow()
    two.grow()

    mails = [set(one.leads_of(org_id).values()) for org_id in one.org_ids]

    assert mails[0] == mails[1]
    assert one.sources[0].current.content == two.sources[0].current.content.replace(
        str(two.org_ids[0]).encode(), str(one.org_ids[0]).encode()
    )


def test_some_versions_are_as_long_as_the_one_before_and_none_has_its_content() -> None:
    ledger = Ledger(Random(5), rows=2, bad=0)
    for _ in range(30):
        ledger.grow()

    pairs = [pair for source in ledger.sources for pair in zip(source.versions, source.versions[1:], strict=False)]

    assert any(len(one.content) == len(two.content) for one, two in pairs)
    assert all(one.content != two.content for one, two in pairs)


def test_files_of_one_organisation_share_companies_and_no_file_is_read_at_once() -> None:
    ledger = Ledger(Random(5))
    ledger.grow()

    one, two = (source.current for source in ledger.sources[:2])

    assert len(one.good.items() & two.good.items()) == SHARED
    assert min(len(one.content), len(two.content)) > 100_000


def test_half_of_a_long_secret_is_a_leak() -> None:
    assert list(leaks({"a log": "input_value='" + "k" * 20}, {"a key": "k" * 20 + "x" * 20})) == ["a log: a key"]
