"""Settings come from the environment; what is missing or wrong is told by name, one line each, never by value."""

import base64
import json
import os

import pytest
from pydantic import SecretStr

from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from services.scheduler.settings import Settings as SchedulerSettings
from shared.settings import PREFIX, Block, ReachSettings, load

KEYS = [base64.b64encode(f"canary key of exactly 32 bytes {n}".encode()).decode() for n in (1, 2)]
GOOD = {
    "AMQP_URL": "amqp://user:canary-secret@localhost/",
    "DATABASE_URL": "postgresql://user:canary-secret@localhost/",
    "BLOB_URL": "file:///tmp/blobs",
    "SEAL_PUBLIC_KEY": KEYS[0],
    "SEAL_PRIVATE_KEYS": json.dumps(KEYS),
}
SERVICES: list[type[Block]] = [SchedulerSettings, FetcherSettings, ImporterSettings]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing is configured."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)
    return monkeypatch


def configure(environment: pytest.MonkeyPatch, **changes: str) -> None:
    for name, value in (GOOD | changes).items():
        environment.setenv(PREFIX + name, value)


def complaint(settings: type[Block], capsys: pytest.CaptureFixture[str]) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        load(settings)
    assert ended.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    return written.err.splitlines()


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (SchedulerSettings, {"AMQP_URL", "DATABASE_URL", "SEAL_PUBLIC_KEY"}),
        (FetcherSettings, {"AMQP_URL", "BLOB_URL", "SEAL_PRIVATE_KEYS"}),
        (ImporterSettings, {"AMQP_URL", "DATABASE_URL", "BLOB_URL"}),
    ],
)
def test_each_missing_setting_is_one_line_that_names_its_variable(
    settings: type[Block], needed: set[str], environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = complaint(settings, capsys)

    assert {line.partition(": ")[0] for line in lines} == {PREFIX + name for name in needed}
    assert len(lines) == len(needed)


@pytest.mark.parametrize("settings", SERVICES)
def test_what_is_needed_is_enough(settings: type[Block], environment: pytest.MonkeyPatch) -> None:
    configure(environment)

    loaded = load(settings)

    assert "canary" not in repr(loaded)
    assert "canary" not in loaded.model_dump_json()


@pytest.mark.parametrize(
    ("settings", "name", "value"),
    [
        (SchedulerSettings, "HTTP_PORT", "canary"),
        (SchedulerSettings, "HTTP_PORT", "65536"),
        (SchedulerSettings, "LOG_LEVEL", "canary"),
        (SchedulerSettings, "GRACE_SECONDS", "0"),
        (SchedulerSettings, "TICK_SECONDS", "-1"),
        (SchedulerSettings, "BATCH_SIZE", "0"),
        (SchedulerSettings, "MAX_PER_SERVER", "0"),
        (SchedulerSettings, "PAUSE_DAYS", "0"),
        (SchedulerSettings, "ALLOWED_NETWORKS", '["canary"]'),
        (SchedulerSettings, "REFUSED_PORTS", "22"),
        (FetcherSettings, "REFUSED_PORTS", '["canary"]'),
        (FetcherSettings, "SEAL_PRIVATE_KEYS", "canary-not-a-list"),
        (FetcherSettings, "SEAL_PRIVATE_KEYS", '{"canary": 1}'),
        (FetcherSettings, "SEAL_PRIVATE_KEYS", "[]"),
        (FetcherSettings, "SEAL_PRIVATE_KEYS", '[["canary"], 7]'),
        (FetcherSettings, "SEAL_PRIVATE_KEYS", ""),
        (FetcherSettings, "ALLOWED_NETWORKS", "10.0.0.0/8"),
        (FetcherSettings, "ALLOWED_NETWORKS", '["canary", "10.0.0.1/8"]'),
        (ImporterSettings, "KEPT_REJECTS", "canary"),
        *(
            (FetcherSettings, "AMQP_URL", url)
            for url in (
                "amqp://user:canary/word@localhost/",
                "amqp://user:canary@/",
                "amqp://",
                "amqp:canary",
                "canary",
                "http://user:canary@localhost/",
                "amqp://[canary/",
                "amqp://user:canary@localhost/?heartbeat=canary",
                "amqp://user:canary@localhost/?ssl_options=canary",
            )
        ),
        (ImporterSettings, "OTLP_ENDPOINT", "canary:4318"),
        (ImporterSettings, "OTLP_ENDPOINT", "https://user:canary@collector/v1/traces"),
    ],
)
def test_a_wrong_setting_is_one_line_without_its_value(
    settings: type[Block],
    name: str,
    value: str,
    environment: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure(environment, **{name: value})

    (line,) = complaint(settings, capsys)

    assert line.startswith(f"{PREFIX}{name}: ")
    assert "canary" not in line


@pytest.mark.parametrize("settings", [SchedulerSettings, FetcherSettings])
def test_the_ports_of_our_own_services_are_refused_unless_configured_otherwise(
    settings: type[ReachSettings], environment: pytest.MonkeyPatch
) -> None:
    configure(environment)
    assert {5432, 5672, 15672} <= set(load(settings).refused_ports)
    assert 22 not in load(settings).refused_ports

    configure(environment, REFUSED_PORTS="[2022]")
    assert load(settings).refused_ports == [2022]


def test_lists_are_json(environment: pytest.MonkeyPatch) -> None:
    configure(environment, ALLOWED_NETWORKS='["10.1.0.0/16", "fd00::/8"]')

    loaded = load(FetcherSettings)

    assert [str(network) for network in loaded.allowed_networks] == ["10.1.0.0/16", "fd00::/8"]
    assert loaded.seal_private_keys == [SecretStr(key) for key in KEYS]


@pytest.mark.parametrize("settings", SERVICES)
def test_every_setting_is_described(settings: type[Block]) -> None:
    for name, field in settings.model_fields.items():
        assert field.description, name


@pytest.mark.parametrize("settings", SERVICES)
def test_what_holds_a_password_is_a_secret(settings: type[Block]) -> None:
    for name in {"amqp_url", "database_url", "seal_private_keys"} & set(settings.model_fields):
        assert "SecretStr" in repr(settings.model_fields[name].annotation)
