"""The importer's runs: claiming one, and ending it, all fenced."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from services.importer.core.mapping import Mapping as ImportMapping
from services.importer.core.record import Reject
from services.importer.core.targets import CustomField
from services.importer.outcome import Ending
from shared import tracing
from shared.contracts import LARGE_FILE_BYTES, CsvOptions, ImportRequested
from shared.database import Db, Row, queries, see
from shared.decisions import note
from shared.errors import Fenced
from shared.outbox import put_job
from shared.trace_context import parse

SQL = queries(Path(__file__).with_name("queries.sql"))
_REJECT = ("line", "record", "column", "code", "reason", "value")


@dataclass(frozen=True, slots=True)
class Claim:
    """A run that is this importer's, until its lease ends."""

    run_id: UUID
    org_id: UUID
    connector_id: UUID
    attempt: int
    reply_to: str | None
    dry_run: bool
    checksum: str
    blob: str
    file_checksum: str | None
    file_mapping_version: int | None
    file_code: str | None
    connector_name: str
    path: str
    csv: CsvOptions

    @property
    def fence(self) -> dict[str, Any]:
        """What every write names."""
        return {"run_id": self.run_id, "attempt": self.attempt}


class Store:
    """Reads and writes within one transaction."""

    def __init__(self, db: Db) -> None:
        self.db = db

    def claim(self, request: ImportRequested, lease: float) -> Claim | None:
        """Take the run; None when it is done, cancelled, another organisation's, or somebody else's just now.

        None as well while another import of the organisation is under way: then the run waits for its turn.
        """
        self._do("lock_turns", org_id=request.org_id)
        row = self._one("claim", lease=lease, **request.model_dump(exclude={"connector_id"}))
        if row is None:
            return None
        if row.pop("taken"):
            note(self.db, request.run_id, "awaits turn", "another import of the organisation is under way")
            return None
        note(self.db, request.run_id, "claimed", ", ".join(filter(None, (f"attempt {row['attempt']}", request.reason))))
        return Claim(csv=CsvOptions.model_validate(row.pop("csv_options")), **row)

    def awaits_turn(self, run_id: UUID) -> bool:
        """Whether the run waits until another import of its organisation ends."""
        return self._one("awaits_turn", run_id=run_id) is not None

    def hand_on(self, org_id: UUID) -> None:
        """Owe an importer the organisation's next run, unless an import is under way or none waits."""
        self._do("lock_turns", org_id=org_id)
        if row := self._one("hand_on", org_id=org_id, large=LARGE_FILE_BYTES):
            note(self.db, row["run_id"], "has turn")
            with tracing.of(parse(row["traceparent"], row["tracestate"])):
                put_job(self.db, ImportRequested.model_validate(row), row["run_id"])

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Within it the transaction may be idle for long, while files go to the blob store."""
        self._do("idle_long")
        yield
        self._do("idle_short")

    def extend_lease(self, claim: Claim, lease: float) -> bool:
        """Keep the run; False when it was lost."""
        return self.db.execute(SQL["extend_lease"], {"lease": lease, **claim.fence}).rowcount == 1

    def end_fenced(self, claim: Claim) -> int:
        """End the sessions that hold the organisation's leads although the run is ours; how many."""
        see(self.db, claim.org_id)
        return len(self.db.execute(SQL["end_fenced"], claim.fence).fetchall())

    def put_off(self, claim: Claim) -> bool:
        """Have the run wait for its message to be tried again; False when it was lost. The attempt does not count."""
        is_ours = self._one("put_off", **claim.fence) is not None
        if is_ours:
            note(self.db, claim.run_id, "put off", f"attempt {claim.attempt}: something that it needs is away")
        return is_ours

    def hold(self, claim: Claim) -> bool:
        """Keep the run from being ended until the transaction ends; False when it was lost or is busy just now."""
        return self._one("hold", **claim.fence) is not None

    def send_back(self, claim: Claim) -> None:
        """Have the file fetched again, unless the run was lost meanwhile; the organisation's next run is handed on."""
        self._lock(claim)
        if self._one("send_back", **claim.fence) is not None:
            note(self.db, claim.run_id, "sent back", "the stored file is missing or damaged")
        self.hand_on(claim.org_id)

    def note_fenced(self, claim: Claim, reason: str) -> None:
        """Note that an importer held the run no more; the organisation's next run is handed on."""
        note(self.db, claim.run_id, "fenced", f"attempt {claim.attempt}: {reason}")
        self.hand_on(claim.org_id)

    def is_removed(self, org_id: UUID) -> bool:
        """Whether the organisation was deleted."""
        return self._one("removal", org_id=org_id) is not None

    def mapping(self, org_id: UUID) -> ImportMapping | None:
        """The organisation's current mapping."""
        row = self._one("mapping", org_id=org_id)
        if row is None:
            return None
        custom_fields = {field_id: CustomField(**field) for field_id, field in row.pop("custom_fields").items()}
        return ImportMapping(**row, custom_fields=custom_fields)

    def keep_rejects(self, claim: Claim, rejects: Sequence[Reject]) -> None:
        """Keep rejected rows with their reasons."""
        see(self.db, claim.org_id)
        columns = {name: [getattr(reject, name) for reject in rejects] for name in _REJECT}
        self._do("keep_rejects", run_id=claim.run_id, org_id=claim.org_id, **columns)

    def fingerprints(self, connector_id: UUID) -> Row | None:
        """What the import before left: blob, checksum of its bytes, mapping_version and recipe."""
        return self._one("fingerprints", connector_id=connector_id)

    def keep_fingerprints(
        self, claim: Claim, *, blob: str, checksum: str, mapping_version: int, recipe: str
    ) -> str | None:
        """Leave them to the next import; the blob that they replace, if any."""
        # An admin who points the connector at another file takes them away, under the connector's lock.
        self._lock(claim)
        left = {"blob": blob, "checksum": checksum, "mapping_version": mapping_version, "recipe": recipe}
        row = self._one("keep_fingerprints", connector_id=claim.connector_id, org_id=claim.org_id, **left)
        return row["replaced"] if row else None

    def finish(self, claim: Claim, ending: Ending) -> Mapping[str, Any]:
        """End the run and note that this file version is dealt with; Fenced when the run was lost meanwhile.

        After a dry run the connector stays as it is, but for its first host key. The organisation's next run is
        handed on.
        """
        self._lock(claim)
        run = self._one(
            "finish_run",
            outcome=ending.result,
            code=ending.code,
            detail=ending.detail,
            mapping_version=ending.mapping_version,
            reading=Jsonb(ending.reading.model_dump()) if ending.reading else None,
            reject_blob=ending.reject_blob,
            warning_count=ending.outcome.warning_count if ending.outcome else 0,
            **claim.fence,
            **dict(ending.counts()),
        )
        if run is None:
            raise Fenced("the run was taken over, cancelled or its connector deleted")
        self.db.execute(SQL["pin_host_key"], {"run_id": claim.run_id})
        if claim.dry_run:
            connector = self._one("connector_as_it_is", connector_id=claim.connector_id)
        else:
            connector = self._one(
                "finish_connector", run_id=claim.run_id, mapping_version=ending.mapping_version, code=ending.code
            )
        assert connector is not None  # noqa: S101 - a run's connector is never removed
        self.hand_on(claim.org_id)
        return {**run, **connector}

    def take_preview(self, org_id: UUID, test_id: UUID) -> Row | None:
        """The test that a preview belongs to; None when it has one already."""
        return self._one("take_preview", org_id=org_id, test_id=test_id)

    def _lock(self, claim: Claim) -> None:
        """The organisation's turn first, then the connector, then the run: everybody locks in this order."""
        see(self.db, claim.org_id)
        self._do("lock_turns", org_id=claim.org_id)
        self._do("lock_connector", connector_id=claim.connector_id)

    def _do(self, name: str, /, **values: Any) -> None:
        self.db.execute(SQL[name], values)

    def _one(self, name: str, /, **values: Any) -> Row | None:
        return self.db.execute(SQL[name], values).fetchone()
