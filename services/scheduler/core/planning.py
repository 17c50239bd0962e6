"""What a due connector needs: a look at its server, or the stored file once more with a newer mapping."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared.contracts import CsvOptions, Endpoint, Known


@dataclass(frozen=True, slots=True)
class FileVersion:
    """The file version that was last imported or refused."""

    checksum: str
    blob: str
    size: int  # bytes in the blob
    mtime: int | None
    looked_at: datetime
    compared_at: datetime  # when its bytes, not only size and mtime, were last compared
    mapping_version: int  # 0: there was no mapping; -1: it is to be read in another way
    remote_size: int | None = None  # bytes at the server, where they differ from those in the blob
    remote_checksum: str | None = None
    path: str | None = None  # where it lay


@dataclass(frozen=True, slots=True)
class Connector:
    """A connector as the scheduler knows it."""

    id: UUID
    org_id: UUID
    name: str
    endpoint: Endpoint
    state: str
    interval_seconds: int
    failures: int
    last_code: str | None  # of the last look, if it brought nothing
    paused_code: str | None
    due_at: datetime
    file: FileVersion | None
    csv: CsvOptions
    failing_since: datetime | None = None  # the first of the failures in a row
    warned_at: datetime | None = None  # of a pause because of them
    unsettled: int = 0  # looks since the last success that found the file being written
    server_address: str | None = None  # that was last connected to

    @property
    def server(self) -> str:
        """What counts as one server: several names may lead to it."""
        return self.server_address or self.endpoint.host


@dataclass(frozen=True, slots=True)
class Fetch:
    """Look at the server."""

    known: Known | None
    full_check: bool


@dataclass(frozen=True, slots=True)
class Reimport:
    """Import the stored file again; the server sees no connection."""

    file: FileVersion


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be opened."""

    step: Fetch | Reimport
    stage: str  # where it begins
    trigger: str
    reply_to: str | None = None
    dry_run: bool = False


AFRESH = Fetch(known=None, full_check=True)


def plan(connector: Connector, mapping_version: int, now: datetime, full_check_every: timedelta) -> Fetch | Reimport:
    """Decide for a due connector; `mapping_version` is the organisation's current one, 0 for none."""
    if connector.file is not None and connector.file.mapping_version != mapping_version:
        return Reimport(connector.file)
    return look(connector, now, full_check_every)


def look(connector: Connector, now: datetime, full_check_every: timedelta) -> Fetch:
    """A look at the server, with what is known of the file."""
    file = connector.file
    if file is None:
        return AFRESH
    known = Known(
        checksum=file.checksum,
        size=file.size if file.remote_size is None else file.remote_size,
        mtime=file.mtime,
        looked_at=file.looked_at,
        path=file.path,
    )
    return Fetch(known, full_check=now - file.compared_at >= full_check_every)
