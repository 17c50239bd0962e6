"""The blob store: files kept under their own SHA-256, on any object store that one URL names."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import obstore
from obstore.store import LocalStore, ObjectStore, from_url

from shared.errors import BlobCorrupt, BlobMissing
from shared.ids import new_id

_CHUNK = 5 * 1024 * 1024  # the least that S3 takes as a part
_PART = 4 * 1024 * 1024  # asked of the store at once
_READ = 1024 * 1024
_INCOMING = "incoming"
# What the keys of all blobs begin with: nothing else in the store is ours.
KINDS = ("org", "rejects", "fingerprints", "preview", _INCOMING)


def blob_key(org_id: UUID, checksum: str) -> str:
    """Where a file of an organisation with this SHA-256 is kept; organisations share no blob."""
    return f"org/{org_id}/{checksum}"


def rejects_key(org_id: UUID, run_id: UUID, attempt: int) -> str:
    """Where the rows that an attempt at a run rejected are kept, as CSV."""
    return f"rejects/{org_id}/{run_id}.{attempt}.csv"


def fingerprints_key(org_id: UUID, run_id: UUID, attempt: int) -> str:
    """Where an import leaves what the next one compares with."""
    return f"fingerprints/{org_id}/{run_id}.{attempt}"


def preview_key(org_id: UUID, test_id: UUID) -> str:
    """Where the beginning of a tested file is kept until its preview is told."""
    return f"preview/{org_id}/{test_id}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob as the store lists it."""

    key: str
    size: int  # bytes
    modified: datetime


class Blobs:
    """Write aside, rename when whole, verify on read."""

    def __init__(self, url: str) -> None:
        self._store: ObjectStore = _store(url)

    def stage(self, chunks: Iterable[bytes]) -> str:
        """Write the bytes aside and return their temporary key. An exception of `chunks` leaves nothing behind."""
        key = f"{_INCOMING}/{new_id()}"
        obstore.put(self._store, key, iter(chunks), chunk_size=_CHUNK, max_concurrency=1)
        return key

    def keep(self, staged: str, key: str) -> None:
        """Give staged bytes their final name, or drop them; the same bytes may be kept again."""
        try:
            obstore.rename(self._store, staged, key, overwrite=True)
        except Exception:
            with suppress(obstore.exceptions.BaseError):
                self.drop(staged)
            raise

    def drop(self, staged: str) -> None:
        """Forget bytes that are not needed, if they are there."""
        with suppress(FileNotFoundError):
            obstore.delete(self._store, staged)

    def listed(self, kind: str) -> Iterator[list[Stored]]:
        """All blobs of one of the kinds, a page at a time."""
        for page in obstore.list(self._store, prefix=kind):
            yield [Stored(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    def drop_unchanged(self, blob: Stored) -> bool:
        """Forget a blob that was listed, unless it was written again since; whether it is gone."""
        try:
            if obstore.head(self._store, blob.key)["last_modified"] != blob.modified:
                return False
        except FileNotFoundError:
            return True
        self.drop(blob.key)
        return True

    def read(self, key: str, checksum: str) -> Iterator[bytes]:
        """The blob's bytes; BlobMissing at once, BlobCorrupt at the end if they are not those of `checksum`."""
        with _lost():
            size = obstore.head(self._store, key)["size"]
        return _verified(self._parts(key, size), checksum)

    def _parts(self, key: str, size: int) -> Iterator[bytes]:
        # A stream of the store's would come in pieces of a few KiB from a folder, at a tenth of this speed.
        for start in range(0, size, _PART):
            with _lost():
                part = memoryview(obstore.get_range(self._store, key, start=start, end=min(start + _PART, size)))
            for place in range(0, len(part), _READ):
                yield bytes(part[place : place + _READ])

    def ready(self) -> bool:
        """Whether the store answers."""
        try:
            obstore.head(self._store, "ready")
        except FileNotFoundError:
            return True
        except obstore.exceptions.BaseError:
            return False
        return True


@contextmanager
def _lost() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise BlobMissing("the blob store has lost a file") from None


def _verified(chunks: Iterable[bytes], checksum: str) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != checksum:
        raise BlobCorrupt("a blob's bytes changed at rest")


def _store(url: str) -> ObjectStore:
    if url.startswith("file://"):
        return LocalStore(url.removeprefix("file://"), mkdir=True)
    return from_url(url)
