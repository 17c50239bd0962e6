"""A look at a customer's file: bring it if its content changed, and answer each request exactly once."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import structlog

from services.fetcher import answers
from services.fetcher.core import changes
from services.fetcher.credentials import credentials
from services.fetcher.find import check_marker, find
from services.fetcher.heartbeat import Heartbeat, Sender, send_hint
from services.fetcher.intake import Intake
from services.fetcher.preview import Previews
from services.fetcher.settings import Settings
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Limits
from services.fetcher.visit import Visit
from shared import tracing
from shared.blobs import Blobs
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    Endpoint,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    ImportRequested,
)
from shared.errors import BlobsUnavailable
from shared.failpoints import failpoint
from shared.metrics import Metrics
from shared.sealing import Opener

log = structlog.get_logger()


class Handler:
    """Carries out looks and connection tests."""

    def __init__(
        self,
        settings: Settings,
        blobs: Blobs,
        opener: Opener,
        sender: Sender,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._opener = opener
        self._sender = sender
        self._metrics = metrics
        self.heartbeat = Heartbeat(sender)
        self._intake = Intake(settings, blobs, metrics, clock)
        self._doubted = False  # whether the store takes what is written: it may answer, and be full
        self._previews = Previews(settings, blobs, sender)

    def on_fetch(self, request: FetchRequested) -> None:
        """Look, and answer: ImportRequested when the content changed, FetchReported otherwise."""
        # No customer's server is asked for what could not be kept, and the run is not begun: it waits as it is.
        self._blobs.check(writes=self._doubted)
        self._doubted = False
        send_hint(self._sender, FetchProgressed(run_id=request.run_id, phase="started"))
        visit = self._visit(
            request.endpoint, request.org_id, request.connector_id, seconds=self._settings.fetch_seconds
        )
        try:
            with (
                self._metrics.fetch_seconds.time(),
                self._metrics.open_sessions.track_inprogress(),
                self.heartbeat.of(request.run_id, visit),
                visit,
            ):
                answer = self._look(request, visit)
        except LookFailed as failure:
            answer = answers.failed(request, visit.seen, failure)
        except BlobsUnavailable:
            self._doubted = True
            # The job is tried again; until then its run is not lost, and nothing counts against it.
            waits = FetchProgressed(run_id=request.run_id, phase="downloading", received_bytes=visit.received)
            send_hint(self._sender, waits)
            raise
        self._sender.send(answer)
        failpoint("fetch.answered")
        self._count(answer)

    def _look(self, request: FetchRequested, visit: Visit) -> ImportRequested | FetchReported:
        looked_at = datetime.now(UTC)
        session = visit.open()
        found = find(session, request.endpoint.path, most_entries=self._settings.max_entries)
        visit.note(path=found.path)
        unchanged = partial(answers.unchanged, request, found.look, looked_at)
        step = changes.decide(request.known, found.path, found.look, full_check=request.full_check)
        if isinstance(step, changes.Unchanged):
            return unchanged(visit.seen, step.detail)
        check_marker(session, request.endpoint.done_marker, found)
        log.info("file.downloading", reason=step.reason, size=found.look.size)
        brought = self._intake.bring(visit, session, found)
        if request.known is not None and request.known.checksum == brought.checksum:
            self._blobs.drop(brought.staged)
            return unchanged(visit.seen, "same content", downloaded_because=step.reason)
        file = answers.stored(request, visit.seen, found, looked_at, brought, reason=step.reason)
        self._blobs.keep(brought.staged, file.blob)
        failpoint("fetch.stored")
        progress = FetchProgressed(run_id=request.run_id, phase="stored", received_bytes=file.size, file=file)
        send_hint(self._sender, progress)
        return answers.to_import(request, file)

    def _count(self, answer: ImportRequested | FetchReported) -> None:
        if isinstance(answer, ImportRequested):
            verdict, code = "changed", ""
        else:
            verdict, code = answer.verdict, answer.code or ""
        self._metrics.looks.labels(verdict, code).inc()
        tracing.tell(verdict=verdict, code=code)
        log.info("look.ended", verdict=verdict, code=code)

    def on_test(self, request: ConnectionTestRequested) -> None:
        """Try each step up to reading a first byte, tell how far it went, and bring the beginning of a good file."""
        begun = time.monotonic()
        seconds = self._settings.connect_seconds + self._settings.login_seconds + self._settings.read_seconds
        visit = self._visit(request.endpoint, request.org_id, request.subject_id, seconds=seconds)
        try:
            with self._metrics.open_sessions.track_inprogress(), visit:
                session = visit.open()
                found = find(session, request.endpoint.path, most_entries=self._settings.max_entries)
                visit.note(path=found.path)
                session.check_readable(found.path)
                self._answer_test(answers.passed(request, visit.seen, found.look), begun)
                self._previews.bring(request, session, found)
        except LookFailed as failure:
            self._answer_test(answers.stopped(request, visit.seen, failure), begun)

    def _answer_test(self, report: ConnectionTested, begun: float) -> None:
        seconds = time.monotonic() - begun
        self._sender.send(report.model_copy(update={"took_ms": int(seconds * 1000)}))
        code = report.steps[-1].code
        self._metrics.test_seconds.observe(seconds)
        self._metrics.tests.labels("ok" if report.ok else code or "").inc()
        log.info("test.ended", ok=report.ok, step=report.steps[-1].name, code=code, took_ms=int(seconds * 1000))

    def _visit(self, endpoint: Endpoint, org_id: UUID, subject_id: UUID, *, seconds: float) -> Visit:
        limits = Limits(
            connect_seconds=self._settings.connect_seconds,
            login_seconds=self._settings.login_seconds,
            read_seconds=self._settings.read_seconds,
            session_seconds=seconds,
            allowed_networks=self._settings.allowed_networks,
            refused_ports=self._settings.refused_ports,
        )
        return Visit(endpoint, partial(credentials, self._opener, endpoint, org_id, subject_id), limits)
