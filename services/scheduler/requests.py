"""Builds the jobs that the scheduler owes fetchers and importers."""

from uuid import UUID

from services.scheduler.core.planning import Connector, Fetch, Reimport
from shared.contracts import FetchRequested, ImportRequested
from shared.database import Row

_SAME_NAMES = (
    "org_id",
    "connector_id",
    "checksum",
    "blob",
    "looked_at",
    "remote_size",
    "remote_checksum",
    "host_key",
    "address",
    "algorithms",
)


def request_for(connector: Connector, step: Fetch | Reimport, run_id: UUID) -> FetchRequested | ImportRequested:
    """The job that carries out a step for a connector."""
    if isinstance(step, Fetch):
        return FetchRequested(
            run_id=run_id,
            org_id=connector.org_id,
            connector_id=connector.id,
            endpoint=connector.endpoint,
            known=step.known,
            full_check=step.full_check,
        )
    file = step.file
    return ImportRequested(
        run_id=run_id,
        org_id=connector.org_id,
        connector_id=connector.id,
        checksum=file.checksum,
        blob=file.blob,
        size=file.size,
        mtime=file.mtime,
        looked_at=file.looked_at,
        remote_size=file.remote_size,
        remote_checksum=file.remote_checksum,
        path=file.path,
    )


def import_of(run: Row) -> ImportRequested:
    """The import of the file that a run has stored."""
    return ImportRequested(
        run_id=run["id"],
        size=run["file_size"],
        mtime=run["file_mtime"],
        path=run["remote_path"],
        **{name: run[name] for name in _SAME_NAMES},
    )
