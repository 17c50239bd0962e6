"""What compose and Kubernetes start: each container in one form, from what their own tools make of the files."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.settings import PREFIX

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose.yml"
KUBERNETES = ROOT / "deploy" / "kubernetes"


@dataclass(frozen=True, slots=True)
class Process:
    """A container that runs our image."""

    name: str
    module: str
    environment: dict[str, str | None]  # None: from a Secret
    grace_seconds: float  # from SIGTERM to SIGKILL
    mounts: set[str]

    @property
    def settings(self) -> set[str]:
        """The settings that it is given, as fields are named."""
        return {name.removeprefix(PREFIX).lower() for name in self.environment if name.startswith(PREFIX)}


def variables(text: str) -> set[str]:
    """The variables that compose demands."""
    return set(re.findall(r"\$\{(\w+):\?\}", text))


def composed() -> dict[str, Any]:
    """The services of compose.yml as compose itself reads it, with each secret's own name for a value."""
    given = {name: name.lower() for name in variables(COMPOSE.read_text())}
    text = _output("docker-compose", "--file", str(COMPOSE), "--profile", "*", "config", "--format", "json", **given)
    found: dict[str, Any] = json.loads(text)
    return found


def of_compose(services: dict[str, Any]) -> list[Process]:
    """Those that run our image."""
    demanded = {name.lower() for name in variables(COMPOSE.read_text())}
    return [
        Process(
            name,
            (service["entrypoint"] or service["command"])[2],
            {
                key: None if any(secret in value for secret in demanded) else value
                for key, value in service["environment"].items()
            },
            _seconds(service.get("stop_grace_period", "10s")),
            {volume["target"] for volume in service.get("volumes", ())},
        )
        for name, service in services.items()
        if service["image"].startswith("sftp-connector:")
    ]


def kustomized(folder: str) -> list[dict[str, Any]]:
    """The objects that kustomize makes of a folder."""
    return [*yaml.safe_load_all(_output("kubectl", "kustomize", str(KUBERNETES / folder)))]


def of_kubernetes(objects: list[dict[str, Any]]) -> list[Process]:
    """The containers of all pods, those included that run before the others."""
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    return [
        Process(
            f"{one['metadata']['name']}/{container['name']}",
            _module(container["command"]),
            dict(filter(None, (_variable(variable, maps) for variable in container["env"]))),
            pod.get("terminationGracePeriodSeconds", 30),
            {mount["mountPath"] for mount in container.get("volumeMounts", ())},
        )
        for one, pod in pods(objects)
        for container in containers(pod)
    ]


def pods(objects: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each object that makes pods, with the pods' specification."""
    return [(one, one["spec"]["template"]["spec"]) for one in objects if one["kind"] in {"Deployment", "Job"}]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    """All containers of a pod."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _module(command: list[str]) -> str:
    # Where operators work, a process waits that they start their command beside.
    return "deploy.command" if command[1] == "-c" else command[2]


def _variable(variable: dict[str, Any], maps: dict[str, dict[str, str]]) -> tuple[str, str | None] | None:
    if "value" in variable:
        return variable["name"], variable["value"]
    if "secretKeyRef" in variable["valueFrom"]:
        return variable["name"], None
    source = variable["valueFrom"]["configMapKeyRef"]
    if source.get("optional") and source["key"] not in maps[source["name"]]:
        return None
    return variable["name"], maps[source["name"]][source["key"]]


def _seconds(text: str) -> float:
    return sum(float(number) * {"m": 60, "s": 1}[unit] for number, unit in re.findall(r"(\d+)([ms])", text))


def _output(program: str, *arguments: str, **environment: str) -> str:
    """What a program that was installed beside the tests prints."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    done = subprocess.run(
        command, env={"PATH": os.environ["PATH"]} | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout
