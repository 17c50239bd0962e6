"""The beginning of a tested file, brought to the importers once the test is answered."""

import time
from collections.abc import Iterable, Iterator

import structlog

from services.fetcher.core.changes import Look
from services.fetcher.download import Download
from services.fetcher.heartbeat import Sender
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Session
from shared.blobs import Blobs, preview_key
from shared.contracts import ConnectionTestRequested, PreviewRequested
from shared.errors import describe

log = structlog.get_logger()


class Previews:
    """Brings at most `limit` bytes of a file, within about `seconds`."""

    def __init__(self, blobs: Blobs, sender: Sender, *, limit: int, seconds: float) -> None:
        self._blobs = blobs
        self._sender = sender
        self._limit = limit
        self._seconds = seconds

    def bring(self, request: ConnectionTestRequested, session: Session, look: Look) -> None:
        """Hand the beginning to an importer. What goes wrong is only logged: the test has its answer."""
        try:
            preview = self._read(request, session, look)
            self._send(preview)
        except Exception as error:  # noqa: BLE001 - of the server, the blob store or the bus
            log.warning("preview.failed", reason=describe(error))
        else:
            log.info("preview.brought", size=preview.size, whole_file=preview.whole_file)

    def _read(self, request: ConnectionTestRequested, session: Session, look: Look) -> PreviewRequested:
        download = Download(session.read(request.endpoint.path, self._limit))
        staged = self._blobs.stage(self._in_time(download))
        key = preview_key(request.org_id, request.test_id)
        self._blobs.keep(staged, key)
        return PreviewRequested(
            test_id=request.test_id,
            org_id=request.org_id,
            blob=key,
            checksum=download.checksum(),
            size=download.received,
            # What is shorter than it may be ended by itself.
            whole_file=download.received < self._limit or download.received == look.size,
        )

    def _in_time(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        latest = time.monotonic() + self._seconds
        for chunk in chunks:
            if time.monotonic() > latest:
                raise LookFailed("file", "transfer_broken", "the server sends too slowly")
            yield chunk

    def _send(self, preview: PreviewRequested) -> None:
        try:
            self._sender.send(preview)
        except Exception:
            self._blobs.drop(preview.blob)
            raise
