"""A stack, the Prometheus that watches it, and the load that it is watched under."""

import time
from collections.abc import Mapping
from typing import Any

from deploy.local.servers.prometheus import Prometheus
from deploy.local.service import Service
from deploy.local.stack import SERVICES
from tests.pipeline.conftest import QUICK
from tests.pipeline.world import FIELDS, World

SETTINGS: Mapping[str, object] = {
    **QUICK,
    "max_per_server": 100,
    "max_per_organisation": 100,
    "blob_sweep_seconds": 1,
}
_SOURCES = 8  # files that are good, of two connectors each
_INTERVAL = 10  # seconds between two looks at them


def leads(rows: int, version: int = 0) -> bytes:
    """A file of so many companies; every tenth changes from version to version. One row is wrong."""
    lines = (
        f"C{row},Company {row}{f' v{version}' if row % 10 == 0 else ''},company{row}.example,Paris,won,p{row}@a.example"
        for row in range(rows)
    )
    return "\n".join([",".join(FIELDS), *lines, "B1,,nameless.example,Paris,won,", ""]).encode()


class Watched:
    """Starts services and Prometheus, and makes them work."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.services: dict[str, Service] = {}
        self.prometheus: Prometheus | None = None

    def start(self, rules: Mapping[str, str] | None = None, **settings: Any) -> Prometheus:
        """One of each service, and a Prometheus that scrapes them every second; by default with the product's rules."""
        for name in SERVICES:
            self.run(name, **settings)
        jobs = {name: [service.url.removeprefix("http://")] for name, service in self.services.items()}
        self.prometheus = Prometheus(self.world.stack.home / "prometheus", jobs, rules=rules)
        self.prometheus.start()
        return self.prometheus

    def run(self, name: str, **settings: Any) -> Service:
        """Start a service, in place of the one there is; at the same port."""
        if name in self.services:
            self.services[name].stop()
        self.services[name] = self.world.stack.service(name, **settings)
        self.services[name].start()
        return self.services[name]

    def stop(self) -> None:
        """Stop it all."""
        if self.prometheus is not None:
            self.prometheus.stop()
        self.world.stack.stop()

    def connect(self, number: int, path: str, **changes: Any) -> list[str]:
        """So many connectors to one file; their ids."""
        asked = [self.world.create(path=path, **{"interval_seconds": 1, **changes}) for _ in range(number)]
        answers = ("sftp_connector.created", "sftp_connector.refused")
        created = [self.world.ui.wait(*answers, in_reply_to=request) for request in asked]
        return [event["connector"]["id"] for event in created]

    def until(self, expression: str, what: str, *, seconds: float = 30.0) -> None:
        """Wait until an expression has a value that Prometheus knows."""
        self.world.until(lambda: self.knows(expression), f"{what}: {expression}", seconds=seconds)

    def knows(self, expression: str) -> bool:
        """Whether an expression has a value."""
        assert self.prometheus is not None
        return bool(self.prometheus.query(expression))

    def load(self, *, rows: int, seconds: float) -> None:
        """Connectors that sync, and such that fail with three codes; files that change as long as it lasts."""
        world = self.world
        world.save_mapping()
        for source in range(_SOURCES):
            world.put(leads(rows // (source + 1)), path=f"/exports/good-{source}.csv")
            self.connect(2, f"/exports/good-{source}.csv", interval_seconds=_INTERVAL)
        world.put(b"PK\x03\x04" + bytes(1000), path="/exports/no-text.csv")
        self.connect(1, "/exports/no-text.csv")
        self.connect(2, "/exports/missing.csv")
        self.connect(2, "/exports/good-0.csv", password="wrong")
        deadline, version = time.monotonic() + seconds, 0
        # Freshness is counted once a minute.
        while time.monotonic() < deadline or not self.knows("sftp_connector:connectors_fresh:ratio > 0"):
            assert time.monotonic() < deadline + 90, "freshness was not counted"
            version += 1
            for source in range(_SOURCES):
                world.put(leads(rows // (source + 1), version), path=f"/exports/good-{source}.csv")
            asked = world.ui.ask("sftp_connector.test", **world.form(path="/exports/good-0.csv"))
            world.ui.wait("sftp_connector.tested", in_reply_to=asked)
            self.until(
                f"sum(sftp_connector_imports_total{{outcome='succeeded'}}) >= {2 * _SOURCES * version}",
                "imports",
                seconds=60,
            )
