"""The fetcher's settings."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field, SecretStr, field_validator

from shared.sealing import private_key
from shared.settings import BlobSettings, ServiceSettings


class Settings(ServiceSettings, BlobSettings):
    """Read from the environment once, at start."""

    seal_private_keys: list[SecretStr] = Field(
        min_length=1, description="keys that open sealed passwords, base64, as a JSON list; several allow rotation"
    )
    allowed_networks: list[IPv4Network | IPv6Network] = Field(
        default_factory=list, description="private networks that customers' hosts may lie in, as a JSON list"
    )
    fetch_threads: int = Field(default=4, ge=1, description="files fetched at once")
    test_threads: int = Field(default=2, ge=1, description="connection tests made at once")
    connect_seconds: float = Field(default=10, gt=0, description="time for connecting and the key exchange")
    login_seconds: float = Field(default=15, gt=0, description="time for the login")
    read_seconds: float = Field(default=30, gt=0, description="time for one answer of the server")
    progress_seconds: float = Field(default=10, gt=0, description="how often a download reports that it is alive")
    min_bytes_per_minute: int = Field(default=65_536, ge=0, description="a slower download is broken off")
    max_file_bytes: int = Field(default=5_368_709_120, ge=1, description="larger files are refused")
    preview_bytes: int = Field(default=262_144, ge=1, description="how much of a tested file is brought for a preview")

    @field_validator("seal_private_keys")
    @classmethod
    def _are_keys(cls, texts: list[SecretStr]) -> list[SecretStr]:
        for text in texts:
            private_key(text.get_secret_value())
        return texts
