"""The story of an import: each claim, each wait, and what was compared with what."""

from services.importer.store import Claim, Store
from shared.contracts import ImportRequested, MappingNeeded, SyncSucceeded
from shared.database import organisation
from tests.integration.importer.builders import Imports, csv_of
from tests.integration.scheduler.builders import only
from tests.integration.scheduler.test_decisions import Story, story

FILE = csv_of([{"Company": f"Acme {n}", "Id": str(n)} for n in range(3)])
CHANGED = csv_of([{"Company": f"Acme {n}", "Id": str(n), "City": "Paris" if n == 1 else ""} for n in range(3)])


def imported_story(imports: Imports, request: ImportRequested) -> Story:
    """The request carried out; the story without its beginning."""
    imports.handler.on_import(request)
    return story(imports, request.run_id)[1:]


def claimed(imports: Imports, request: ImportRequested) -> Claim:
    with organisation(imports.service, imports.org_id) as db:
        claim = Store(db).claim(request, 60)
    assert claim is not None
    return claim


def test_what_was_compared_and_merged_is_told_to_operator_and_admin(imports: Imports) -> None:
    connector_id = imports.connector()
    first = imports.request(FILE, connector_id).model_copy(update={"reason": "seen for the first time"})
    assert imported_story(imports, first) == [
        ("claimed", "attempt 1, seen for the first time"),
        ("succeeded", "no earlier version is known: of 3 rows 3 were merged, 0 were as before"),
    ]
    imports.taken()
    assert imported_story(imports, imports.request(CHANGED, connector_id))[-1] == (
        "succeeded",
        "the content differs from the version before: of 3 rows 1 were merged, 2 were as before",
    )
    told = only(imports.taken(), SyncSucceeded)
    assert told.detail == "the content differs from the version before: of 3 rows 1 were merged, 2 were as before"
    imports.save_mapping()
    assert imported_story(imports, imports.request(CHANGED, connector_id))[-1] == (
        "succeeded",
        "the version before, read with mapping 2 instead of 1: of 3 rows 0 were merged, 3 were as before",
    )


def test_a_missing_mapping_is_told(bare: Imports) -> None:
    request = bare.request(FILE)
    detail = "3 rows were read, and no mapping says what they mean"
    assert imported_story(bare, request)[-1] == ("held", f"mapping_needed: {detail}")
    assert only(bare.taken(), MappingNeeded).detail == detail


def test_a_turn_that_is_awaited_and_given(imports: Imports) -> None:
    # Given an import of the organisation that is under way
    claim = claimed(imports, imports.request(FILE))
    waiting = imports.request(CHANGED)
    imports.handler.on_import(waiting)
    # When it ends badly, and the next one has its turn
    with organisation(imports.service, imports.org_id) as db:
        Store(db).send_back(claim)
    imports.handler.on_import(only(imports.taken(), ImportRequested))
    assert [step for step, _ in story(imports, waiting.run_id)] == [
        *("opened", "awaits turn", "has turn", "claimed", "succeeded")
    ]
    assert story(imports, claim.run_id)[-1] == ("sent back", "the stored file is missing or damaged")


def test_what_could_not_be_done_just_now_is_put_off(imports: Imports) -> None:
    claim = claimed(imports, imports.request(FILE))
    with organisation(imports.service, imports.org_id) as db:
        Store(db).put_off(claim)
        # And whoever has lost the run already notes nothing
        Store(db).put_off(claim)
        Store(db).send_back(claim)
    assert story(imports, claim.run_id)[1:] == [
        ("claimed", "attempt 1"),
        ("put off", "attempt 1: something that it needs is away"),
    ]


def test_an_importer_that_came_too_late_is_fenced(imports: Imports) -> None:
    # Given an import whose run somebody else takes over while it waits to merge
    request = imports.request(FILE)
    with imports.stopped_before_merging(request):
        imports.all("update runs set lease_until = now() - interval '1 second'")
        claimed(imports, request)
    assert story(imports, request.run_id)[1:] == [
        ("claimed", "attempt 1"),
        ("claimed", "attempt 2"),
        ("fenced", "attempt 1: the run was taken over, cancelled or removed"),
    ]
