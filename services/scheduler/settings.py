"""The scheduler's settings."""

from pydantic import Field, field_validator

from shared.sealing import public_key
from shared.settings import DatabaseSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings):
    """Read from the environment once, at start."""

    seal_public_key: str = Field(description="the fetcher's public key, base64; passwords are sealed to it")
    report_threads: int = Field(default=4, ge=1, description="threads that take the fetchers' reports")
    tick_seconds: float = Field(default=1.0, gt=0, description="how often due connectors are looked for")
    sweep_seconds: float = Field(default=5.0, gt=0, description="how often runs past their lease are looked for")
    batch_size: int = Field(default=100, ge=1, description="connectors claimed in one transaction")
    max_queued: int = Field(default=1000, ge=1, description="runs that may wait for a fetcher at once")
    queue_lease_seconds: float = Field(default=900, gt=0, description="a run not started after this is sent again")
    fetch_lease_seconds: float = Field(default=120, gt=0, description="a fetch silent for this long is sent again")
    stored_lease_seconds: float = Field(default=900, gt=0, description="a file not claimed after this is sent again")
    max_sends: int = Field(default=5, ge=1, description="fetches of one run before it is given up")
    max_attempts: int = Field(default=5, ge=1, description="imports of one run before it is given up")
    full_check_seconds: float = Field(default=86_400, gt=0, description="how often bytes are compared in any case")
    min_interval_seconds: int = Field(default=60, ge=1, description="the shortest interval an admin may choose")
    test_timeout_seconds: float = Field(default=30, gt=0, description="a connection test is answered by then")

    @field_validator("seal_public_key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        public_key(text)
        return text
