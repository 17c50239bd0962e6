"""The beginning of a tested file, brought to the importers once the test is answered."""

import time
from collections.abc import Iterable, Iterator

import structlog

from services.fetcher.download import Download
from services.fetcher.find import Found
from services.fetcher.heartbeat import Sender
from services.fetcher.settings import Settings
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Session
from services.fetcher.unpack import Content
from shared.blobs import Blobs, preview_key
from shared.contracts import ConnectionTestRequested, PreviewRequested
from shared.errors import describe

log = structlog.get_logger()


class Previews:
    """Brings the first `preview_bytes` of a file, unpacked, within about `read_seconds`."""

    def __init__(self, settings: Settings, blobs: Blobs, sender: Sender) -> None:
        self._settings = settings
        self._blobs = blobs
        self._sender = sender

    def bring(self, request: ConnectionTestRequested, session: Session, found: Found) -> None:
        """Hand the beginning to an importer. What goes wrong is only logged: the test has its answer."""
        try:
            preview = self._read(request, session, found)
            self._send(preview)
        except Exception as error:  # noqa: BLE001 - of the server, the blob store or the bus
            log.warning("preview.failed", reason=describe(error))
        else:
            log.info("preview.brought", size=preview.size, whole_file=preview.whole_file)

    def _read(self, request: ConnectionTestRequested, session: Session, found: Found) -> PreviewRequested:
        limit = self._settings.preview_bytes
        packed = Download(self._in_time(session.read(found.path, limit=limit)))
        content = Content(packed, self._settings.max_file_bytes, self._settings.max_unpack_ratio)
        beginning = _Beginning(content, packed, limit, found.look.size)
        download = Download(beginning)
        staged = self._blobs.stage(download)
        key = preview_key(request.org_id, request.test_id)
        self._blobs.keep(staged, key)
        return PreviewRequested(
            test_id=request.test_id,
            org_id=request.org_id,
            blob=key,
            checksum=download.checksum(),
            size=download.received,
            whole_file=beginning.whole,
        )

    def _in_time(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        latest = time.monotonic() + self._settings.read_seconds
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


class _Beginning:
    """The first bytes of a content of which only the first bytes were read; `whole` at the end: they are all."""

    def __init__(self, content: Content, read: Download, limit: int, file_size: int | None) -> None:
        self._content = content
        self._read = read
        self._limit = limit
        self._file_size = file_size
        self.whole = True

    def __iter__(self) -> Iterator[bytes]:
        left = self._limit
        try:
            for chunk in self._content:
                yield chunk[:left]
                left -= len(chunk)
                if left < 0:
                    break
        except LookFailed as failure:
            if failure.code != "archive_damaged" or not self._cut:
                raise
        self.whole = left >= 0 and not self._cut

    @property
    def _cut(self) -> bool:
        """Whether the file may go on; what is shorter than it may be ended by itself."""
        return self._read.received >= self._limit and self._read.received != self._file_size
