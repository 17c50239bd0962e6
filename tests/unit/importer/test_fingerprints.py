"""What an import leaves comes back whole to the next one, or not at all."""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from services.importer.core.delta import ENTRY, Entries
from services.importer.fingerprints import Fingerprints, load
from shared.blobs import Blobs

OPENED = ExitStack()
KEY = "fingerprints/org/run.1"


@pytest.fixture(autouse=True, scope="module")
def closed() -> Iterator[None]:
    """Closes all files at the end."""
    with OPENED:
        yield


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(f"file://{tmp_path}")


def entries(count: int, start: int = 0) -> Entries:
    numbers = range(start, start + count)
    return np.array([(number, 10 * number, 2**64 - 1 - number) for number in numbers], ENTRY)


def some(count: int) -> Fingerprints:
    made = OPENED.enter_context(Fingerprints())
    made.add(entries(count))
    return made


def places(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_entries_come_back_in_order() -> None:
    found = some(5)
    found.add(entries(3, start=5))

    assert len(found) == 8
    assert found.part(2, 7).tolist() == entries(8)[2:7].tolist()
    assert found.part(8, 8).tolist() == []


@pytest.mark.parametrize("asked", [places(), places(3), places(4, 3, 3, 5), places(0, 99_999, 7), places(99_999)])
def test_entries_are_found_by_their_places_near_and_far(asked: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    found = some(100_000)

    assert found.at(asked)["raw"].tolist() == asked.tolist()


@pytest.mark.parametrize("count", [0, 1, 200_000])
def test_what_was_kept_is_loaded(blobs: Blobs, count: int) -> None:
    checksum = some(count).keep(blobs, KEY)

    loaded = load(blobs, {"blob": KEY, "checksum": checksum})

    assert loaded is not None
    with loaded:
        assert len(loaded) == count
        assert loaded.part(0, count).tolist() == entries(count).tolist()


def test_what_is_lost_is_not_loaded(blobs: Blobs) -> None:
    assert load(blobs, {"blob": KEY, "checksum": "0" * 64}) is None


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_what_was_damaged_at_rest_is_not_loaded(blobs: Blobs, tmp_path: Path, damage: str) -> None:
    checksum = some(50).keep(blobs, KEY)
    data = (tmp_path / KEY).read_bytes()
    changed = {"flipped": data[:99] + bytes([data[99] ^ 1]) + data[100:], "cut": data[:-24], "empty": b""}
    (tmp_path / KEY).write_bytes(changed[damage])

    assert load(blobs, {"blob": KEY, "checksum": checksum}) is None


@pytest.mark.parametrize("data", [b"", b"prints", b"prints99" + bytes(24), b"prints01" + bytes(23)])
def test_what_another_version_wrote_is_not_loaded(blobs: Blobs, data: bytes) -> None:
    blobs.keep(blobs.stage([data]), KEY)

    assert load(blobs, {"blob": KEY, "checksum": hashlib.sha256(data).hexdigest()}) is None
