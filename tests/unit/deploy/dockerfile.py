"""Carries out a Dockerfile without an engine: its COPY lines, and its RUN lines if asked to, in a folder."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[3]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@dataclass(slots=True)
class Stage:
    """What a stage left behind, and what it says about itself; the last one is the image."""

    root: Path
    base: str
    environment: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)  # USER, EXPOSE, HEALTHCHECK and so on

    def path(self, inside: str) -> Path:
        """Where a path of the image is on this machine."""
        return self.root / inside.lstrip("/")

    def outside(self, text: str) -> str:
        """A text with the image's own folders as they are named on this machine."""
        for folder in ("/venv", "/app", "/etc/ssl"):
            text = text.replace(folder, str(self.path(folder)))
        return text

    def start(self, module: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run a module as the image would; without its RUN lines by the Python that runs the tests."""
        own = self.path("/venv/bin/python")
        inside = {name: self.outside(value) for name, value in self.environment.items()}
        return subprocess.run(
            [str(own if own.exists() else sys.executable), "-m", module, *arguments],
            env=inside | environment,
            cwd=self.path("/tmp"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction with its argument, without comments, on one line."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    for line in lines.replace("\\\n", " ").splitlines():
        if line.strip():
            name, _, argument = line.strip().partition(" ")
            yield name.upper(), " ".join(argument.split())


def built(folder: Path, *, run: bool) -> Stage:
    """The image, from the repository; packages are only installed with `run`."""
    stages: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    stage = Stage(folder, "")
    for name, written in instructions(DOCKERFILE.read_text()):
        argument = _filled_in(written, arguments)
        if name == "ARG":
            key, _, arguments[key] = argument.partition("=")
        elif name == "FROM":
            base, _, alias = argument.partition(" AS ")
            stage = stages[alias] = Stage(folder / f"stage-{len(stages)}", base)
            stage.path("/tmp").mkdir(parents=True)
        elif name == "COPY":
            _copy(stage, stages, argument)
        elif name == "ENV":
            stage.environment |= dict(word.split("=", 1) for word in shlex.split(argument))
        elif name == "RUN":
            if run:
                _run(stage, argument)
        else:
            stage.said[name] = argument
            if name == "WORKDIR":
                stage.path(argument).mkdir(parents=True, exist_ok=True)
    return stage


def _filled_in(written: str, arguments: dict[str, str]) -> str:
    for name, value in arguments.items():
        written = written.replace(f"${{{name}}}", value)
    return written


def _run(stage: Stage, command: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", stage.outside(command)],
        cwd=stage.path(stage.said["WORKDIR"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _copy(stage: Stage, stages: dict[str, Stage], argument: str) -> None:
    *sources, target = argument.split()
    if sources[0].startswith("--from="):
        other, source = stages[sources[0].removeprefix("--from=")], sources[1]
        if other.path(source).exists():
            shutil.copytree(other.path(source), stage.path(target), symlinks=True)
        return
    for source in sources:
        _copy_sent(ROOT / source, stage.path(stage.said["WORKDIR"]) / target)


def _copy_sent(source: Path, target: Path) -> None:
    """A file or folder as the builder gets it; nothing at all would be an error there."""
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    files, folder = ([*source.rglob("*")], source) if source.is_dir() else ([source], source.parent)
    sent = [path for path in files if path.is_file() and _is_sent(path.relative_to(ROOT), patterns)]
    assert sent, f"nothing of {source} is sent to the builder"
    for path in sent:
        to = target / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)


def _is_sent(path: Path, patterns: list[str]) -> bool:
    """Whether the last pattern that matches the path, or a folder that it lies in, begins with an exclamation mark."""
    names = [str(path), *(str(parent) for parent in path.parents if parent.name)]
    sent = True
    for pattern in patterns:
        wanted = pattern.lstrip("!")
        if any(_matches(name, wanted) for name in names):
            sent = pattern.startswith("!")
    return sent


def _matches(name: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch(Path(name).name, pattern.removeprefix("**/"))
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)
