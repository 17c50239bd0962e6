"""The bytes of a remote file: a transfer that breaks off far into it goes on where it was, in a new session."""

import time
from collections.abc import Callable, Generator, Iterator

import structlog

from services.fetcher.core.changes import Look, can_continue
from services.fetcher.find import Found
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.session import Session
from services.fetcher.visit import Visit

log = structlog.get_logger()

_BROKEN = frozenset({"transfer_broken", "connection_lost"})
_AWAY = _BROKEN | {"connection_refused", "connect_timeout"}
_WORTH_IT_BYTES = 8 * 1024 * 1024


class Transfer:
    """Iterates over the file's bytes once; a new session may take the place of the one given."""

    def __init__(
        self,
        visit: Visit,
        session: Session,
        found: Found,
        *,
        most_resumes: int,
        pause: float,
        clock: Callable[[], float],
    ) -> None:
        self._visit = visit
        self.found = found
        self._resumes_left = most_resumes
        self._pause = pause  # seconds before each login: a server needs some to notice that the old session is gone
        self._session = session
        self._clock = clock
        self.received = 0
        self.waited = 0.0  # seconds for bytes, those for new sessions not counted

    def __iter__(self) -> Generator[bytes]:
        """LookFailed when the transfer breaks for good; with `not_settled` when the file is another one by then."""
        while True:
            begun_at = self.received
            try:
                for chunk in self._timed(self._session.read(self.found.path, offset=self.received)):
                    self.received += len(chunk)
                    self._visit.received = self.received
                    yield chunk
            except LookFailed as failure:
                if not self._may_resume(failure, self.received - begun_at):
                    raise
                self._resume(failure)
            else:
                return

    def _timed(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        while True:
            begun = self._clock()
            chunk = next(chunks, None)
            self.waited += self._clock() - begun
            if chunk is None:
                return
            yield chunk

    def look(self) -> Look:
        """What the server says of the file now; where the connection broke meanwhile, over a new one."""
        try:
            return self._session.look(self.found.path)
        except LookFailed as failure:
            if not self._may_resume(failure, self.received):
                raise
            self._resume(failure)
            return self.found.look

    def _may_resume(self, failure: LookFailed, came: int) -> bool:
        look = self.found.look
        return failure.code in _BROKEN and came >= _WORTH_IT_BYTES and can_continue(look, look) and self._may_try()

    def _may_try(self) -> bool:
        return self._resumes_left > 0 and self._visit.seconds_left > self._pause

    def _resume(self, failure: LookFailed) -> None:
        """Log in anew, several times if the server is not ready for us, and see that the file is as it was."""
        while True:
            self._resumes_left -= 1
            log.info("transfer.resuming", code=failure.code, received=self.received)
            time.sleep(self._pause)
            try:
                self._session = self._visit.open()
                look = self._session.look(self.found.path)
                break
            except LookFailed as again:
                if not _is_passing(again) or not self._may_try():
                    raise
                failure = again
        if not can_continue(self.found.look, look):
            raise LookFailed("file", "not_settled", "the file changed before its transfer could go on")


def _is_passing(failure: LookFailed) -> bool:
    """Whether another login may be tried: never when this one may have been refused, because servers lock accounts."""
    return failure.code == "too_many_sessions" or (failure.step != "login" and failure.code in _AWAY)
