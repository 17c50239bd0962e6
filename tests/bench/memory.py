"""The importer's memory with a file of 5 GB: 10 million rows of 500 bytes. `python -m tests.bench.memory`.

It takes about 40 GB of disk and prints every 10 seconds how far it is. `--rows` makes the file smaller.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pool
from pathlib import Path
from time import monotonic

from tests.bench import lead_file, report
from tests.bench.imports import MEMORY_GOAL
from tests.bench.report import Table
from tests.bench.system import System, private_servers, system

ROWS = 10_000_000
ROW_BYTES = 500
EVERY_SECONDS = 10.0
_CHUNK_ROWS = 10_000
_NOTE = b"to be called again after the fair "


def write(path: Path, rows: int) -> None:
    """Write a file of so many rows with a column of notes that no field takes."""
    with path.open("wb") as file, Pool() as pool:
        file.write(f"{','.join((*lead_file.HEADER, 'Notes'))}\r\n".encode())
        file.writelines(
            pool.imap(_chunk, [range(at, min(at + _CHUNK_ROWS, rows)) for at in range(0, rows, _CHUNK_ROWS)])
        )


def _chunk(numbers: range) -> bytes:
    return b"".join(_wide(lead_file.row(number)) for number in numbers)


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
    """Write the file, import it once, and tell the importer's peak."""
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
        peak, merging = ours.importer_memory()["VmHWM"], first.steps["done"]
        where = report.machine(servers.postgres.dsn())
    table = Table("A large file", ("rows", "GB", "seconds", "rows a second", "importer at most, MiB", "goal", "met"))
    cells = (
        f"{given.rows:,}",
        f"{size / 1e9:.2f}",
        f"{first.seconds:.0f}",
        f"{given.rows / merging:,.0f}",
        f"{peak:.0f}",
    )
    table.rows.append([*cells, *report.verdict(peak, MEMORY_GOAL)])
    report.publish("memory", [table], where, write=given.write)


if __name__ == "__main__":
    main()
