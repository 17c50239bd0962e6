"""A small file, from the admin's event to the final one, and where that time goes. `python -m tests.bench.latency`."""

import statistics
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

from tests.bench import lead_file, report
from tests.bench.report import Table
from tests.bench.system import Synced, System, private_servers, system

ROWS = 1000
ROUNDS = 21
GOAL = 1.0


def measure(ours: System, home: Path, rounds: int) -> dict[str, list[Synced]]:
    """First imports, each into an organisation of its own, and syncs of one that has the file already."""
    files = {name: home / f"{name}.csv" for name in ("as it was", "one row changed", "every row changed")}
    lead_file.write(files["as it was"], ROWS)
    lead_file.write(files["one row changed"], ROWS, changed=lambda number: number == ROWS // 2)
    lead_file.write(files["every row changed"], ROWS, changed=lambda _number: True)
    found: dict[str, list[Synced]] = {"first import": []}
    ours.place(files["as it was"])
    # What a service does when it is used for the first time is not what is asked for.
    connected = ours.connect()
    found["first import"] = [ours.connect() for _ in range(rounds)]
    for name in ("one row changed", "every row changed"):
        turns = islice(cycle((files[name], files["as it was"])), rounds)
        found[name] = [_replaced(ours, connected, file) for file in turns]
    found["nothing changed"] = [ours.sync(connected) for _ in range(rounds)]
    return found


def _replaced(ours: System, connected: Synced, file: Path) -> Synced:
    ours.place(file)
    return ours.sync(connected)


def table(found: dict[str, list[Synced]]) -> Table:
    """The medians, also of each step, and the slowest."""
    steps = list(found["first import"][0].steps)
    made = Table(
        f"{ROWS:,} rows, from the admin's event to the final one, ms",
        ("work", "median", "slowest", *steps, "goal", "met"),
    )
    for name, syncs in found.items():
        median = statistics.median(synced.seconds for synced in syncs)
        slowest = max(synced.seconds for synced in syncs)
        by_step = [_milliseconds([synced.steps[step] for synced in syncs if step in synced.steps]) for step in steps]
        goal = report.verdict(slowest, GOAL, " s")
        made.rows.append([name, f"{median * 1000:.0f}", f"{slowest * 1000:.0f}", *by_step, *goal])
    return made


def _milliseconds(found: Sequence[float]) -> str:
    return f"{statistics.median(found) * 1000:.0f}" if found else ""


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = report.options(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with private_servers() as (servers, home), system(servers, home) as ours:
        found = measure(ours, home, given.rounds)
        where = f"{report.machine(servers.postgres.dsn())}; {given.rounds} of each"
    report.publish("latency", [table(found)], where, write=given.write)


if __name__ == "__main__":
    main()
