"""A private Prometheus."""

import json
import signal
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.local.servers.ports import LOOPBACK
from deploy.local.servers.process import ended_with_owner
from deploy.local.servers.server import Server
from deploy.local.servers.sftp_server import installed

RULES = Path(__file__).parents[2] / "prometheus"


class QueryFailed(ValueError):
    """Prometheus refused an expression; the message says why."""


class Prometheus(Server):
    """A Prometheus of our own that scrapes jobs, given with their addresses, with its data below ``home``.

    ``rules`` are texts of rule files; by default those of the product. It listens on the loopback
    interface only. With ``die_with_parent`` it stops when the interpreter that started it ends.
    """

    def __init__(
        self,
        home: Path,
        jobs: Mapping[str, Iterable[str]],
        *,
        rules: Mapping[str, str] | None = None,
        interval: str = "1s",
        port: int | None = None,
        die_with_parent: bool = True,
    ) -> None:
        home = home.absolute()
        self._data = home / "data"
        super().__init__("prometheus", home, port=port, mark=f"--storage.tsdb.path={self._data}")
        self._jobs = {name: list(addresses) for name, addresses in jobs.items()}
        self._rules = rules or {path.name: path.read_text() for path in (RULES / "rules.yml", RULES / "alerts.yml")}
        self._interval = interval
        self._die_with_parent = die_with_parent

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now, each with `metric` and `value`; QueryFailed if it is refused."""
        return list(self._ask("query", query=expression)["result"])

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The series that an expression had between two moments, each with `metric` and `values`."""
        return list(self._ask("query_range", query=expression, start=start, end=end, step=step)["result"])

    def alerts(self, *states: str) -> set[str]:
        """The names of the alerts that are in one of the states: pending, firing."""
        return {alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"] if alert["state"] in states}

    def _ask(self, what: str, **parameters: object) -> dict[str, Any]:
        url = f"http://{LOOPBACK}:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                found: dict[str, Any] = json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise QueryFailed(error.read().decode()) from None
        return found

    def _launch(self) -> None:
        for name, text in self._rules.items():
            (self.home / name).write_text(text)
        (self.home / "prometheus.yml").write_text(yaml.safe_dump(self._configuration()))
        command = [
            installed("prometheus"),
            f"--config.file={self.home / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._data}",
            f"--web.listen-address={LOOPBACK}:{self.port}",
            "--storage.tsdb.retention.time=1d",
        ]
        if self._die_with_parent:
            command = ended_with_owner(command, signal.SIGKILL)
        self._process.start(command)

    def _configuration(self) -> dict[str, Any]:
        return {
            "global": {"scrape_interval": self._interval, "evaluation_interval": self._interval},
            "rule_files": list(self._rules),
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": addresses}]} for name, addresses in self._jobs.items()
            ],
        }

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/-/ready", timeout=5).close()
        except OSError:
            return False
        return True
