"""The blocks of settings that several services read: SFTP_CONNECTOR_<NAME>, from the environment or from files."""

import contextlib
import difflib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, TypeVar, get_origin
from urllib.parse import urlsplit

import pika
from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from shared.sealing import private_key, public_key
from shared.setting_names import NAMES

PREFIX = "SFTP_CONNECTOR_"
# Where files are that are named like the variables. A variable of the environment wins.
SECRETS_DIR = f"{PREFIX}SECRETS_DIR"
_OTHERS = {"SECRETS_DIR", "FAILPOINTS"}


class Block(BaseSettings):
    """Some settings; a service's own are composed of several blocks."""

    # Lists are decoded below, where one that is no JSON is a problem like any other.
    model_config = SettingsConfigDict(env_prefix=PREFIX, hide_input_in_errors=True, enable_decoding=False)

    @field_validator("*", mode="before")
    @classmethod
    def _decoded(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[info.field_name or ""]
        if not isinstance(value, str) or get_origin(field.annotation) is not list:
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError("Input should be a JSON list") from None


class BusSettings(Block):
    """RabbitMQ, for everyone."""

    amqp_url: SecretStr = Field(description="RabbitMQ, as amqp:// or amqps:// URL")

    @field_validator("amqp_url")
    @classmethod
    def _is_a_url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        # What the library says of a wrong one quotes a piece of it, which may be one of the password.
        with contextlib.suppress(ValueError, TypeError, SyntaxError, LookupError):
            pika.URLParameters(text)
            parts = urlsplit(text)
            # Without a host the library takes this machine.
            if parts.scheme in {"amqp", "amqps"} and parts.hostname:
                return url
        raise ValueError("Input should be an amqp:// or amqps:// URL with a host, user and password escaped")


class TraceSettings(Block):
    """Spans for an OpenTelemetry collector, for every service; off by default."""

    otlp_endpoint: str | None = Field(
        default=None,
        description="where spans are sent, such as http://collector:4318/v1/traces; wants the extra `otel`",
    )
    trace_sampled: bool = Field(default=False, description="a trace that begins here asks to be recorded")

    @field_validator("otlp_endpoint")
    @classmethod
    def _can_be_sent(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        if not re.fullmatch(r"https?://[^\s/@]+(/[^\s@]*)?", endpoint):
            raise ValueError("Input should be a URL such as http://collector:4318/v1/traces, without a user")
        if find_spec("opentelemetry") is None:
            raise ValueError("The packages that send spans are missing: install requirements-otel.txt")
        return endpoint


class ServiceSettings(BusSettings, TraceSettings):
    """What every service reads."""

    http_host: str = Field(default="127.0.0.1", description="address that serves /metrics, /healthz and /readyz")
    http_port: int = Field(default=9100, ge=0, le=65535, description="its port; 0 takes a free one")
    grace_seconds: float = Field(default=25.0, gt=0, description="how long a stop waits for the work in hand")
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="what is logged")


class DatabaseSettings(Block):
    """PostgreSQL, for scheduler and importer."""

    database_url: SecretStr = Field(description="PostgreSQL, as postgresql:// URL")
    idle_transaction_seconds: float = Field(
        default=120, ge=1, description="PostgreSQL ends a transaction that asks for nothing for so long"
    )


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


class Wrong(Exception):
    """Settings that are missing, wrong or misspelt: a line for each, which names the variable and never its value."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(f"{len(lines)} settings are wrong")
        self.lines = lines


def read(settings: type[S]) -> S:
    """The settings from the environment and files; Wrong names every problem."""
    folder = os.environ.get(SECRETS_DIR) or None
    if folder is not None and not Path(folder).is_dir():
        raise Wrong([f"{SECRETS_DIR}: there is no such folder"])
    names = [*os.environ, *(path.name for path in Path(folder).iterdir())] if folder else list(os.environ)
    problems = dict(_unknown(names, NAMES | set(settings.model_fields)))
    try:
        found = settings(_secrets_dir=folder)
    except ValidationError as error:
        # The last problem of a setting wins: it stands once, however many of its items are wrong.
        problems |= {_variable(str(one["loc"][0])): one["msg"] for one in error.errors(include_input=False)}
    except SettingsError as error:
        # The text names the field, in quotes, and its cause would quote the value.
        problems[_variable(str(error).split('"')[1])] = "Its file cannot be read as UTF-8 text"
    if problems:
        raise Wrong([f"{name}: {message.removeprefix('Value error, ')}" for name, message in problems.items()])
    return found


def load(settings: type[S]) -> S:
    """The settings from the environment and files; ends the process with a line for each that is missing or wrong."""
    try:
        return read(settings)
    except Wrong as wrong:
        sys.stderr.write("".join(f"{line}\n" for line in wrong.lines))
        raise SystemExit(2) from None


def _variable(field: str) -> str:
    return f"{PREFIX}{field.upper()}"


def _unknown(names: Iterable[str], known: frozenset[str]) -> Iterator[tuple[str, str]]:
    """The names with our prefix that no setting has, and what each was meant to be."""
    settings = sorted({name.upper() for name in known} | _OTHERS)
    ours = sorted({name.upper() for name in names if name.upper().startswith(PREFIX)})
    # Kubernetes tells each container of the services in its namespace, in variables named after them.
    services = [name.removesuffix("_SERVICE_HOST") for name in ours if name.endswith("_SERVICE_HOST")]
    for name in ours:
        told = any(name.startswith((f"{service}_SERVICE_", f"{service}_PORT")) for service in services)
        if name.removeprefix(PREFIX) in settings or told:
            continue
        close = difflib.get_close_matches(name.removeprefix(PREFIX), settings, n=1)
        yield name, "There is no such setting" + (f"; did you mean {PREFIX}{close[0]}?" if close else "")
