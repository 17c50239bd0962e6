"""The blob store keeps whole files only, each under its own checksum."""

import hashlib
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from shared.blobs import Blobs, blob_key
from shared.errors import BlobCorrupt, BlobMissing

MIB = 1024 * 1024
CONTENT = b"Company;City\nAcme;Paris\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def blobs(folder: Path) -> Blobs:
    return Blobs(f"file://{folder}")


def files(folder: Path) -> list[str]:
    """Every file in the store, half written ones included."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def keep(blobs: Blobs, org_id: UUID, content: bytes, chunks: Iterable[bytes] | None = None) -> str:
    key = blob_key(org_id, sha256(content))
    blobs.keep(blobs.stage(chunks or [content]), key)
    return key


@pytest.mark.parametrize(("size", "piece"), [(1, 1), (100_000, 999), (8 * MIB, 32_768), (20 * MIB + 3, MIB)])
def test_what_was_kept_is_read_again(blobs: Blobs, folder: Path, org_id: UUID, size: int, piece: int) -> None:
    # Given
    content = random.Random(size).randbytes(size)

    # When
    key = keep(blobs, org_id, content, pieces(content, piece))

    # Then
    assert key == f"org/{org_id}/{sha256(content)}"
    assert files(folder) == [key]
    assert b"".join(blobs.read(key, sha256(content))) == content


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_an_empty_file_is_kept_too(blobs: Blobs, folder: Path, org_id: UUID, chunks: list[bytes]) -> None:
    key = blob_key(org_id, sha256(b""))

    blobs.keep(blobs.stage(chunks), key)

    assert files(folder) == [key]
    assert b"".join(blobs.read(key, sha256(b""))) == b""


def test_staged_bytes_are_no_blob_until_they_are_kept(blobs: Blobs, org_id: UUID) -> None:
    staged = blobs.stage([CONTENT])

    assert not staged.startswith("org/")
    with pytest.raises(BlobMissing):
        blobs.read(blob_key(org_id, sha256(CONTENT)), sha256(CONTENT))


def test_dropped_bytes_leave_nothing(blobs: Blobs, folder: Path) -> None:
    blobs.drop(blobs.stage([CONTENT]))
    assert files(folder) == []


@pytest.mark.parametrize("before", [0, 1, 20])
def test_an_error_half_way_leaves_nothing_and_keeps_its_type(blobs: Blobs, folder: Path, before: int) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(before):
            yield bytes(MIB)
        raise BlobMissing("the source broke off")

    with pytest.raises(BlobMissing, match="broke off"):
        blobs.stage(broken())

    assert files(folder) == []


def test_the_same_bytes_may_be_kept_twice(blobs: Blobs, folder: Path, org_id: UUID) -> None:
    keep(blobs, org_id, CONTENT)
    key = keep(blobs, org_id, CONTENT)

    assert files(folder) == [key]
    assert b"".join(blobs.read(key, sha256(CONTENT))) == CONTENT


def test_keeping_them_again_mends_a_damaged_blob(blobs: Blobs, folder: Path, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    (folder / key).write_bytes(b"damaged")

    keep(blobs, org_id, CONTENT)

    assert b"".join(blobs.read(key, sha256(CONTENT))) == CONTENT


def test_a_blob_may_be_kept_again_while_it_is_read(blobs: Blobs, org_id: UUID) -> None:
    content = random.Random(3).randbytes(5 * MIB)
    key = keep(blobs, org_id, content)
    reading = blobs.read(key, sha256(content))
    first = next(reading)

    keep(blobs, org_id, content)

    assert first + b"".join(reading) == content


def test_organisations_share_no_blob(blobs: Blobs, folder: Path, org_id: UUID) -> None:
    other = uuid4()

    keys = {keep(blobs, org_id, CONTENT), keep(blobs, other, CONTENT)}

    assert len(keys) == 2
    assert files(folder) == sorted(keys)


def test_a_blob_that_is_gone_is_told_at_once(blobs: Blobs, folder: Path, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    (folder / key).unlink()

    with pytest.raises(BlobMissing):
        blobs.read(key, sha256(CONTENT))


@pytest.mark.parametrize("at", [0, 3 * MIB, 5 * MIB - 1])
def test_a_flipped_bit_is_found(blobs: Blobs, folder: Path, org_id: UUID, at: int) -> None:
    content = bytes(5 * MIB)
    key = keep(blobs, org_id, content)
    damaged = bytearray(content)
    damaged[at] ^= 1
    (folder / key).write_bytes(damaged)

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(content)))


@pytest.mark.parametrize("left", [0, 1, 3 * MIB, 5 * MIB - 1])
def test_a_truncated_blob_is_found(blobs: Blobs, folder: Path, org_id: UUID, left: int) -> None:
    content = random.Random(5).randbytes(5 * MIB)
    key = keep(blobs, org_id, content)
    (folder / key).write_bytes(content[:left])

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(content)))


def test_added_bytes_are_found(blobs: Blobs, folder: Path, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    (folder / key).write_bytes(CONTENT + b"\n")

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(CONTENT)))


def test_the_store_is_ready_as_long_as_it_answers(blobs: Blobs, folder: Path) -> None:
    assert blobs.ready()
    assert files(folder) == []


def test_bytes_that_cannot_be_kept_are_dropped(tmp_path: Path) -> None:
    blobs = Blobs(f"file://{tmp_path}")
    staged = blobs.stage([b"a"])
    (tmp_path / "org").touch()  # a file where a folder has to be

    with pytest.raises(Exception, match="org"):
        blobs.keep(staged, "org/a")

    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["org"]
