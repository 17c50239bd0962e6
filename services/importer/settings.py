"""The importer's settings."""

from pydantic import Field

from shared.settings import BlobSettings, DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, BlobSettings):
    """Read from the environment once, at start."""

    import_threads: int = Field(default=1, ge=1, description="files imported at once")
    lease_seconds: float = Field(default=60, gt=0, description="an import silent for this long may be taken over")
    batch_rows: int = Field(default=5000, ge=1, description="rows merged with one set of statements")
    kept_rejects: int = Field(default=10_000, ge=0, description="rejected rows kept with their reason, a run")
    told_rejects: int = Field(default=20, ge=0, description="rejected rows listed in the event, a run")
