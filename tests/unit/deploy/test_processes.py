"""Whatever starts our processes, each gets what it needs, and no secret that it does not."""

import base64
import importlib.util
import json
import os
from functools import cache

import pytest
from pydantic import SecretStr

from deploy.command.settings import Settings as CommandSettings
from deploy.roles import PASSWORDS
from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from services.scheduler.settings import Settings as SchedulerSettings
from shared.settings import PREFIX, Block, DatabaseSettings, ServiceSettings, read
from tests.unit.deploy.dockerfile import DOCKERFILE, instructions
from tests.unit.deploy.processes import Process, composed, kustomized, of_compose, of_kubernetes

KEY = base64.b64encode(bytes(range(32))).decode()
# Examples of what is never written out, and of the key that everyone may see.
SECRETS = {
    f"{PREFIX}AMQP_URL": "amqp://user:secret@broker/",
    f"{PREFIX}DATABASE_URL": "postgresql://user:secret@database/",
    f"{PREFIX}SEAL_PUBLIC_KEY": KEY,
    f"{PREFIX}SEAL_PRIVATE_KEYS": json.dumps([KEY]),
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x",
    **dict.fromkeys(PASSWORDS.values(), "x"),
}
READ: dict[str, type[Block]] = {
    "services.scheduler": SchedulerSettings,
    "services.fetcher": FetcherSettings,
    "services.importer": ImporterSettings,
    "shared.migrate": DatabaseSettings,
    "deploy.roles": DatabaseSettings,
    "deploy.command": CommandSettings,
}
STARTERS = {
    "compose": ["migrate", "roles", "scheduler", "fetcher", "importer", "operator"],
    "kubernetes": [
        *(f"sftp-connector-migrate/{name}" for name in ("schema", "roles")),
        "sftp-connector-operator/operator",
        *(f"sftp-connector-{name}/service" for name in ("scheduler", "fetcher", "importer", "importer-large")),
    ],
}
EACH = [(starter, name) for starter, names in STARTERS.items() for name in names]
ASIDE = ("migrate", "roles", "operator")
SERVICES = [(starter, name) for starter, name in EACH if not any(other in name for other in ASIDE)]


@cache
def processes(starter: str) -> dict[str, Process]:
    found = of_compose(composed()["services"]) if starter == "compose" else of_kubernetes(kustomized("example"))
    return {process.name: process for process in found}


@cache
def of_image() -> dict[str, str]:
    """The settings that the image itself brings."""
    words = [
        word for name, argument in instructions(DOCKERFILE.read_text()) if name == "ENV" for word in argument.split()
    ]
    return dict(word.split("=", 1) for word in words if word.startswith(PREFIX))


def configured(process: Process, environment: pytest.MonkeyPatch) -> Block:
    """The settings that the process reads when it starts; what is missing, wrong or misspelt fails here."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        environment.delenv(name)
    given = of_image() | {name: SECRETS.get(name, value) for name, value in process.environment.items()}
    for name, value in given.items():
        assert value is not None, f"{name} is no secret"
        environment.setenv(name, value)
    return read(READ[process.module])


@pytest.mark.parametrize("starter", STARTERS)
def test_nothing_is_started_that_is_not_looked_at_here(starter: str) -> None:
    assert sorted(processes(starter)) == sorted(STARTERS[starter])


@pytest.mark.parametrize(("starter", "name"), EACH)
def test_a_process_has_what_it_needs_to_start(starter: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    process = processes(starter)[name]

    assert importlib.util.find_spec(process.module)
    assert configured(process, monkeypatch)


@pytest.mark.parametrize(("starter", "name"), EACH)
def test_a_process_is_given_nothing_that_it_does_not_read(starter: str, name: str) -> None:
    process = processes(starter)[name]
    fields = set(READ[process.module].model_fields)
    cloud = {other for other in process.environment if other.startswith("AWS_")}

    assert process.settings <= fields
    assert not cloud or "blob_url" in fields
    others = {other for other in process.environment if not other.startswith(PREFIX)} - cloud
    assert others == (set(PASSWORDS.values()) if process.module == "deploy.roles" else set())


@pytest.mark.parametrize(("starter", "name"), EACH)
def test_every_secret_is_a_reference(starter: str, name: str) -> None:
    process = processes(starter)[name]
    secret = {
        f"{PREFIX}{field.upper()}"
        for field, about in READ[process.module].model_fields.items()
        if about.annotation in {SecretStr, list[SecretStr]}
    }

    written_out = {other for other, value in process.environment.items() if value is not None}
    assert secret
    assert not written_out & (secret | {other for other in SECRETS if not other.startswith(PREFIX)})


def test_only_fetchers_and_operators_hold_the_private_keys() -> None:
    holders = {(starter, name) for starter, name in EACH if "seal_private_keys" in processes(starter)[name].settings}

    assert holders == {
        ("compose", "fetcher"),
        ("compose", "operator"),
        ("kubernetes", "sftp-connector-fetcher/service"),
        ("kubernetes", "sftp-connector-operator/operator"),
    }


@pytest.mark.parametrize(("starter", "name"), SERVICES)
def test_a_service_may_end_its_work_before_it_is_killed(
    starter: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = processes(starter)[name]
    settings = configured(process, monkeypatch)

    assert isinstance(settings, ServiceSettings)
    assert process.grace_seconds >= settings.grace_seconds + 10


@pytest.mark.parametrize(("starter", "name"), SERVICES)
def test_a_service_is_asked_where_it_listens(starter: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = configured(processes(starter)[name], monkeypatch)

    assert isinstance(settings, ServiceSettings)
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 9100)


@pytest.mark.parametrize(("starter", "name"), SERVICES)
def test_only_importers_can_write_and_only_temporary_files(starter: str, name: str) -> None:
    process = processes(starter)[name]

    assert process.mounts == ({"/tmp"} if process.module == "services.importer" else set())


def test_both_sizes_of_files_find_an_importer(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []
    for name in ("importer", "importer-large"):
        settings = configured(processes("kubernetes")[f"sftp-connector-{name}/service"], monkeypatch)
        assert isinstance(settings, ImporterSettings)
        threads.append((settings.import_threads, settings.large_import_threads))

    assert threads == [(2, 0), (0, 1)]
