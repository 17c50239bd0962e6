"""Settings may come from files, and a misspelt one ends a service at its start."""

import json
import os
from pathlib import Path

import pytest

from deploy import configuration
from services.fetcher.settings import Settings as FetcherSettings
from services.importer.settings import Settings as ImporterSettings
from shared.settings import PREFIX, SECRETS_DIR, DatabaseSettings, Wrong, read
from tests.unit.shared.test_settings import GOOD, KEYS


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What an importer and a fetcher need."""
    for name in [name for name in os.environ if name.upper().startswith(PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(PREFIX + name, value)
    return monkeypatch


@pytest.fixture
def folder(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of files that is configured."""
    environment.setenv(SECRETS_DIR, str(tmp_path))
    return tmp_path


def problems(settings: type[DatabaseSettings] | type[FetcherSettings] = ImporterSettings) -> list[str]:
    with pytest.raises(Wrong) as found:
        read(settings)
    assert not [line for line in found.value.lines if "canary" in line]
    return found.value.lines


def test_a_setting_comes_from_a_file_of_its_name(environment: pytest.MonkeyPatch, folder: Path) -> None:
    environment.delenv(f"{PREFIX}DATABASE_URL")
    environment.delenv(f"{PREFIX}SEAL_PRIVATE_KEYS")
    (folder / f"{PREFIX}DATABASE_URL").write_text("postgresql://from/file\n")
    (folder / f"{PREFIX}SEAL_PRIVATE_KEYS").write_text(json.dumps(KEYS))
    (folder / "another_service_password").write_text("canary")

    assert read(ImporterSettings).database_url.get_secret_value() == "postgresql://from/file"
    assert [key.get_secret_value() for key in read(FetcherSettings).seal_private_keys] == KEYS


def test_the_environment_wins_over_a_file(folder: Path) -> None:
    (folder / f"{PREFIX}DATABASE_URL").write_text("postgresql://from/file")

    assert read(ImporterSettings).database_url.get_secret_value() == GOOD["DATABASE_URL"]


def test_a_folder_that_is_not_there_is_named(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv(SECRETS_DIR, str(tmp_path / "canary"))

    assert problems() == [f"{SECRETS_DIR}: there is no such folder"]


def test_a_folder_without_a_name_is_none(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv(SECRETS_DIR, "")
    # and not the folder that the service was started in
    environment.chdir(tmp_path)
    (tmp_path / f"{PREFIX}HTTP_PORT").write_text("1")

    assert read(ImporterSettings).http_port == 9100


def test_a_file_that_is_no_text_is_named(environment: pytest.MonkeyPatch, folder: Path) -> None:
    environment.delenv(f"{PREFIX}DATABASE_URL")
    (folder / f"{PREFIX}DATABASE_URL").write_bytes(b"canary \xff")

    assert problems() == [f"{PREFIX}DATABASE_URL: Its file cannot be read as UTF-8 text"]


def test_a_misspelt_variable_or_file_is_named_with_the_closest_setting(
    environment: pytest.MonkeyPatch, folder: Path
) -> None:
    environment.setenv(f"{PREFIX}BATCH_ROW", "canary")
    environment.setenv(f"{PREFIX}XYZZY", "canary")
    (folder / f"{PREFIX}DATABSE_URL").write_text("canary")

    assert problems() == [
        f"{PREFIX}BATCH_ROW: There is no such setting; did you mean {PREFIX}BATCH_ROWS?",
        f"{PREFIX}DATABSE_URL: There is no such setting; did you mean {PREFIX}DATABASE_URL?",
        f"{PREFIX}XYZZY: There is no such setting",
    ]


def test_a_misspelling_hides_no_other_problem(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}BATCH_ROW", "1")
    environment.setenv(f"{PREFIX}HTTP_PORT", "canary")
    environment.setenv(f"{PREFIX}SEAL_PRIVATE_KEYS", "canary")
    environment.delenv(f"{PREFIX}BLOB_URL")

    assert {line.partition(":")[0].removeprefix(PREFIX) for line in problems(FetcherSettings)} == {
        "BATCH_ROW",
        "HTTP_PORT",
        "BLOB_URL",
        "SEAL_PRIVATE_KEYS",
    }


def test_services_share_an_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}TICK_SECONDS", "1")
    environment.setenv(f"{PREFIX}FETCH_THREADS", "1")
    environment.setenv(f"{PREFIX}FAILPOINTS", "")
    environment.setenv(f"{PREFIX.lower()}batch_rows", "7")
    # and Kubernetes adds what it calls the services of the namespace
    environment.setenv(f"{PREFIX}FETCHER_SERVICE_HOST", "10.0.0.1")
    environment.setenv(f"{PREFIX}FETCHER_SERVICE_PORT_METRICS", "9100")
    environment.setenv(f"{PREFIX}FETCHER_PORT_9100_TCP_ADDR", "10.0.0.1")

    assert read(ImporterSettings).batch_rows == 7


def test_what_looks_like_a_service_of_kubernetes_is_misspelt_without_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv(f"{PREFIX}HTP_PORT", "1")

    assert problems() == [f"{PREFIX}HTP_PORT: There is no such setting; did you mean {PREFIX}HTTP_PORT?"]


def test_every_service_knows_the_names_of_all_settings() -> None:
    assert configuration.NAMES_PATH.read_text() == configuration.names(), "run: python -m deploy.configuration"
