"""The importer's settings."""

from pydantic import Field, ValidationInfo, field_validator

from services.importer.core.rows import Limits
from shared.settings import BlobSettings, DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, BlobSettings):
    """Read from the environment once, at start."""

    import_threads: int = Field(default=1, ge=0, description="files below 20 MB imported at once; 0: none")
    large_import_threads: int = Field(
        default=1, ge=0, description="larger files imported at once; 0: none, where other importers take them"
    )
    preview_threads: int = Field(default=1, ge=1, description="previews of tested files made at once")
    lease_seconds: float = Field(default=60, gt=0, description="an import silent for this long may be taken over")
    batch_rows: int = Field(default=5000, ge=1, description="rows merged with one set of statements")
    kept_rejects: int = Field(default=10_000, ge=0, description="rejected rows kept with their reason, a run")
    told_rejects: int = Field(default=20, ge=0, description="rejected rows listed in the event, a run")
    blob_sweep_seconds: float = Field(default=3600, gt=0, description="how often the blob store is swept")
    young_blob_seconds: float = Field(default=86_400, gt=0, description="younger blobs are kept, whatever they are")
    kept_versions: int = Field(default=10, ge=1, description="versions of its file that are kept, a connector")
    kept_days: int = Field(default=30, ge=1, description="older versions and reject files are removed")
    max_rows: int = Field(default=20_000_000, ge=1, description="files with more rows are refused")
    max_columns: int = Field(default=2_000, ge=1, description="files with more columns are refused")
    max_header_chars: int = Field(default=100_000, ge=1, description="files with a longer column name are refused")
    max_record_lines: int = Field(default=1_000, ge=1, description="rows over more lines are rejected")
    max_record_chars: int = Field(default=1_000_000, ge=1, description="longer rows are rejected")
    max_cell_chars: int = Field(default=100_000, ge=1, description="rows with a longer cell are rejected")

    @field_validator("large_import_threads")
    @classmethod
    def _imports_something(cls, threads: int, info: ValidationInfo) -> int:
        if threads == 0 and info.data.get("import_threads") == 0:
            raise ValueError("must be above 0 where import_threads is 0")
        return threads

    def limits(self) -> Limits:
        """What bounds the reading of a file."""
        return Limits(
            record_lines=self.max_record_lines,
            record_chars=self.max_record_chars,
            cell_chars=self.max_cell_chars,
            columns=self.max_columns,
            header_chars=self.max_header_chars,
            rows=self.max_rows,
        )
