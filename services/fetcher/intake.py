"""Brings a file into the blob store, whole and unpacked, or not at all."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

from services.fetcher.core.changes import unsettled
from services.fetcher.core.pace import Pace
from services.fetcher.download import Download
from services.fetcher.find import Found
from services.fetcher.settings import Settings
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Session
from services.fetcher.transfer import Transfer
from services.fetcher.unpack import Content
from services.fetcher.visit import Visit
from shared.blobs import Blobs
from shared.failpoints import failpoint
from shared.metrics import Metrics

_ARCHIVE_CODES = frozenset({"archive_damaged", "archive_unsupported", "archive_too_large"})


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that lies aside in the blob store."""

    staged: str  # temporary key
    checksum: str  # SHA-256 of the content
    size: int  # bytes of the content
    packed_checksum: str | None  # of the archive, if it was one


class Intake:
    """Reads, watches, unpacks, hashes and stores in one pass."""

    def __init__(self, settings: Settings, blobs: Blobs, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._blobs = blobs
        self._metrics = metrics
        self._clock = clock  # seconds from any beginning

    def bring(self, visit: Visit, session: Session, found: Found) -> Brought:
        """The file, staged. A LookFailed leaves nothing; its code is `not_settled` if the file did not hold still."""
        if found.look.size is not None and found.look.size > self._settings.max_file_bytes:
            raise LookFailed("file", "file_too_large", f"the file has {found.look.size} bytes")
        transfer = Transfer(
            visit,
            session,
            found,
            most_resumes=self._settings.max_resumes,
            pause=self._settings.resume_pause_seconds,
            clock=self._clock,
        )
        chunks = self._watched(transfer)
        content = Content(chunks, self._settings.max_file_bytes, self._settings.max_unpack_ratio)
        whole = Download(content)
        staged = self._staged(transfer, chunks, whole)
        try:
            _check_settled(transfer, transfer.received)
        except LookFailed:
            self._blobs.drop(staged)
            raise
        return Brought(staged, whole.checksum(), whole.received, content.packed_checksum)

    def _staged(self, transfer: Transfer, chunks: Generator[bytes], whole: Download) -> str:
        try:
            with closing(chunks):
                return self._blobs.stage(whole)
        except LookFailed as failure:
            if failure.code in _ARCHIVE_CODES:
                # One that is being written looks damaged.
                _check_settled(transfer, None)
            raise

    def _watched(self, transfer: Transfer) -> Generator[bytes]:
        """The file's bytes; a transfer that is too large or too slow is broken off."""
        pace = Pace(self._settings.min_bytes_per_minute)
        waited = 0.0
        for chunk in transfer:
            if transfer.received > self._settings.max_file_bytes:
                raise LookFailed("file", "file_too_large", "the server sent more bytes than allowed")
            if pace.too_slow(transfer.waited - waited, len(chunk)):
                raise LookFailed("file", "transfer_broken", "the server sends too slowly")
            waited = transfer.waited
            self._metrics.fetched_bytes.inc(len(chunk))
            failpoint("fetch.chunk")
            if chunk:
                yield chunk


def _check_settled(transfer: Transfer, received: int | None) -> None:
    """LookFailed when the file is not what it was before its transfer, or not as long as what was received of it."""
    if trouble := unsettled(transfer.found.look, transfer.look(), received):
        raise LookFailed("file", "not_settled", trouble)
