"""First imports and re-syncs through the whole system, against COPY, a hand-written sync and the `sftp` command.

`python -m tests.bench.imports`. All of them take turns, each round on new services and empty tables.
"""

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.stack import Servers
from tests.bench import lead_file, report
from tests.bench.reference import Reference, reference
from tests.bench.report import COMPARED, Comparison, Spent, Table
from tests.bench.system import Synced, System, private_servers, system

ROWS = (200_000, 1_000_000)
ROUNDS = 5
CHANGED_EVERY = 1000
MEMORY_GOAL = 250.0


@dataclass(frozen=True, slots=True)
class Found:
    """What the rounds with files of one size found."""

    rows: int
    ours: dict[str, list[Synced]] = field(default_factory=lambda: defaultdict(list))
    theirs: dict[str, list[Spent]] = field(default_factory=lambda: defaultdict(list))
    peaks: list[float] = field(default_factory=list)

    def compared(self, work: str, ours: str, against: str, goal: float | None = None) -> Comparison:
        """One of our syncs with one of the references."""
        spent = [synced.spent for synced in self.ours[ours]]
        return Comparison(f"{self.rows:,} rows: {work}", spent, against, self.theirs[against], goal)


def measure(servers: Servers, home: Path, rows: int, rounds: int) -> Found:
    """Take turns with a file of so many rows and its next version."""
    files = home / f"{rows}.csv", home / f"{rows}-changed.csv"
    lead_file.write(files[0], rows)
    lead_file.write(files[1], rows, changed=_changed)
    found = Found(rows)
    with reference(servers.postgres, servers.sshd.port, home) as other:
        for number in range(rounds):
            with system(servers, home) as ours:
                _round(ours, other, files, found)
            report.console.print(f"{rows:,} rows, round {number + 1} of {rounds}: {_summary(found)}")
    for file in files:
        file.unlink()
    return found


def _changed(number: int) -> bool:
    return number % CHANGED_EVERY == CHANGED_EVERY // 2


def _round(ours: System, other: Reference, files: tuple[Path, Path], found: Found) -> None:
    ours.place(files[0])
    ours.settle()
    found.theirs["`COPY`"].append(other.copied(files[0]))
    first = _note(found, "first", ours.connect(), created=found.rows)
    other.begin_sync()
    found.theirs["by hand, first"].append(other.synced())
    ours.place(files[1])
    found.theirs["by hand"].append(other.synced())
    ours.settle()
    _note(found, "changed", ours.sync(first), created=0, updated=found.rows // CHANGED_EVERY)
    ours.touch()
    found.theirs["`sftp`"].append(other.downloaded())
    _note(found, "touched", ours.sync(first))
    found.theirs["`sftp`, `ls -l`"].append(other.looked_at())
    found.peaks.append(ours.importer_memory()["VmHWM"])
    _poll(ours, first, found)
    ours.place(files[0])
    found.theirs["by hand, all rewritten"].append(other.synced(careful=False))


def _poll(ours: System, first: Synced, found: Found) -> None:
    """A look that must not move a byte of the file."""
    fetcher, series = ours.services["fetcher"], "sftp_connector_fetched_bytes_total"
    before = fetcher.metric(series)
    polled = _note(found, "polled", ours.sync(first))
    if fetcher.metric(series) != before or polled.event["detail"] != "size and time as before":
        raise RuntimeError(f"a poll was more than a look: {polled.event}")


def _note(found: Found, name: str, synced: Synced, **expected: int) -> Synced:
    counts = synced.event.get("rows", {})
    wrong = {count: counts[count] for count, value in expected.items() if counts[count] != value}
    if wrong:
        raise RuntimeError(f"counted {wrong} instead of {expected}")
    found.ours[name].append(synced)
    return synced


def _summary(found: Found) -> str:
    ours = (f"{name} {synced[-1].seconds:.2f}" for name, synced in found.ours.items())
    theirs = (f"{name} {spent[-1].seconds:.2f}" for name, spent in found.theirs.items())
    return ", ".join([*ours, *theirs])


def comparisons(found: Found) -> list[Comparison]:
    """What is compared, and the goals."""
    return [
        found.compared("first import", "first", "`COPY`", 5),
        found.compared("first import", "first", "by hand, first"),
        found.compared("0.1 % changed", "changed", "`COPY`", 1),
        found.compared("0.1 % changed", "changed", "by hand", 0.2),
        found.compared("0.1 % changed", "changed", "by hand, all rewritten"),
        found.compared("equal bytes, another time", "touched", "`sftp`", 1),
        found.compared("nothing changed: one `stat`, no byte moved", "polled", "`sftp`, `ls -l`"),
    ]


def breakdown(every: Sequence[Found]) -> Table:
    """Where our time goes: the steps of a sync, and the processor time of each process."""
    steps, processes = _names(every)
    table = Table(
        "Steps and processor time of a sync, s, medians", ("work", *steps, *(f"CPU {name}" for name in processes))
    )
    for found in every:
        for name, syncs in found.ours.items():
            by_step = [_median([synced.steps.get(step) for synced in syncs]) for step in steps]
            by_process = [_median([synced.cpu[process] for synced in syncs]) for process in processes]
            table.rows.append([f"{found.rows:,} rows: {name}", *by_step, *by_process])
    return table


def _names(every: Sequence[Found]) -> tuple[list[str], list[str]]:
    first = every[0].ours["first"][0]
    return list(first.steps), list(first.cpu)


def _median(found: Sequence[float | None]) -> str:
    known = [value for value in found if value is not None]
    return f"{statistics.median(known):.2f}" if known else ""


def memory(every: Sequence[Found]) -> Table:
    """The importer's peaks."""
    table = Table("Memory of the importer at most, MiB", ("file", "median", "highest", "goal", "met"))
    for found in every:
        highest = max(found.peaks)
        cells = f"{found.rows:,} rows", f"{statistics.median(found.peaks):.0f}", f"{highest:.0f}"
        table.rows.append([*cells, *report.verdict(highest, MEMORY_GOAL)])
    return table


def main() -> None:
    """Measure, print, and write the page if asked to."""
    parser = report.options(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    given = parser.parse_args()
    with private_servers() as (servers, home):
        every = [measure(servers, home, rows, given.rounds) for rows in given.rows]
        where = f"{report.machine(servers.postgres.dsn())}; {given.rounds} rounds by turns, medians"
    compared = Table("Against the references", COMPARED, [row.cells() for found in every for row in comparisons(found)])
    report.publish("imports", [compared, memory(every), breakdown(every)], where, write=given.write)


if __name__ == "__main__":
    main()
