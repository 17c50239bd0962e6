"""The rules are sound, each alert is tested to fire and not to, and an operator finds what to do about it."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer
import yaml
from typer.core import TyperGroup

from deploy.command.main import app
from tests.monitoring.hurry import hurried

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus"
RUNBOOK = ROOT / "docs" / "runbook.md"


def promtool(*arguments: object) -> None:
    """Run it; what it says is what the test says."""
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    """All that there are."""
    groups = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_prometheus_takes_the_configuration_and_its_rules() -> None:
    promtool("check", "config", RULES / "prometheus.yml")


def test_the_rules_can_be_hurried(tmp_path: Path) -> None:
    for name, content in hurried().items():
        (tmp_path / name).write_text(content)
        promtool("check", "rules", tmp_path / name)
        assert content != (RULES / name).read_text()
        assert not re.search(r"\d[mhd]\]|for: \d+[mhd]", content)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alerts", "promises"])
def test_alerts_fire_when_they_should_and_only_then(name: str) -> None:
    promtool("test", "rules", RULES / "tests" / f"{name}.yml")


def test_every_alert_is_among_those_that_are_tested_to_fire() -> None:
    tests = "".join(path.read_text() for path in (RULES / "tests").iterdir())

    assert set(re.findall(r'alertname="(\w+)"\}', tests)) == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_what_to_do(alert: dict[str, Any]) -> None:
    name, told = alert["alert"], alert["annotations"]

    assert alert["labels"]["severity"] in {"page", "ticket"}
    # By which our alerts are told from others of the same Prometheus
    assert alert["labels"]["team"] == "sftp-connector"
    assert told["summary"].endswith(".")
    assert len(told["description"]) > 30
    assert told["runbook_url"] == f"docs/runbook.md#{name.lower()}"
    chapter = RUNBOOK.read_text().partition(f"\n### {name}\n")[2].partition("\n### ")[0]
    assert {"**Means:**", "**Look:**", "**Mend:**"} <= set(re.findall(r"\*\*\w+:\*\*", chapter))


@pytest.mark.parametrize("told", sorted(set(re.findall(r"`sftp-connector ([^`]+)`", RUNBOOK.read_text()))))
def test_the_operators_command_takes_what_the_runbook_tells(told: str) -> None:
    words = [word.replace("...", "") for word in told.split()]
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup):
        command = command.commands[words.pop(0)]

    # Words in capitals stand for ids, or for a code
    context = command.make_context("sftp-connector", [str(UUID(int=1)) if word.isupper() else word for word in words])

    assert "ids" not in context.params or context.params["ids"] or context.params["every"]


def test_a_changed_rule_is_noticed(tmp_path: Path) -> None:
    shutil.copytree(RULES, tmp_path / "copy")
    path = tmp_path / "copy" / "alerts.yml"
    path.write_text(path.read_text().replace("for: 5m", "for: 5 minutes", 1))

    with pytest.raises(AssertionError, match="5 minutes"):
        promtool("check", "rules", path)
