"""Every message between the services and every event to and from the UI: the vocabulary of the system.

Jobs are hints ("look at run 42"): the database row is the truth, a lost job is sent again, a repeated one changes
nothing. Fields are only ever added, with defaults, so that old and new code can run side by side.
Events are CloudEvents 1.0 in structured JSON.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from shared.fields import (
    ConnectorName,
    Currency,
    Delimiter,
    DoneMarker,
    Encoding,
    FieldFormat,
    FieldId,
    FieldName,
    FilePath,
    Host,
    Port,
    Text,
    UrlTemplate,
    Username,
)
from shared.trace_context import Trace, parse

UI_EXCHANGE = "leadbay.ui"
EVENTS_EXCHANGE = "leadbay.events"

LARGE_IMPORTS = "sftp.import.large"
LARGE_FILE_BYTES = 20_000_000  # from here on a file is imported apart from small ones


class Job(BaseModel):
    """A message on a work queue: frozen, primitive, a few KB at most, without rows of a file or plain secrets."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    queue: ClassVar[str]
    other_queues: ClassVar[tuple[str, ...]] = ()  # where some of them go instead
    traceparent: str = ""  # W3C trace context of what this is done for
    tracestate: str = ""

    @property
    def destination(self) -> str:
        """The queue that this one goes to."""
        return self.queue


class Known(BaseModel):
    """The file version that was last imported or refused, and the look at which it was seen."""

    model_config = ConfigDict(frozen=True)
    checksum: str  # SHA-256 of the bytes, lower-case hex
    size: int | None  # bytes, as the server gave them: of the archive where the file is packed
    mtime: int | None  # seconds since 1970, the server's clock
    looked_at: datetime  # our clock
    path: str | None = None  # where it lay; another place than now: size and mtime say nothing


class Endpoint(BaseModel):
    """Where a file is and how to log in there."""

    model_config = ConfigDict(frozen=True)
    host: str
    port: int
    username: str
    path: str  # may be a pattern, see shared.file_path
    sealed_password: str = ""  # empty: the login is by private key
    sealed_key: str = ""  # private key and passphrase, as shared.sealing packs them
    host_keys: tuple[str, ...] = ()  # accepted, as "ssh-ed25519 SHA256:..."; empty: the first one seen is pinned
    done_marker: str = ""  # a full path, or what is added to the file's; without it there the file is being written


class CsvOptions(BaseModel):
    """How a connector's file is read, where the admin overrules what is detected."""

    model_config = ConfigDict(frozen=True)
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    quote: Literal['"', "'", ""] | None = None  # empty: no quoting


class Reading(BaseModel):
    """How a file was read."""

    model_config = ConfigDict(frozen=True)
    encoding: str
    encoding_confidence: int = Field(ge=0, le=100)
    delimiter: str
    quote: str
    escape: str
    line_end: Literal["LF", "CRLF", "CR", "mixed", "none"]
    header_line: int | None  # of the file, from 1; None: it has no header, and its columns are #1, #2...


class FetchRequested(Job):
    """Scheduler to fetcher: see whether the file changed and bring it if so. Exactly one answer follows."""

    queue = "sftp.fetch"
    run_id: UUID
    org_id: UUID
    connector_id: UUID
    endpoint: Endpoint
    known: Known | None = None
    full_check: bool = False  # download even if size and mtime say that nothing changed


class Seen(BaseModel):
    """What a look found out about the server and where the file lies there."""

    host_key: str | None = None
    address: str | None = None  # that was connected to
    algorithms: str = ""  # negotiated: key exchange, host key, cipher and digest, separated by spaces
    path: str | None = None  # the file that the File Path led to


class StoredFile(Seen):
    """A file version in the blob store."""

    checksum: str
    blob: str  # key in the blob store
    size: int  # bytes in the blob
    mtime: int | None = None
    looked_at: datetime
    remote_size: int | None = None  # bytes at the server where they differ from those in the blob: of the archive
    remote_checksum: str | None = None  # of those bytes
    reason: str = ""  # why the file was downloaded, in plain words


class FetchProgressed(Job):
    """Fetcher to scheduler: this run is being worked on; it keeps the lease alive."""

    queue = "sftp.reports"
    run_id: UUID
    phase: Literal["started", "downloading", "stored"]
    received_bytes: int = 0
    file: StoredFile | None = None  # when it is stored: what an importer was asked to import


class FetchReported(Seen, Job):
    """Fetcher to scheduler: the answer when there is nothing to import."""

    queue = "sftp.reports"
    run_id: UUID
    verdict: Literal["unchanged", "not_settled", "failed"]
    code: str | None = None  # of shared.errors, unless unchanged
    detail: str = ""  # what was seen, in plain words; never a secret
    size: int | None = None
    mtime: int | None = None
    looked_at: datetime | None = None
    downloaded: bool = False  # the bytes were compared, not only size and mtime
    reason: str = ""  # why they were, in plain words


class ImportRequested(StoredFile, Job):
    """Fetcher (or scheduler, for a stored blob) to importer: the content changed, here it is."""

    queue = "sftp.import"
    other_queues = (LARGE_IMPORTS,)
    run_id: UUID
    org_id: UUID
    connector_id: UUID

    @property
    def destination(self) -> str:
        """The queue for a file of this size: a small one never waits behind a large one."""
        return import_queue(self.size)


def import_queue(size: int) -> str:
    """Where the import of a file of so many bytes, as they lie in the blob store, waits for an importer."""
    return LARGE_IMPORTS if size >= LARGE_FILE_BYTES else ImportRequested.queue


class ConnectionTestRequested(Job):
    """Scheduler to fetcher, on a queue of its own: try the form's fields."""

    queue = "sftp.test"
    test_id: UUID
    org_id: UUID
    subject_id: UUID  # what the password is sealed for: the connector, or this test
    endpoint: Endpoint


class Step(BaseModel):
    """One step of a connection test."""

    model_config = ConfigDict(frozen=True)
    name: Literal["address", "connect", "host_key", "login", "file"]
    ok: bool
    code: str | None = None
    message: str = ""


class ConnectionTested(Seen, Job):
    """Fetcher to scheduler: how the test went."""

    queue = "sftp.reports"
    test_id: UUID
    ok: bool
    steps: tuple[Step, ...]
    size: int | None = None
    mtime: int | None = None
    took_ms: int = 0


class PreviewRequested(Job):
    """Fetcher to importer, on a queue of its own: say what the beginning of a tested file looks like."""

    queue = "sftp.preview"
    test_id: UUID
    org_id: UUID
    blob: str  # key in the blob store
    checksum: str  # of the bytes in the blob
    size: int  # bytes in the blob
    whole_file: bool


class RemovalRequested(Job):
    """Scheduler to importer, and importer to importer: remove another slice of an organisation that was deleted."""

    queue = "sftp.removal"
    org_id: UUID


JOBS: tuple[type[Job], ...] = (
    FetchRequested,
    FetchProgressed,
    FetchReported,
    ImportRequested,
    ConnectionTestRequested,
    ConnectionTested,
    PreviewRequested,
    RemovalRequested,
)


class Asked(BaseModel):
    """What every event from the UI names: for whom, by whom, in which role."""

    model_config = ConfigDict(extra="ignore")
    type: ClassVar[str]
    organisation_id: UUID
    user_id: UUID
    role: str = Field(description="ADMIN or MEMBER; only ADMIN may change anything")


class LoginAsked(BaseModel):
    """How to log in: with a password, or with a private key and its passphrase if it has one."""

    password: SecretStr | None = Field(default=None, min_length=1, max_length=1024)
    private_key: SecretStr | None = Field(
        default=None, min_length=1, max_length=16_384, description="OpenSSH or PEM: Ed25519, ECDSA or RSA"
    )
    passphrase: SecretStr | None = Field(default=None, min_length=1, max_length=1024)

    @field_validator("private_key")
    @classmethod
    def _one_login(cls, private_key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if private_key is not None and info.data.get("password") is not None:
            raise ValueError("give a password or a private key, not both")
        return private_key

    @field_validator("passphrase")
    @classmethod
    def _of_a_key(cls, passphrase: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if passphrase is not None and info.data.get("private_key") is None:
            raise ValueError("a passphrase needs its private key")
        return passphrase


class AboutConnector(Asked):
    """An event about one existing connector of the organisation."""

    connector_id: UUID


class ConnectionTestAsked(LoginAsked, Asked):
    """*Test connection*: of a form, or of an existing connector (then password and private key may be left out)."""

    type = "sftp_connector.test"
    connector_id: UUID | None = None
    host: Host
    port: Port = 22
    username: Username
    path: FilePath
    done_marker: DoneMarker = ""


class CreateAsked(LoginAsked, Asked):
    """*Connect*: make the connector and queue its first sync. It needs a password or a private key."""

    type = "sftp_connector.create"
    name: ConnectorName = ""
    host: Host
    port: Port = 22
    username: Username
    path: FilePath
    done_marker: DoneMarker = ""
    interval_seconds: int = Field(default=900, ge=1, le=604_800)
    csv: CsvOptions = CsvOptions()


class UpdateAsked(LoginAsked, AboutConnector):
    """Change some fields; those left out stay. Another host, port or user name needs password or key again."""

    type = "sftp_connector.update"
    name: ConnectorName | None = None
    host: Host | None = None
    port: Port | None = None
    username: Username | None = None
    path: FilePath | None = None
    done_marker: DoneMarker | None = None
    interval_seconds: int | None = Field(default=None, ge=1, le=604_800)
    csv: CsvOptions | None = None  # None: stays; an empty object: detect again


class DeleteAsked(AboutConnector):
    """Remove the connector and its password; leads stay."""

    type = "sftp_connector.delete"


class SyncNowAsked(AboutConnector):
    """Check the file at once; a dry run only says what an import of it would do."""

    type = "sftp_connector.sync_now"
    dry_run: bool = False


class PauseAsked(AboutConnector):
    """Stop checking the file."""

    type = "sftp_connector.pause"


class ResumeAsked(AboutConnector):
    """Check the file again from now on."""

    type = "sftp_connector.resume"


class AcceptHostKeyAsked(AboutConnector):
    """Trust this host key from now on, beside those already accepted."""

    type = "sftp_connector.accept_host_key"
    host_key: str = Field(pattern=r"^[a-z0-9@.-]{3,64} SHA256:[A-Za-z0-9+/]{43}$", examples=["ssh-ed25519 SHA256:..."])


class MappingSavedAsked(Asked):
    """The organisation's import mapping, the same that manual CSV imports use, was saved."""

    type = "import_mapping.saved"
    fields: dict[Text, Text] = Field(max_length=500)
    statuses: dict[Text, Text] = Field(default_factory=dict, max_length=2000)
    default_status: str | None = None


class CustomFieldSavedAsked(Asked):
    """One of the organisation's custom fields was made or changed; `CUSTOM.<field_id>` is its target in a mapping."""

    type = "custom_field.saved"
    field_id: FieldId
    name: FieldName
    kind: Literal["TEXT", "NUMBER", "PRICE", "DATE", "DATETIME", "EXTERNAL_ID"]
    currency: Currency | None = Field(default=None, validate_default=True, description="PRICE needs it")
    format: FieldFormat | None = None
    url_template: UrlTemplate | None = Field(default=None, validate_default=True, description="EXTERNAL_ID needs it")

    @field_validator("currency")
    @classmethod
    def _a_price_has_a_currency(cls, currency: str | None, info: ValidationInfo) -> str | None:
        if currency is None and info.data.get("kind") == "PRICE":
            raise ValueError("a PRICE needs a currency, for example EUR")
        return currency

    @field_validator("url_template")
    @classmethod
    def _an_external_id_has_a_link(cls, template: str | None, info: ValidationInfo) -> str | None:
        if template is None and info.data.get("kind") == "EXTERNAL_ID":
            raise ValueError("an EXTERNAL_ID needs a link with {value} in it")
        return template


class CustomFieldDeletedAsked(Asked):
    """One of the organisation's custom fields is gone; what leads hold of it stays."""

    type = "custom_field.deleted"
    field_id: FieldId


class OrganisationDeletedAsked(Asked):
    """The organisation is gone: remove everything of it. Whatever it asks afterwards is refused."""

    type = "organisation.deleted"


UI_EVENTS: dict[str, type[Asked]] = {
    asked.type: asked
    for asked in (
        ConnectionTestAsked,
        CreateAsked,
        UpdateAsked,
        DeleteAsked,
        SyncNowAsked,
        PauseAsked,
        ResumeAsked,
        AcceptHostKeyAsked,
        MappingSavedAsked,
        CustomFieldSavedAsked,
        CustomFieldDeletedAsked,
        OrganisationDeletedAsked,
    )
}
SECRET_FIELDS = frozenset({"password", "private_key", "passphrase"})


class Told(BaseModel):
    """What every event to the UI names. `in_reply_to` is the id of the UI event that it answers, if any."""

    model_config = ConfigDict(frozen=True)
    type: ClassVar[str]
    organisation_id: UUID
    in_reply_to: str | None = None


class FieldProblem(BaseModel):
    """What is wrong with one field of a form."""

    model_config = ConfigDict(frozen=True)
    field: str
    code: str
    message: str


class Refused(Told):
    """The event changed nothing, and why."""

    type = "sftp_connector.refused"
    connector_id: UUID | None = None
    code: str
    message: str
    action: str
    errors: tuple[FieldProblem, ...] = ()


class Tested(Told):
    """The outcome of *Test connection*; `ok` is the green check mark."""

    type = "sftp_connector.tested"
    test_id: UUID
    connector_id: UUID | None = None
    ok: bool
    steps: tuple[Step, ...]
    host_key: str | None = None
    size: int | None = None
    mtime: datetime | None = None
    took_ms: int


class ColumnView(BaseModel):
    """A column of a file, and the target that it has or could have."""

    model_config = ConfigDict(frozen=True)
    name: str
    samples: tuple[str, ...] = ()
    target: str | None = None
    confidence: int | None = Field(default=None, ge=0, le=100)  # None: the saved mapping says so
    evidence: str = ""


class StatusView(BaseModel):
    """A status as it stands in a file, and the lead status that it has or could have."""

    model_config = ConfigDict(frozen=True)
    raw: str
    count: int
    status: str | None
    confidence: int | None = Field(default=None, ge=0, le=100)  # None: the saved mapping says so


class Previewed(Told):
    """What a tested file looks like, after a good test."""

    type = "sftp_connector.previewed"
    test_id: UUID
    connector_id: UUID | None = None
    code: str | None = None  # when the file would be refused, with message and detail
    message: str = ""
    detail: str = ""
    reading: Reading | None = None
    columns: tuple[ColumnView, ...] = ()
    statuses: tuple[StatusView, ...] = ()
    mapping_version: int = 0  # 0: the targets are suggestions
    unmapped_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    rows_seen: int = 0
    whole_file: bool = False


class ConnectorView(BaseModel):
    """A connector as the admin sees it; there is no password in it."""

    model_config = ConfigDict(frozen=True)
    id: UUID
    name: str
    host: str
    port: int
    username: str
    path: str
    interval_seconds: int
    state: Literal["active", "paused", "deleted"]
    host_keys: tuple[str, ...]
    next_check_at: datetime | None
    csv: CsvOptions = CsvOptions()
    login: Literal["password", "private_key"] = "password"
    done_marker: str = ""


class ConnectorTold(Told):
    """A change of the connector itself."""

    connector: ConnectorView


class Created(ConnectorTold):
    """The connector exists; its first sync is queued."""

    type = "sftp_connector.created"


class Updated(ConnectorTold):
    """The connector's fields, or its accepted host keys, changed."""

    type = "sftp_connector.updated"


class Paused(ConnectorTold):
    """The file is not checked any more; `code` says why when Leadbay paused it by itself."""

    type = "sftp_connector.paused"
    code: str | None = None
    message: str = ""
    action: str = ""


class PauseWarned(ConnectorTold):
    """Every look has failed for days; Leadbay pauses the connector by itself unless one succeeds before."""

    type = "sftp_connector.pause_warned"
    code: str
    message: str
    action: str
    failures: int
    failing_since: datetime
    pauses_at: datetime  # at the earliest


class Resumed(ConnectorTold):
    """The file is checked again."""

    type = "sftp_connector.resumed"


class Deleted(Told):
    """The connector and its password are gone; leads stay."""

    type = "sftp_connector.deleted"
    connector_id: UUID


class HostKeyChanged(Told):
    """The server shows a key that nobody accepted; no password was sent."""

    type = "sftp_connector.host_key_changed"
    connector_id: UUID
    accepted: tuple[str, ...]
    seen: str
    first_seen: dict[str, datetime] = Field(default_factory=dict)  # when each of these keys was first seen


class RunTold(Told):
    """Something happened to a run."""

    connector_id: UUID
    run_id: UUID


class SyncQueued(RunTold):
    """A look at the file is queued; `already_running` when an earlier one is still open and stands for it."""

    type = "sftp_connector.sync_queued"
    trigger: str
    already_running: bool = False
    dry_run: bool = False


class SyncStarted(RunTold):
    """A fetcher took the run."""

    type = "sftp_connector.sync_started"


class SyncUnchanged(RunTold):
    """The file is as it was: nothing was imported."""

    type = "sftp_connector.sync_unchanged"
    detail: str


class SyncHeld(RunTold):
    """The file cannot be imported just now; it is looked at again by itself."""

    type = "sftp_connector.sync_held"
    code: str
    message: str
    action: str
    detail: str = ""
    next_check_at: datetime | None


class RowCounts(BaseModel):
    """Records of the file: read = created + updated + unchanged + rejected + ignored.

    `missing` were in the version before and are no more in this one; their leads stay. It is left out where it is 0.
    """

    model_config = ConfigDict(frozen=True)
    read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    ignored: int = 0
    missing: int = Field(default=0, exclude_if=lambda count: count == 0)


class RejectedRow(BaseModel):
    """A record that was not imported, or a cell that was left out; it never holds the cell's value."""

    model_config = ConfigDict(frozen=True)
    line: int
    column: str | None = None
    code: str
    reason: str
    record: int | None = None  # number of the record, from 1, the header not counted
    value: str = ""  # the cell's shape, masked: letters are x, digits are 9


class SyncSucceeded(RunTold):
    """The file was imported whole; its rejected rows are counted, the first of them listed."""

    type = "sftp_connector.sync_succeeded"
    checksum: str
    mapping_version: int
    rows: RowCounts
    rejects: tuple[RejectedRow, ...] = ()
    warning_count: int = 0
    warnings: tuple[RejectedRow, ...] = ()
    unknown_statuses: dict[str, int] = Field(default_factory=dict)
    unmapped_columns: tuple[str, ...] = ()
    missing_columns: tuple[str, ...] = ()
    dry_run: bool = False  # nothing was written; the counts are what an import would do
    reading: Reading | None = None
    reject_blob: str | None = None  # key in the blob store of the rejected rows, as CSV
    detail: str = ""  # what was compared and how many rows were merged, in plain words


class MappingNeeded(RunTold):
    """No mapping yet: the file is stored, and imported by itself, without a new download, when one is saved."""

    type = "sftp_connector.mapping_needed"
    code: str
    message: str
    action: str
    rows: int  # records in the file
    reading: Reading
    columns: tuple[ColumnView, ...]
    statuses: tuple[StatusView, ...] = ()
    detail: str = ""  # what was read, in plain words


class SyncFailed(RunTold):
    """The run ended without an import; leads are as they were."""

    type = "sftp_connector.sync_failed"
    code: str
    message: str
    action: str
    detail: str = ""
    next_check_at: datetime | None = None


class SyncCancelled(RunTold):
    """The connector was changed or deleted while the run was open, or a dry run gave way; leads are as they were."""

    type = "sftp_connector.sync_cancelled"
    detail: str = ""  # what ended it, in plain words


class MappingSaved(Told):
    """The mapping is kept under a version; files are imported again with it."""

    type = "import_mapping.accepted"
    version: int


class CustomFieldKept(Told):
    """The custom field is known here from now on, or known to be gone."""

    type = "custom_field.accepted"
    field_id: str
    deleted: bool = False


class BulkProgress(BaseModel):
    """The counters of the notification bell."""

    model_config = ConfigDict(frozen=True)
    total_count: int
    success_count: int
    failure_count: int
    quota_hit_count: int = 0


class NotificationPushed(Told):
    """A row of the notification bell, pushed on progress and once more when it is done."""

    type = "notification"
    title: str
    content: str
    in_progress: bool
    file_import_id: UUID
    bulk_progress: BulkProgress


class OrganisationRemoved(Told):
    """No table holds a row of the organisation any more, and the blob store no file."""

    type = "organisation.removed"
    leads: int
    blobs: int


TOLD: tuple[type[Told], ...] = (
    Refused,
    Tested,
    Previewed,
    Created,
    Updated,
    Paused,
    PauseWarned,
    Resumed,
    Deleted,
    HostKeyChanged,
    SyncQueued,
    SyncStarted,
    SyncUnchanged,
    SyncHeld,
    SyncSucceeded,
    MappingNeeded,
    SyncFailed,
    SyncCancelled,
    MappingSaved,
    CustomFieldKept,
    NotificationPushed,
    OrganisationRemoved,
)


class CloudEvent(BaseModel):
    """The envelope of every event (CloudEvents 1.0, structured JSON). Source and id together make it unique."""

    model_config = ConfigDict(extra="ignore")
    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
    source: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]+$")
    type: str = Field(min_length=1, max_length=200)
    time: datetime | None = None
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]
    # W3C trace context (a CloudEvents extension). What is not valid counts as left out.
    traceparent: str | None = Field(default=None, exclude_if=lambda value: value is None)
    tracestate: str | None = Field(default=None, exclude_if=lambda value: value is None)

    @property
    def trace(self) -> Trace | None:
        """The trace that the event is part of."""
        return parse(self.traceparent, self.tracestate)

    @field_validator("traceparent", "tracestate", mode="before")
    @classmethod
    def _text(cls, value: object) -> object:
        return value if isinstance(value, str) else None

    @model_validator(mode="after")
    def _only_a_valid_trace(self) -> Self:
        trace = self.trace
        self.traceparent = trace.parent if trace else None
        self.tracestate = trace.state or None if trace else None
        return self

    @field_validator("data", mode="before")
    @classmethod
    def _object(cls, data: object) -> object:
        if not isinstance(data, dict):
            raise ValueError("data must be a JSON object")
        return data
