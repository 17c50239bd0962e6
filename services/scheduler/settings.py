"""The scheduler's settings."""

from datetime import timedelta

from pydantic import Field

from services.scheduler.core.cadence import Patience
from services.scheduler.core.fairness import Caps
from shared.settings import DatabaseSettings, ReachSettings, SealSettings, ServiceSettings


class Settings(ServiceSettings, DatabaseSettings, ReachSettings, SealSettings):
    """Read from the environment once, at start."""

    report_threads: int = Field(default=4, ge=1, description="threads that take the fetchers' reports")
    tick_seconds: float = Field(default=0.25, gt=0, description="how often due connectors are looked for")
    sweep_seconds: float = Field(default=5.0, gt=0, description="how often runs past their lease are looked for")
    batch_size: int = Field(default=100, ge=1, description="connectors claimed in one transaction")
    max_queued: int = Field(default=1000, ge=1, description="runs that may wait for a fetcher at once")
    max_per_server: int = Field(default=4, ge=1, description="looks at one server's files at once, over all fetchers")
    max_per_organisation: int = Field(default=20, ge=1, description="looks for one organisation at once")
    max_open_tests: int = Field(default=5, ge=1, description="unanswered connection tests of one organisation")
    queue_lease_seconds: float = Field(default=900, gt=0, description="a run not started after this is sent again")
    fetch_lease_seconds: float = Field(default=120, gt=0, description="a fetch silent for this long is sent again")
    stored_lease_seconds: float = Field(default=900, gt=0, description="a file not claimed after this is sent again")
    max_sends: int = Field(default=5, ge=1, description="fetches of one run before it is given up")
    max_attempts: int = Field(default=5, ge=1, description="imports of one run before it is given up")
    full_check_seconds: float = Field(default=86_400, gt=0, description="how often bytes are compared in any case")
    min_interval_seconds: int = Field(default=60, ge=1, description="the shortest interval an admin may choose")
    pause_failures: int = Field(default=10, ge=1, description="failures in a row before a connector is paused")
    pause_days: float = Field(default=7, gt=0, description="days that they last before it is paused")
    test_timeout_seconds: float = Field(default=30, gt=0, description="a connection test is answered by then")
    kept_decisions_days: int = Field(default=30, ge=1, description="days that the decision log goes back")
    kept_runs_days: int = Field(default=45, ge=31, description="days that runs are kept; more than kept_days")
    forget_batch: int = Field(default=1_000, ge=1, description="old decisions, and old runs, removed in one sweep")

    @property
    def caps(self) -> Caps:
        """How many looks may be under way at once."""
        return Caps(self.max_per_server, self.max_per_organisation)

    @property
    def patience(self) -> Patience:
        """How long failures go on before a connector is paused."""
        return Patience(self.pause_failures, timedelta(days=self.pause_days))
