"""Writes docs/faults.md from what `make test-faults` measured: `python -m tests.faults.report RESULTS.xml...`.

Of several results the later ones count, so that some faults can be exercised again.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

from tests.faults import admins, broker, database, servers, services, storage  # noqa: F401 - they list their faults
from tests.faults.fault import FAULTS
from tests.faults.test_faults import SEEDS

PATH = Path(__file__).parents[2] / "docs" / "faults.md"
_INTRODUCTION = """# Faults

`make test-faults` injects each of these alone, with three seeds each, into the real services on a real RabbitMQ,
PostgreSQL and OpenSSH server, while files of two organisations change; `make soak` draws two or three at a time. After
each the ledger is compared as [reliability.md](reliability.md) says. *Recovered* is how long it took, from the moment
at which the fault was mended, until the newest version of every file was imported: the quickest and the slowest of the
three. Connectors are looked at every 2 seconds there, leases take 2, and a failed look is tried again after 4 seconds.
Written from the tests and their results by `python -m tests.faults.report`.

| fault | how it is injected | recovered after | bound |
|---|---|---|---|
"""


def page(results: Iterable[Path]) -> str:
    """The page, with the times of the tests."""
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for case in (case for path in results for case in ElementTree.parse(path).iter("testcase")):
        for noted in case.iter("property"):
            if noted.get("name") == "seconds to recover":
                name, _, seed = str(case.get("name")).partition("[")[2].rstrip("]").rpartition("-")
                seconds[name][seed] = float(noted.get("value", ""))
    rows = []
    for fault in FAULTS.values():
        found = seconds[fault.name].values()
        assert len(found) == len(SEEDS), f"{fault.name} passed with {len(found)} seeds of {len(SEEDS)}"
        told = f"{min(found):.1f} to {max(found):.1f} s"
        rows.append(f"| {fault.name.replace('_', ' ')} | {fault.how} | {told} | {fault.bound:.0f} s |\n")
    return _INTRODUCTION + "".join(sorted(rows))


if __name__ == "__main__":
    PATH.write_text(page(map(Path, sys.argv[1:])))
