"""What a fetcher answers: the reports of a look and of a connection test."""

from collections.abc import Iterable
from datetime import datetime

from services.fetcher.core.changes import Look
from services.fetcher.find import Found
from services.fetcher.intake import Brought
from services.fetcher.sftp.failure import LookFailed
from shared.blobs import blob_key
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    FetchReported,
    FetchRequested,
    ImportRequested,
    Seen,
    Step,
    StoredFile,
)

_STEPS = ("address", "connect", "host_key", "login", "file")
# Without a password or key nothing is tried, so nothing passed.
_NOTHING_TRIED = frozenset({"secret_unreadable", "key_unreadable"})


def unchanged(
    request: FetchRequested, look: Look, looked_at: datetime, seen: Seen, detail: str, *, downloaded_because: str = ""
) -> FetchReported:
    """The file is as it was; `downloaded_because` says why its bytes were compared, if they were."""
    return FetchReported(
        **seen.model_dump(),
        run_id=request.run_id,
        verdict="unchanged",
        detail=detail,
        size=look.size,
        mtime=look.mtime,
        looked_at=looked_at,
        downloaded=bool(downloaded_because),
        reason=downloaded_because,
    )


def failed(request: FetchRequested, seen: Seen, failure: LookFailed) -> FetchReported:
    """The look ended without a file that can be imported."""
    return FetchReported(
        **_with_key(seen, failure).model_dump(),
        run_id=request.run_id,
        verdict="not_settled" if failure.code == "not_settled" else "failed",
        code=failure.code,
        detail=failure.detail,
    )


def stored(
    request: FetchRequested, seen: Seen, found: Found, looked_at: datetime, brought: Brought, *, reason: str
) -> StoredFile:
    """The file as it lies in the blob store under its final name, and why it was brought."""
    size = found.look.size
    return StoredFile(
        **seen.model_dump(),
        checksum=brought.checksum,
        blob=blob_key(request.org_id, brought.checksum),
        size=brought.size,
        mtime=found.look.mtime,
        looked_at=looked_at,
        remote_size=None if size == brought.size else size,
        remote_checksum=brought.packed_checksum,
        reason=reason,
    )


def to_import(request: FetchRequested, file: StoredFile) -> ImportRequested:
    """What an importer is asked."""
    ids = {name: getattr(request, name) for name in ("run_id", "org_id", "connector_id")}
    return ImportRequested(**ids, **file.model_dump())


def passed(request: ConnectionTestRequested, seen: Seen, look: Look) -> ConnectionTested:
    """Every step worked."""
    return ConnectionTested(
        **seen.model_dump(),
        test_id=request.test_id,
        ok=True,
        steps=_as_steps(_STEPS),
        size=look.size,
        mtime=look.mtime,
    )


def stopped(request: ConnectionTestRequested, seen: Seen, failure: LookFailed) -> ConnectionTested:
    """The steps up to the one that failed."""
    good = () if failure.code in _NOTHING_TRIED else _STEPS[: _STEPS.index(failure.step)]
    failed_step = Step.model_validate(
        {"name": failure.step, "ok": False, "code": failure.code, "message": failure.detail}
    )
    return ConnectionTested(
        **_with_key(seen, failure).model_dump(),
        test_id=request.test_id,
        ok=False,
        steps=(*_as_steps(good), failed_step),
    )


def _with_key(seen: Seen, failure: LookFailed) -> Seen:
    return seen.model_copy(update={"host_key": failure.host_key}) if failure.host_key else seen


def _as_steps(names: Iterable[str]) -> tuple[Step, ...]:
    return tuple(Step.model_validate({"name": name, "ok": True}) for name in names)
