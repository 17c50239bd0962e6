"""Many small files, with one, two and four processes of a service. `python -m tests.bench.scaling`.

The server is 50 ms away, so fetchers mostly wait, as they do at customers' servers; importers share their cores with
PostgreSQL and RabbitMQ. Each connector has an organisation of its own, because those of one merge one after the other.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

from deploy.local.service import Service
from deploy.local.stack import Servers, Stack
from tests.bench import lead_file, report
from tests.bench.against import far
from tests.bench.report import Table
from tests.bench.system import FORM, admin, private_servers, stack
from tests.pipeline.world import World

CONNECTORS = 200
ROWS = 500
PROCESSES = (1, 2, 4)
ROUND_TRIP_MS = 50
_ROOM = {"max_per_server": 10_000, "max_per_organisation": 10_000}
_FETCHED = """
    select extract(epoch from clock_timestamp() - min(queued_at))::float8 as seconds from runs
    having count(*) filter (where stage = 'stored') = %s
"""
_IMPORTED = """
    select extract(epoch from max(finished_at) - min(queued_at))::float8 as seconds from runs
    where trigger = %s and stage = 'done' having count(*) = %s
"""


class Crowd:
    """Organisations with a connector each, whose events the scheduler finds all at once."""

    def __init__(self, made: Stack, world: World, organisations: Sequence[UUID]) -> None:
        self._stack = made
        self._world = world
        self._organisations = organisations
        self._scheduler = made.service("scheduler")

    def fetched(self, fetchers: int, port: int) -> float:
        """Seconds from the first run queued to the last file in the blob store."""
        self._start("fetcher", fetchers)
        for organisation in self._organisations:
            self._world.ui.organisation_id = organisation
            self._world.create(port=port, **FORM)
        self._scheduler.start()
        seconds = self._when(_FETCHED, len(self._organisations))
        self._scheduler.stop()
        return seconds

    def imported(self, importers: int) -> float:
        """Seconds from the first run queued to the last end, of files that are stored and wait for a mapping."""
        self._start("importer", importers)
        self._when(_IMPORTED, "first", len(self._organisations))
        for organisation in self._organisations:
            self._world.ui.organisation_id = organisation
            self._world.ui.ask("import_mapping.saved", fields=lead_file.FIELDS, statuses=lead_file.STATUSES)
        self._scheduler.start()
        return self._when(_IMPORTED, "mapping", len(self._organisations))

    def _start(self, name: str, count: int) -> None:
        services = [self._stack.service(name, number) for number in range(count)]
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(Service.start, services))

    def _when(self, query: str, *values: object, patience: float = 600.0) -> float:
        """What a query finds as soon as it finds something."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            row = self._world.db.execute(query, values).fetchone()
            if row is not None:
                return float(row["seconds"])
            time.sleep(0.05)
        raise TimeoutError(f"not within {patience} s: {query}")


def measure(servers: Servers, home: Path, processes: int, connectors: int) -> tuple[float, float]:
    """Seconds in which so many fetchers fetch all files, and then as many importers import them."""
    with (
        stack(servers, home, **_ROOM) as made,
        admin(made) as world,
        far(servers.sshd.port, ROUND_TRIP_MS) as port,
    ):
        crowd = Crowd(made, world, [uuid4() for _ in range(connectors)])
        return crowd.fetched(processes, port), crowd.imported(processes)


def table(found: dict[int, tuple[float, float]], connectors: int) -> Table:
    """Files a second, and how many times that of one process it is."""
    columns = (
        "processes",
        f"fetched a second at {ROUND_TRIP_MS} ms",
        "times one",
        "imported a second",
        "rows a second",
        "times one",
    )
    made = Table(f"{connectors} connectors with files of {ROWS} rows", columns)
    base = found[min(found)]
    for processes, (fetching, importing) in found.items():
        fetched = f"{connectors / fetching:.1f}", f"{base[0] / fetching:.2f}"
        imported = (
            f"{connectors / importing:.1f}",
            f"{connectors * ROWS / importing:,.0f}",
            f"{base[1] / importing:.2f}",
        )
        made.rows.append([str(processes), *fetched, *imported])
    return made


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = report.options(__doc__)
    parser.add_argument("--connectors", type=int, default=CONNECTORS)
    given = parser.parse_args()
    found = {}
    with private_servers() as (servers, home):
        file = home / "small.csv"
        lead_file.write(file, ROWS)
        servers.sshd.put(FORM["path"], file.read_bytes())
        for processes in PROCESSES:
            found[processes] = measure(servers, home, processes, given.connectors)
            report.console.print(f"{processes} processes: fetched and imported in {found[processes]} s")
        where = report.machine(servers.postgres.dsn())
    report.publish("scaling", [table(found, given.connectors)], where, write=given.write)


if __name__ == "__main__":
    main()
