"""The fetcher's settings."""

from pydantic import Field

from shared.settings import BlobSettings, OpenSettings, ReachSettings, ServiceSettings


class Settings(ServiceSettings, BlobSettings, ReachSettings, OpenSettings):
    """Read from the environment once, at start."""

    fetch_threads: int = Field(default=4, ge=1, description="files fetched at once")
    test_threads: int = Field(default=2, ge=1, description="connection tests made at once")
    connect_seconds: float = Field(default=10, gt=0, description="time for connecting and the key exchange")
    login_seconds: float = Field(default=15, gt=0, description="time for the login")
    read_seconds: float = Field(default=30, gt=0, description="time for one answer of the server")
    fetch_seconds: float = Field(default=14_400, gt=0, description="time for a look with its download")
    progress_seconds: float = Field(default=10, gt=0, description="how often a download reports that it is alive")
    min_bytes_per_minute: int = Field(default=65_536, ge=0, description="a slower download is broken off")
    max_file_bytes: int = Field(default=5_368_709_120, ge=1, description="larger files are refused")
    max_unpack_ratio: int = Field(
        default=200, ge=1, description="archives that unpack to more times their size are refused"
    )
    max_entries: int = Field(default=10_000, ge=1, description="larger folders are not looked through for a pattern")
    max_resumes: int = Field(default=10, ge=0, description="logins to go on with a download that broke off")
    resume_pause_seconds: float = Field(default=2, ge=0, description="wait before each of them")
    preview_bytes: int = Field(default=262_144, ge=1, description="how much of a tested file is brought for a preview")
