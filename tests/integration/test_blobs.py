"""The blob store keeps whole files only, each under its own checksum."""

import hashlib
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from deploy.local.servers.seaweedfs import Seaweedfs
from shared.blobs import Blobs, blob_key
from shared.errors import BlobCorrupt, BlobMissing, BlobsUnavailable
from tests.integration.s3 import blobs_at, seaweedfs  # noqa: F401 - fixture

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024
CONTENT = b"Company;City\nAcme;Paris\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[at : at + size] for at in range(0, len(content), size))


class Folder:
    """A folder as the blob store."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blobs = Blobs(f"file://{path}")

    def keys(self) -> list[str]:
        """Everything in the store, half written bytes included."""
        return sorted(str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.is_file())

    def overwrite(self, key: str, content: bytes) -> None:
        """Change a blob behind the store's back."""
        (self.path / key).write_bytes(content)

    def remove(self, key: str) -> None:
        """Lose one."""
        (self.path / key).unlink()


class Bucket:
    """A prefix of a bucket as the blob store."""

    def __init__(self, server: Seaweedfs) -> None:
        self.server = server
        self.prefix = uuid4().hex
        self.blobs = blobs_at(server, self.prefix)
        # What others left unfinished.
        self.uploads = set(server.keys(".uploads"))

    def keys(self) -> list[str]:
        own = [key.removeprefix(f"{self.prefix}/") for key in self.server.keys(self.prefix)]
        return sorted([*own, *{*self.server.keys(".uploads")} - self.uploads])

    def overwrite(self, key: str, content: bytes) -> None:
        self.server.put(f"{self.prefix}/{key}", content)

    def remove(self, key: str) -> None:
        self.server.remove(f"{self.prefix}/{key}")


Place = Folder | Bucket


@pytest.fixture(params=["folder", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where blobs are."""
    if request.param == "folder":
        return Folder(tmp_path / "blobs")
    return Bucket(request.getfixturevalue("seaweedfs"))


@pytest.fixture
def blobs(place: Place) -> Blobs:
    return place.blobs


def keep(blobs: Blobs, org_id: UUID, content: bytes, chunks: Iterable[bytes] | None = None) -> str:
    key = blob_key(org_id, sha256(content))
    blobs.keep(blobs.stage(chunks or [content]), key)
    return key


def test_a_folder_that_is_away_at_the_start_is_used_when_it_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.touch()
    blobs = Blobs(f"file://{folder}")
    assert not blobs.ready()
    with pytest.raises(BlobsUnavailable, match="File exists"):
        blobs.stage([CONTENT])

    folder.unlink()

    assert blobs.ready()
    blobs.keep(blobs.stage([CONTENT]), "org/a")
    assert (folder / "org" / "a").read_bytes() == CONTENT


@pytest.mark.parametrize(("size", "piece"), [(1, 1), (100_000, 999), (8 * MIB, 32_768), (20 * MIB + 3, MIB)])
def test_what_was_kept_is_read_again(blobs: Blobs, place: Place, org_id: UUID, size: int, piece: int) -> None:
    # Given
    content = random.Random(size).randbytes(size)

    # When
    key = keep(blobs, org_id, content, pieces(content, piece))

    # Then
    assert key == f"org/{org_id}/{sha256(content)}"
    assert place.keys() == [key]
    assert b"".join(blobs.read(key, sha256(content))) == content


@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_an_empty_file_is_kept_too(blobs: Blobs, place: Place, org_id: UUID, chunks: list[bytes]) -> None:
    key = blob_key(org_id, sha256(b""))

    blobs.keep(blobs.stage(chunks), key)

    assert place.keys() == [key]
    assert b"".join(blobs.read(key, sha256(b""))) == b""


def test_staged_bytes_are_no_blob_until_they_are_kept(blobs: Blobs, org_id: UUID) -> None:
    staged = blobs.stage([CONTENT])

    assert not staged.startswith("org/")
    with pytest.raises(BlobMissing):
        blobs.read(blob_key(org_id, sha256(CONTENT)), sha256(CONTENT))


def test_dropped_bytes_leave_nothing(blobs: Blobs, place: Place) -> None:
    blobs.drop(blobs.stage([CONTENT]))
    assert place.keys() == []


@pytest.mark.parametrize("before", [0, 1, 20])
def test_an_error_half_way_leaves_nothing_and_keeps_its_type(blobs: Blobs, place: Place, before: int) -> None:
    def broken() -> Iterator[bytes]:
        for _ in range(before):
            yield bytes(MIB)
        raise BlobMissing("the source broke off")

    with pytest.raises(BlobMissing, match="broke off"):
        blobs.stage(broken())

    assert place.keys() == []


def test_the_same_bytes_may_be_kept_twice(blobs: Blobs, place: Place, org_id: UUID) -> None:
    keep(blobs, org_id, CONTENT)
    key = keep(blobs, org_id, CONTENT)

    assert place.keys() == [key]
    assert b"".join(blobs.read(key, sha256(CONTENT))) == CONTENT


def test_keeping_them_again_mends_a_damaged_blob(blobs: Blobs, place: Place, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    place.overwrite(key, b"damaged")

    keep(blobs, org_id, CONTENT)

    assert b"".join(blobs.read(key, sha256(CONTENT))) == CONTENT


def test_a_blob_may_be_kept_again_while_it_is_read(blobs: Blobs, org_id: UUID) -> None:
    content = random.Random(3).randbytes(5 * MIB)
    key = keep(blobs, org_id, content)
    reading = blobs.read(key, sha256(content))
    first = next(reading)

    keep(blobs, org_id, content)

    assert first + b"".join(reading) == content


def test_organisations_share_no_blob(blobs: Blobs, place: Place, org_id: UUID) -> None:
    other = uuid4()

    keys = {keep(blobs, org_id, CONTENT), keep(blobs, other, CONTENT)}

    assert len(keys) == 2
    assert place.keys() == sorted(keys)


def test_a_blob_that_is_gone_is_told_at_once(blobs: Blobs, place: Place, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    place.remove(key)

    with pytest.raises(BlobMissing):
        blobs.read(key, sha256(CONTENT))


@pytest.mark.parametrize("at", [0, 3 * MIB, 5 * MIB - 1])
def test_a_flipped_bit_is_found(blobs: Blobs, place: Place, org_id: UUID, at: int) -> None:
    content = bytes(5 * MIB)
    key = keep(blobs, org_id, content)
    damaged = bytearray(content)
    damaged[at] ^= 1
    place.overwrite(key, bytes(damaged))

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(content)))


@pytest.mark.parametrize("left", [0, 1, 3 * MIB, 5 * MIB - 1])
def test_a_truncated_blob_is_found(blobs: Blobs, place: Place, org_id: UUID, left: int) -> None:
    content = random.Random(5).randbytes(5 * MIB)
    key = keep(blobs, org_id, content)
    place.overwrite(key, content[:left])

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(content)))


def test_added_bytes_are_found(blobs: Blobs, place: Place, org_id: UUID) -> None:
    key = keep(blobs, org_id, CONTENT)
    place.overwrite(key, CONTENT + b"\n")

    with pytest.raises(BlobCorrupt):
        list(blobs.read(key, sha256(CONTENT)))


def test_the_store_is_ready_as_long_as_it_answers(blobs: Blobs, place: Place) -> None:
    assert blobs.ready()
    assert place.keys() == []


def test_bytes_that_cannot_be_kept_are_dropped(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    staged = folder.blobs.stage([b"a"])
    (tmp_path / "org").touch()  # a file where a folder has to be

    with pytest.raises(BlobsUnavailable, match="Not a directory"):
        folder.blobs.keep(staged, "org/a")

    assert folder.keys() == ["org"]


def test_all_blobs_of_a_kind_are_listed_page_by_page(blobs: Blobs, place: Place) -> None:
    # Given more of them than S3 lists at once, and one of another kind
    keys = {f"preview/{uuid4()}" for _ in range(1_005)}
    with ThreadPoolExecutor(4) as pool:
        blobs.keep(blobs.stage([b"abc"]), "rejects/other")
        blobs.keep(blobs.stage([b"abc"]), "preview/first")
        list(pool.map(lambda key: place.overwrite(key, b"abc"), keys))

    # When
    pages = list(blobs.listed("preview"))

    # Then
    listed = [blob for page in pages for blob in page]
    assert max(len(page) for page in pages) <= 1_000
    assert sorted(blob.key for blob in listed) == sorted({*keys, "preview/first"})
    assert {blob.size for blob in listed} == {3}


def test_a_listed_blob_is_dropped(blobs: Blobs, place: Place) -> None:
    blobs.keep(blobs.stage([b"abc"]), "preview/a")
    [[listed]] = blobs.listed("preview")

    assert blobs.drop_unchanged(listed)

    assert place.keys() == []
    assert blobs.drop_unchanged(listed)


def test_a_listed_blob_that_was_written_again_since_is_not_dropped(blobs: Blobs, place: Place) -> None:
    blobs.keep(blobs.stage([b"abc"]), "preview/a")
    [[listed]] = blobs.listed("preview")

    assert not blobs.drop_unchanged(replace(listed, modified=listed.modified - timedelta(seconds=1)))

    assert place.keys() == ["preview/a"]


@pytest.mark.parametrize("left", [0, 3 * MIB, 5 * MIB])
def test_a_blob_that_is_cut_off_while_it_is_read_is_found(blobs: Blobs, place: Place, org_id: UUID, left: int) -> None:
    content = random.Random(7).randbytes(10 * MIB)
    key = keep(blobs, org_id, content)
    reading = blobs.read(key, sha256(content))
    next(reading)

    place.overwrite(key, content[:left])

    with pytest.raises(BlobCorrupt):
        list(reading)


def test_a_blob_that_is_lost_while_it_is_read_is_told(blobs: Blobs, place: Place, org_id: UUID) -> None:
    content = bytes(10 * MIB)
    key = keep(blobs, org_id, content)
    reading = blobs.read(key, sha256(content))
    next(reading)

    place.remove(key)

    with pytest.raises(BlobMissing):
        list(reading)


# On a disk of 4 MiB: more than it takes; then as much as it takes, and nothing since it can only be read.
ON_A_SMALL_DISK = """
import subprocess, sys
from shared.blobs import Blobs
from shared.errors import BlobsUnavailable

folder = sys.argv[1]
blobs = Blobs(f"file://{folder}")

def tell(work):
    try:
        work()
    except BlobsUnavailable as error:
        print(error, file=sys.stderr)

tell(lambda: blobs.stage(bytes(1024 * 1024) for _ in range(8)))
staged = blobs.stage([b"abc"])
subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
tell(lambda: blobs.stage([b"abc"]))
tell(lambda: blobs.keep(staged, "org/a"))
"""


def test_a_folder_that_is_full_or_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    mount = 'mount -t tmpfs -o size=4m none "$1" && exec "$0" -c "$2" "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, sys.executable]

    command += [str(tmp_path), ON_A_SMALL_DISK]

    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stderr.splitlines()

    assert told == ["No space left on device (os error 28)", *["Read-only file system (os error 30)"] * 2]


KILLED_WHILE_WRITING = """
import os, signal, sys
from shared.blobs import Blobs

def chunks():
    yield bytes(6 * 1024 * 1024)
    os.kill(os.getpid(), signal.SIGKILL)

Blobs(f"file://{sys.argv[1]}").stage(chunks())
"""


def test_what_a_killed_process_left_half_written_in_a_folder_is_dropped_once_it_is_old(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.blobs.keep(folder.blobs.stage([CONTENT]), "org/a")
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, str(tmp_path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    [unfinished] = set(folder.keys()) - {"org/a"}
    written = datetime.fromtimestamp((tmp_path / unfinished).stat().st_mtime, UTC)

    folder.blobs.drop_unfinished(written - timedelta(seconds=1))
    assert folder.keys() == [unfinished, "org/a"]

    folder.blobs.drop_unfinished(written + timedelta(seconds=1))
    assert folder.keys() == ["org/a"]
