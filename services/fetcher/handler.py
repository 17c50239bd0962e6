"""A look at a customer's file: bring it if its content changed, and answer each request exactly once."""

import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import structlog

from services.fetcher.core import changes
from services.fetcher.core.changes import Look
from services.fetcher.download import Download
from services.fetcher.heartbeat import Heartbeat, Sender, send_hint
from services.fetcher.preview import Previews
from services.fetcher.settings import Settings
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Limits, Session, open_session
from shared.blobs import Blobs, blob_key
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    ImportRequested,
    Step,
    StoredFile,
)
from shared.errors import SecretUnreadable
from shared.metrics import Metrics
from shared.sealing import Opener, Place

log = structlog.get_logger()

_STEPS = ("address", "connect", "host_key", "login", "file")


class Handler:
    """Carries out looks and connection tests."""

    def __init__(self, settings: Settings, blobs: Blobs, opener: Opener, sender: Sender, metrics: Metrics) -> None:
        self._settings = settings
        self._blobs = blobs
        self._opener = opener
        self._sender = sender
        self.heartbeat = Heartbeat(sender)
        self._metrics = metrics
        self._previews = Previews(blobs, sender, limit=settings.preview_bytes, seconds=settings.read_seconds)
        self._limits = Limits(
            connect_seconds=settings.connect_seconds,
            login_seconds=settings.login_seconds,
            read_seconds=settings.read_seconds,
            allowed_networks=settings.allowed_networks,
        )

    def on_fetch(self, request: FetchRequested) -> None:
        """Look, and answer: ImportRequested when the content changed, FetchReported otherwise."""
        send_hint(self._sender, FetchProgressed(run_id=request.run_id, phase="started"))
        with self._metrics.fetch_seconds.time():
            try:
                answer = self._look(request)
            except LookFailed as failure:
                answer = FetchReported(
                    run_id=request.run_id,
                    verdict="failed",
                    code=failure.code,
                    detail=failure.detail,
                    host_key=failure.host_key,
                )
        self._sender.send(answer)
        self._count(answer)

    def _look(self, request: FetchRequested) -> ImportRequested | FetchReported:
        endpoint = request.endpoint
        place = Place(request.org_id, request.connector_id, endpoint.host, endpoint.port, endpoint.username)
        looked_at = datetime.now(UTC)
        with open_session(endpoint, self._password(endpoint.sealed_password, place), self._limits) as session:
            before = session.look(endpoint.path)
            step = changes.decide(request.known, before, full_check=request.full_check)
            if isinstance(step, changes.Unchanged):
                return self._unchanged(request, before, looked_at, session, step.detail)
            log.info("file.downloading", reason=step.reason, size=before.size)
            return self._download(request, session, before, looked_at)

    def _password(self, sealed: str, place: Place) -> str:
        try:
            return self._opener.open(sealed, place)
        except SecretUnreadable as error:
            log.error("secret.unreadable", reason=str(error))
            raise LookFailed("login", "secret_unreadable") from None

    def _download(
        self, request: FetchRequested, session: Session, before: Look, looked_at: datetime
    ) -> ImportRequested | FetchReported:
        """Read the file into the blob store while hashing it; it stays there only if it is new and whole."""
        if before.size is not None and before.size > self._settings.max_file_bytes:
            raise LookFailed("file", "file_too_large", f"the file has {before.size} bytes")
        download = Download(session.read(request.endpoint.path))
        with self.heartbeat.of(request.run_id, download):
            staged = self._blobs.stage(self._watched(download))
        try:
            after = session.look(request.endpoint.path)
        except LookFailed:
            self._blobs.drop(staged)
            raise
        checksum = download.checksum()
        if trouble := changes.unsettled(before, after, download.received):
            self._blobs.drop(staged)
            return FetchReported(run_id=request.run_id, verdict="not_settled", code="not_settled", detail=trouble)
        if request.known is not None and request.known.checksum == checksum:
            self._blobs.drop(staged)
            return self._unchanged(request, after, looked_at, session, "same content", downloaded=True)
        key = blob_key(request.org_id, checksum)
        self._blobs.keep(staged, key)
        file = StoredFile(
            checksum=checksum,
            blob=key,
            size=download.received,
            mtime=after.mtime,
            looked_at=looked_at,
            host_key=session.host_key,
        )
        stored = FetchProgressed(run_id=request.run_id, phase="stored", received_bytes=download.received, file=file)
        send_hint(self._sender, stored)
        return ImportRequested(
            run_id=request.run_id,
            org_id=request.org_id,
            connector_id=request.connector_id,
            **file.model_dump(),
        )

    def _unchanged(
        self,
        request: FetchRequested,
        look: Look,
        looked_at: datetime,
        session: Session,
        detail: str,
        *,
        downloaded: bool = False,
    ) -> FetchReported:
        return FetchReported(
            run_id=request.run_id,
            verdict="unchanged",
            detail=detail,
            size=look.size,
            mtime=look.mtime,
            looked_at=looked_at,
            downloaded=downloaded,
            host_key=session.host_key,
        )

    def _watched(self, download: Download) -> Iterator[bytes]:
        """The download's bytes; one that is too large or too slow is broken off."""
        begun = time.monotonic()
        for chunk in download:
            minutes = (time.monotonic() - begun) / 60
            if download.received > self._settings.max_file_bytes:
                raise LookFailed("file", "file_too_large", "the server sent more bytes than allowed")
            if minutes > 1 and download.received / minutes < self._settings.min_bytes_per_minute:
                raise LookFailed("file", "transfer_broken", "the server sends too slowly")
            self._metrics.fetched_bytes.inc(len(chunk))
            yield chunk

    def _count(self, answer: ImportRequested | FetchReported) -> None:
        if isinstance(answer, ImportRequested):
            verdict, code = "changed", ""
        else:
            verdict, code = answer.verdict, answer.code or ""
        self._metrics.looks.labels(verdict, code).inc()
        log.info("look.ended", verdict=verdict, code=code)

    def on_test(self, request: ConnectionTestRequested) -> None:
        """Try each step up to reading a first byte, tell how far it went, and bring the beginning of a good file."""
        begun = time.monotonic()
        endpoint = request.endpoint
        place = Place(request.org_id, request.subject_id, endpoint.host, endpoint.port, endpoint.username)
        try:
            password = self._password(endpoint.sealed_password, place)
            with open_session(endpoint, password, self._limits) as session:
                look = session.look(endpoint.path)
                session.check_readable(endpoint.path)
                self._answer_test(_passed(request, look, session.host_key), begun)
                self._previews.bring(request, session, look)
        except LookFailed as failure:
            self._answer_test(_failed(request, failure), begun)

    def _answer_test(self, report: ConnectionTested, begun: float) -> None:
        seconds = time.monotonic() - begun
        self._sender.send(report.model_copy(update={"took_ms": int(seconds * 1000)}))
        code = report.steps[-1].code
        self._metrics.test_seconds.observe(seconds)
        self._metrics.tests.labels("ok" if report.ok else code).inc()
        log.info("test.ended", ok=report.ok, step=report.steps[-1].name, code=code, took_ms=int(seconds * 1000))


def _passed(request: ConnectionTestRequested, look: Look, host_key: str) -> ConnectionTested:
    return ConnectionTested(
        test_id=request.test_id,
        ok=True,
        steps=_good(_STEPS),
        host_key=host_key,
        size=look.size,
        mtime=look.mtime,
    )


def _failed(request: ConnectionTestRequested, failure: LookFailed) -> ConnectionTested:
    # Without a password nothing is tried, so nothing passed.
    passed = () if failure.code == "secret_unreadable" else _STEPS[: _STEPS.index(failure.step)]
    failed = Step.model_validate({"name": failure.step, "ok": False, "code": failure.code, "message": failure.detail})
    steps = (*_good(passed), failed)
    return ConnectionTested(test_id=request.test_id, ok=False, steps=steps, host_key=failure.host_key)


def _good(names: Iterable[str]) -> tuple[Step, ...]:
    return tuple(Step.model_validate({"name": name, "ok": True}) for name in names)
