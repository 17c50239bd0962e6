"""The importer's memory with a file of 5 GB: 10 million rows of 500 bytes. `python -m tests.bench.memory`.

It takes about 40 GB of disk and prints every 10 seconds how far it is. `--rows` makes the file smaller.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from time import monotonic

from tests.bench import lead_file, report
from tests.bench.report import Table
from tests.bench.system import System, private_servers, system

ROWS = 10_000_000
ROW_BYTES = 500
EVERY_SECONDS = 10.0
GOAL = 400  # MiB
_CHUNK_ROWS = 10_000
_NOTE = b"to be called again after the fair "


def write(path: Path, rows: int, *, version: int = 0) -> None:
    """Write a file of so many rows with a column of notes that no field takes; one in a thousand has the version."""
    with path.open("wb") as file, Pool() as pool:
        file.write(f"{','.join((*lead_file.HEADER, 'Notes'))}\r\n".encode())
        chunks = [range(at, min(at + _CHUNK_ROWS, rows)) for at in range(0, rows, _CHUNK_ROWS)]
        file.writelines(pool.imap(partial(_chunk, version), chunks))


def _chunk(version: int, numbers: range) -> bytes:
    return b"".join(_wide(lead_file.row(number, version * (number % 1_000 == 7))) for number in numbers)


def _wide(row: str) -> bytes:
    line = row.rstrip("\r\n").encode() + b","
    return line + (_NOTE * (ROW_BYTES // len(_NOTE) + 1))[: max(0, ROW_BYTES - 2 - len(line))].strip() + b"\r\n"


@contextmanager
def watched(ours: System) -> Iterator[None]:
    """Print every few seconds how far the import is and how much memory the importer has."""
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(ours, done), daemon=True)
    thread.start()
    yield
    done.set()
    thread.join()


def _watch(ours: System, done: threading.Event) -> None:
    begun, before = monotonic(), 0
    while not done.wait(EVERY_SECONDS):
        merged, memory = _merged(ours), ours.importer_memory()
        speed = (merged - before) / EVERY_SECONDS
        report.console.print(
            f"{monotonic() - begun:6.0f} s  {merged:>10,} rows, {speed:>7,.0f} a second, "
            f"importer {memory['VmRSS']:.0f} MiB, at most {memory['VmHWM']:.0f} MiB"
        )
        before = merged


def _merged(ours: System) -> int:
    """The rows dealt with, as the notification bell was told last."""
    told = [
        event["data"].get("bulk_progress") for event in list(ours.world.ui.heard) if event["type"] == "notification"
    ]
    return int(told[-1]["success_count"] + told[-1]["failure_count"]) if told and told[-1] else 0


def main() -> None:
    """Write the file, import it, import it with some rows changed, and tell the importer's peaks."""
    parser = report.options(__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    with private_servers() as (servers, home), system(servers, home) as ours:
        file = home / "large.csv"
        write(file, given.rows)
        size = file.stat().st_size
        ours.place(file)
        with watched(ours):
            first = ours.connect()
        peaks = [ours.importer_memory()["VmHWM"]]
        write(file, given.rows, version=1)
        ours.place(file)
        again = ours.sync(first)
        peaks.append(ours.importer_memory()["VmHWM"])
        where = report.machine(servers.postgres.dsn())
    columns = ("work", "rows", "GB", "seconds", "rows a second", "importer at most, MiB", "goal", "met")
    table = Table("A large file", columns)
    for work, done, peak in zip(("first import", "0.1 % changed"), (first, again), peaks, strict=True):
        speed = given.rows / done.steps["done"]
        cells = (work, f"{given.rows:,}", f"{size / 1e9:.2f}", f"{done.seconds:.0f}", f"{speed:,.0f}", f"{peak:.0f}")
        table.rows.append([*cells, *report.verdict(peak, GOAL)])
    report.publish("memory", [table], where, write=given.write)


if __name__ == "__main__":
    main()
