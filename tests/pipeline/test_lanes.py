"""Imports side by side: small files beside large ones, and the organisations by turns."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from deploy.local.ui import UI
from shared.contracts import LARGE_FILE_BYTES
from tests.pipeline.test_crashes import organisation_locked
from tests.pipeline.world import World

LeadsCsv = Callable[..., bytes]
ROWS = 20
FILES = 6


@pytest.fixture
def neighbour(world: World) -> Iterator[World]:
    """Another organisation on the same stack."""
    with UI(world.stack.amqp_url, uuid4()) as ui:
        yield World(world.stack, ui, world.db, world.sshd, world.password)


@pytest.fixture
def crowd(world: World, neighbour: World, leads_csv: LeadsCsv) -> list[str]:
    """One organisation with many files, and its neighbour with one; all services but the importer run."""
    for number in range(FILES):
        world.put(leads_csv(ROWS), path=f"/exports/{number}.csv")
    neighbour.put(leads_csv(ROWS), path="/exports/neighbour.csv")
    world.stack.start(["scheduler", "fetcher"])
    for one in (world, neighbour):
        one.save_mapping()
    return [f"/exports/{number}.csv" for number in range(FILES)]


def assert_each_imported_once(world: World, neighbour: World) -> None:
    world.until_quiet()
    assert world.count("runs where outcome = 'succeeded'") == world.count("runs") == FILES + 1
    for one in (world, neighbour):
        own = f"where org_id = '{one.ui.organisation_id}'"
        assert one.count(f"leads {own}") == one.count(f"contacts {own}") == ROWS


def test_a_small_file_is_imported_while_a_large_one_is(world: World, neighbour: World, leads_csv: LeadsCsv) -> None:
    # Given a large file in the importer's hands, and one more that waits
    content = leads_csv(LARGE_FILE_BYTES // 80_000 + 10, padding=80_000)
    assert len(content) > LARGE_FILE_BYTES
    for number in range(2):
        world.put(content, path=f"/exports/{number}.csv")
    neighbour.put(leads_csv(ROWS), path="/exports/small.csv")
    world.stack.start()
    for one in (world, neighbour):
        one.save_mapping()
    with organisation_locked(world):
        large = [world.create(path=f"/exports/{number}.csv") for number in range(2)]
        world.until(lambda: world.count("runs where stage = 'importing'") == 1, "a large import")

        # When somebody else connects a small one, then it is there within seconds
        small = neighbour.create(path="/exports/small.csv")

        assert neighbour.ended(small, seconds=8)["rows"]["created"] == ROWS
        assert world.count("runs where stage = 'importing'") == 1
    for asked in large:
        assert world.ended(asked)["rows"]["rejected"] == 0


def test_an_organisation_with_many_files_leaves_importers_to_others(
    world: World, neighbour: World, crowd: list[str]
) -> None:
    importer = world.stack.service("importer", import_threads=4)
    importer.start()
    with organisation_locked(world):
        # Given one import in hand, and as many files as would take all other importers
        asked = [world.create(path=path) for path in crowd]
        world.until(lambda: world.count("runs where awaits_turn") == FILES - 1, "runs that wait for their turn")
        assert world.count("runs where stage = 'importing'") == 1

        # When another organisation's file comes, then it is imported at once
        assert neighbour.ended(neighbour.create(path="/exports/neighbour.csv"), seconds=8)["rows"]["created"] == ROWS

    for event_id in asked:
        assert world.ended(event_id)["type"] == "sftp_connector.sync_succeeded"
    assert_each_imported_once(world, neighbour)
    assert world.count("runs where attempt = 1") == FILES + 1


@pytest.mark.slow
def test_the_importer_dies_while_many_files_of_one_organisation_wait(
    world: World, neighbour: World, crowd: list[str]
) -> None:
    importer = world.stack.service("importer", import_threads=4)
    importer.start()
    with organisation_locked(world):
        asked = [world.create(path=path) for path in crowd]
        world.until(lambda: world.count("runs where awaits_turn") == FILES - 1, "runs that wait for their turn")
        asked.append(neighbour.create(path="/exports/neighbour.csv"))

        importer.kill()
    importer.start()

    for event_id in asked:
        assert world.ended(event_id)["type"] == "sftp_connector.sync_succeeded"
    assert_each_imported_once(world, neighbour)
    assert world.count("runs where sends > 1 or attempt > 2") == 0
