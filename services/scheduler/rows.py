"""Makes a connector, as decisions are made about it, from its row."""

from services.scheduler.core.planning import Connector, FileVersion
from shared.contracts import CsvOptions, Endpoint
from shared.database import Row


def connector_of(row: Row) -> Connector:
    """A connector from its row in any answer of the database."""
    endpoint = Endpoint(
        host=row["host"],
        port=row["port"],
        username=row["username"],
        path=row["path"],
        sealed_password=row["sealed_password"] or "",
        sealed_key=row["sealed_key"] or "",
        host_keys=tuple(row["host_keys"]),
        done_marker=row["done_marker"],
    )
    return Connector(
        id=row["id"],
        org_id=row["org_id"],
        name=row["name"],
        endpoint=endpoint,
        state=row["state"],
        interval_seconds=row["interval_seconds"],
        failures=row["failures"],
        last_code=row["last_code"],
        paused_code=row["paused_code"],
        due_at=row["due_at"],
        file=_file_of(row),
        csv=CsvOptions.model_validate(row["csv_options"]),
        failing_since=row["failing_since"],
        warned_at=row["warned_at"],
        unsettled=row["unsettled"],
        server_address=row["server_address"],
    )


def _file_of(row: Row) -> FileVersion | None:
    if row["file_checksum"] is None:
        return None
    return FileVersion(
        checksum=row["file_checksum"],
        blob=row["file_blob"],
        size=row["file_size"],
        mtime=row["file_mtime"],
        looked_at=row["file_looked_at"],
        compared_at=row["file_compared_at"],
        mapping_version=row["file_mapping_version"],
        remote_size=row["file_remote_size"],
        remote_checksum=row["file_remote_checksum"],
        path=row["file_remote_path"],
    )
