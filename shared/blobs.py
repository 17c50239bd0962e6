"""The blob store: files kept under their own SHA-256, on any object store that one URL names."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from uuid import UUID

import obstore
import structlog
from obstore.store import LocalStore, ObjectStore, from_url

from shared.errors import BlobCorrupt, BlobMissing, BlobsUnavailable
from shared.ids import new_id

log = structlog.get_logger()

_CHUNK = 5 * 1024 * 1024  # the least that S3 takes as a part
_PART = 4 * 1024 * 1024  # asked of the store at once
_READ = 1024 * 1024
_PATIENCE = 30.0
_READY_PATIENCE = 3.0  # a probe does not wait longer
_RETRIES = 5
_COPY_PATIENCE = 10  # a copy within the store takes the longer the larger the file is
_INCOMING = "incoming"
# What of an error's text is told: the rest may quote the store's answer, a key or a folder.
_REASON = re.compile(r"HTTP error: [a-z ]+|status code: \d{3}|[A-Z][a-z -]+ \(os error \d+\)")
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
    """Write aside, rename when whole, verify on read.

    BlobsUnavailable where the store is away, full or read-only; what it refuses is raised as it is. A request that is
    not answered is given up after `patience` seconds, and so is one that fails, after a few more tries.
    """

    def __init__(self, url: str, patience: float = _PATIENCE) -> None:
        self._url = url
        self._patience = patience
        self._incoming = Path(url.removeprefix("file://")) / _INCOMING if url.startswith("file://") else None
        # A folder may be away just now. A bucket is asked for nothing yet, so that a wrong URL is told at once.
        if self._incoming is None:
            _ = self._store, self._copying, self._probed

    def _open(self, patience: float) -> ObjectStore:
        try:
            return _store(self._url, patience)
        except OSError as error:
            raise BlobsUnavailable(_reason(error)) from None

    @cached_property
    def _store(self) -> ObjectStore:
        return self._open(self._patience)

    @cached_property
    def _copying(self) -> ObjectStore:
        return self._open(self._patience * _COPY_PATIENCE)

    @cached_property
    def _probed(self) -> ObjectStore:
        return self._open(min(self._patience, _READY_PATIENCE))

    def stage(self, chunks: Iterable[bytes]) -> str:
        """Write the bytes aside and return their temporary key. An exception of `chunks` leaves nothing behind."""
        key = f"{_INCOMING}/{new_id()}"
        with _available():
            obstore.put(self._store, key, iter(chunks), chunk_size=_CHUNK, max_concurrency=1)
        return key

    def keep(self, staged: str, key: str) -> None:
        """Give staged bytes their final name, or drop them; the same bytes may be kept again."""
        try:
            with _available():
                obstore.rename(self._copying, staged, key, overwrite=True)
        except Exception:
            with suppress(obstore.exceptions.BaseError):
                self.drop(staged)
            raise

    def drop(self, staged: str) -> None:
        """Forget bytes that are not needed, if they are there; a store that is away keeps them until they are swept."""
        try:
            self._delete(staged)
        except BlobsUnavailable as error:
            log.warning("blob.left", reason=str(error))

    def _delete(self, key: str) -> None:
        with _available(), suppress(FileNotFoundError):
            obstore.delete(self._store, key)

    def listed(self, kind: str) -> Iterator[list[Stored]]:
        """All blobs of one of the kinds, a page at a time."""
        return self._listed(self._store, kind)

    @staticmethod
    def _listed(store: ObjectStore, kind: str) -> Iterator[list[Stored]]:
        with _available():
            for page in obstore.list(store, prefix=kind):
                yield [Stored(meta["path"], meta["size"], meta["last_modified"]) for meta in page]

    def drop_unchanged(self, blob: Stored) -> bool:
        """Forget a blob that was listed, unless it was written again since; whether it is gone."""
        try:
            with _available():
                modified = obstore.head(self._store, blob.key)["last_modified"]
        except FileNotFoundError:
            return True
        # Of one blob, S3 tells whole seconds, where some stores list parts of them.
        if modified not in (blob.modified, blob.modified.replace(microsecond=0)):
            return False
        self._delete(blob.key)
        return True

    def drop_all(self, org_id: UUID) -> int:
        """Forget every blob of an organisation; how many there were."""
        count = 0
        for kind in KINDS:
            for page in self.listed(f"{kind}/{org_id}"):
                for blob in page:
                    self._delete(blob.key)
                count += len(page)
        return count

    def drop_unfinished(self, before: datetime) -> None:
        """Forget what killed processes have left half written in a folder before that time; no list shows it.

        In a bucket it is no object, and the bucket's own rule for incomplete uploads removes it.
        """
        for path in self._incoming.glob("*#*") if self._incoming else ():
            if path.stat().st_mtime < before.timestamp():
                path.unlink()
                log.info("blob.unfinished_dropped", name=path.name)

    def read(self, key: str, checksum: str) -> Iterator[bytes]:
        """The blob's bytes; BlobMissing at once, BlobCorrupt at the end if they are not those of `checksum`."""
        return _verified(self._parts(key, self._size(key)), checksum)

    def _size(self, key: str) -> int:
        with _available(), _lost():
            return obstore.head(self._store, key)["size"]

    def _parts(self, key: str, size: int) -> Iterator[bytes]:
        # A stream of the store's would come in pieces of a few KiB from a folder, at a tenth of this speed.
        for start in range(0, size, _PART):
            part = self._part(key, start, min(start + _PART, size))
            for place in range(0, len(part), _READ):
                yield bytes(part[place : place + _READ])

    def _part(self, key: str, start: int, end: int) -> memoryview:
        try:
            with _available(), _lost():
                return memoryview(obstore.get_range(self._store, key, start=start, end=end))
        except BlobsUnavailable:
            # A part that is not there any more is told in the same way as a store that is away.
            if self._size(key) < end:
                raise BlobCorrupt("a blob was cut off while it was read") from None
            raise

    def check(self, *, writes: bool = False) -> None:
        """Return when the store answers, and takes bytes where that is asked as well."""
        if writes:
            self._delete(self.stage([bytes(_CHUNK)]))
        with _available(), suppress(FileNotFoundError):
            obstore.head(self._store, "ready")

    def ready(self) -> bool:
        """Whether the store answers within a few seconds, knows the bucket and lets us in."""
        try:
            list(self._listed(self._probed, "ready"))
        except (obstore.exceptions.BaseError, BlobsUnavailable):
            return False
        return True


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except obstore.exceptions.GenericError as error:
        raise BlobsUnavailable(_reason(error)) from None


def _reason(error: Exception) -> str:
    found = _REASON.search(str(error))
    return found[0] if found else type(error).__name__


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


def _store(url: str, patience: float) -> ObjectStore:
    if url.startswith("file://"):
        return LocalStore(url.removeprefix("file://"), mkdir=True)
    seconds = timedelta(seconds=patience)
    # Options take the place of those in the environment.
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    return from_url(
        url,
        client_options={"timeout": seconds, "allow_http": plain},
        retry_config={"max_retries": _RETRIES, "retry_timeout": seconds},
    )
