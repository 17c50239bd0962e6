"""The blocks of settings that several services read, from the environment: SFTP_CONNECTOR_<NAME>."""

import sys
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.sealing import private_key, public_key

PREFIX = "SFTP_CONNECTOR_"


class Block(BaseSettings):
    """Some settings; a service's own are composed of several blocks."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, hide_input_in_errors=True)


class ServiceSettings(Block):
    """What every service reads."""

    amqp_url: SecretStr = Field(description="RabbitMQ, as amqp:// or amqps:// URL")
    http_host: str = Field(default="127.0.0.1", description="address that serves /metrics, /healthz and /readyz")
    http_port: int = Field(default=9100, ge=0, le=65535, description="its port; 0 takes a free one")
    grace_seconds: float = Field(default=25.0, gt=0, description="how long a stop waits for the work in hand")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="what is logged")


class DatabaseSettings(Block):
    """PostgreSQL, for scheduler and importer."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql:// URL")


class BlobSettings(Block):
    """The object store, for fetcher and importer."""

    blob_url: str = Field(description="where files are kept: file:///folder, s3://bucket/prefix, gs://... or az://...")


class ReachSettings(Block):
    """Where connections to customers' servers may go, for scheduler and fetcher."""

    allowed_networks: list[IPv4Network | IPv6Network] = Field(
        default_factory=list, description="private networks that customers' hosts may lie in, as a JSON list"
    )
    refused_ports: list[int] = Field(
        default=[25, 53, 110, 143, 2379, 3306, 4369, 5432, 5671, 5672, 6379, 6432, 9100, 9200, 15672, 25672, 27017],
        description="ports of our own and of other services, where no customer's SFTP server is, as a JSON list",
    )


class SealSettings(Block):
    """What logins are sealed to, for the scheduler."""

    seal_public_key: str = Field(description="the fetcher's public key, base64; passwords are sealed to it")

    @field_validator("seal_public_key")
    @classmethod
    def _is_a_key(cls, text: str) -> str:
        public_key(text)
        return text


class OpenSettings(Block):
    """What opens sealed logins, for the fetcher alone."""

    seal_private_keys: list[SecretStr] = Field(
        min_length=1, description="keys that open sealed passwords, base64, as a JSON list; several allow rotation"
    )

    @field_validator("seal_private_keys")
    @classmethod
    def _are_keys(cls, texts: list[SecretStr]) -> list[SecretStr]:
        for text in texts:
            private_key(text.get_secret_value())
        return texts


S = TypeVar("S", bound=Block)


def load(settings: type[S]) -> S:
    """The settings from the environment; ends the process with a line for each that is missing or wrong."""
    try:
        return settings()
    except ValidationError as error:
        problems = [(str(found["loc"][0]), found["msg"]) for found in error.errors(include_input=False)]
    except SettingsError as error:
        # A list that is no JSON. The text names the field, in quotes, and its cause would quote the value.
        problems = [(str(error).split('"')[1], "Input should be a JSON list")]
    # The last problem of a setting wins: it stands once, however many of its items are wrong.
    for name, message in dict(problems).items():
        sys.stderr.write(f"{PREFIX}{name.upper()}: {message}\n")
    raise SystemExit(2)
