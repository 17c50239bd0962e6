"""The blocks of settings that several services read, from the environment: SFTP_CONNECTOR_<NAME>."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every service reads."""

    model_config = SettingsConfigDict(env_prefix="SFTP_CONNECTOR_", hide_input_in_errors=True)

    amqp_url: SecretStr = Field(description="RabbitMQ, as amqp:// or amqps:// URL")
    http_host: str = Field(default="127.0.0.1", description="address that serves /metrics, /healthz and /readyz")
    http_port: int = Field(default=9100, ge=0, le=65535, description="its port; 0 takes a free one")
    grace_seconds: float = Field(default=25.0, gt=0, description="how long a stop waits for the work in hand")
    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")


class DatabaseSettings(BaseSettings):
    """PostgreSQL, for scheduler and importer."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql:// URL")


class BlobSettings(BaseSettings):
    """The object store, for fetcher and importer."""

    blob_url: str = Field(description="where files are kept: file:///folder, s3://bucket/prefix, gs://... or az://...")
