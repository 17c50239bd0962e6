"""`config check` shows what counts for a service, and names everything that is wrong."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.command.main import app
from tests.unit.shared.test_settings import GOOD, KEYS

NEEDED = {f"SFTP_CONNECTOR_{name}": value for name, value in GOOD.items()}


def check(service: str, environment: dict[str, str], code: int = 0) -> dict[str, Any]:
    given: dict[str, str | None] = {name: None for name in os.environ if name.startswith("SFTP_CONNECTOR_")}
    ended = CliRunner().invoke(app, ["config", "check", service, "--json"], env=given | environment)
    assert ended.exit_code == code, ended.output
    assert not [secret for secret in (*KEYS, "canary-secret") if secret in ended.output]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def test_what_counts_is_shown_with_where_it_comes_from(tmp_path: Path) -> None:
    (tmp_path / "SFTP_CONNECTOR_GRACE_SECONDS").write_text("5")
    environment = NEEDED | {"SFTP_CONNECTOR_SECRETS_DIR": str(tmp_path), "SFTP_CONNECTOR_HTTP_PORT": "0"}
    del environment["SFTP_CONNECTOR_SEAL_PUBLIC_KEY"]

    found = {row["variable"].removeprefix("SFTP_CONNECTOR_"): row for row in check("fetcher", environment)["settings"]}

    assert [(found[name]["value"], found[name]["from"]) for name in ("HTTP_PORT", "GRACE_SECONDS", "READ_SECONDS")] == [
        (0, "environment"),
        (5.0, "file"),
        (30.0, "default"),
    ]
    assert (found["AMQP_URL"]["value"], found["SEAL_PRIVATE_KEYS"]["value"]) == ("***", ["***", "***"])


def test_nothing_comes_from_a_folder_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "SFTP_CONNECTOR_GRACE_SECONDS").write_text("5")

    rows = check("fetcher", NEEDED | {"SFTP_CONNECTOR_SECRETS_DIR": ""})["settings"]

    assert [(row["value"], row["from"]) for row in rows if row["variable"].endswith("GRACE_SECONDS")] == [
        (25, "default")
    ]


def test_every_problem_is_named() -> None:
    wrong = {"SFTP_CONNECTOR_TICK_SECOND": "1", "SFTP_CONNECTOR_HTTP_PORT": "canary-secret"}

    lines = check("scheduler", wrong, code=2)["problems"]

    assert {line.partition(":")[0].removeprefix("SFTP_CONNECTOR_") for line in lines} == {
        "TICK_SECOND",
        "HTTP_PORT",
        "AMQP_URL",
        "DATABASE_URL",
        "SEAL_PUBLIC_KEY",
    }


def test_problems_are_told_where_problems_are(tmp_path: Path) -> None:
    # Also with a folder of settings that is named and empty, as compose leaves it
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SFTP_CONNECTOR_")}
    command = [sys.executable, "-m", "deploy.command", "config", "check", "fetcher"]
    (tmp_path / "SFTP_CONNECTOR_AMQP_URL").write_text("amqp://of-the-current-folder/")
    environment |= {"SFTP_CONNECTOR_SECRETS_DIR": "", "PYTHONPATH": str(Path(__file__).parents[2])}

    ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "SFTP_CONNECTOR_AMQP_URL: Field required" in ended.stderr


def test_a_service_does_not_start_with_a_misspelt_setting() -> None:
    for module in ("services.scheduler", "services.fetcher", "services.importer"):
        command = [sys.executable, "-m", module]
        misspelt = NEEDED | {"SFTP_CONNECTOR_LOG_LEVL": "DEBUG"}
        given = {name: value for name, value in os.environ.items() if not name.startswith("SFTP_CONNECTOR_")}

        ended = subprocess.run(command, env=given | misspelt, capture_output=True, text=True, check=False, timeout=30)

        assert ended.returncode == 2
        expected = "SFTP_CONNECTOR_LOG_LEVL: There is no such setting; did you mean SFTP_CONNECTOR_LOG_LEVEL?\n"
        assert ended.stderr == expected


def test_the_command_says_what_it_needs() -> None:
    given = {name: value for name, value in os.environ.items() if not name.startswith("SFTP_CONNECTOR_")}
    command = [sys.executable, "-m", "deploy.command", "runs"]

    ended = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=30)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "SFTP_CONNECTOR_DATABASE_URL: Field required\n"
