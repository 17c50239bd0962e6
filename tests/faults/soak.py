"""Two or three faults at a time, drawn at random, for as long as one likes: `python -m tests.faults.soak --minutes 30`.

Ends with 1 at the first exercise that did not heal. Its seed and its faults are printed, and `--seed` repeats it.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

import structlog

from deploy.local.stack import Servers, Stack
from tests.conftest import PASSWORD
from tests.faults import admins, broker, database, servers, services, storage  # noqa: F401 - they list their faults
from tests.faults.drill import SETTINGS, Drill, NotHealed
from tests.faults.fault import FAULTS, Fault, survive

_ALONE = 0.2  # of the exercises
# What comes later is mended earlier, and needs nothing that comes before it.
_PARTS = ("services", "storage", "servers", "broker", "database")


def drawn(seed: int) -> list[Fault]:
    """The faults of an exercise: of two or three parts of the system, or at times one that bears no other."""
    draw = random.Random(seed)
    if draw.random() < _ALONE:
        return [draw.choice([fault for fault in FAULTS.values() if fault.alone])]
    parts = sorted(draw.sample(_PARTS, draw.choice([2, 3])), key=_PARTS.index)
    return [
        draw.choice([fault for fault in FAULTS.values() if fault.part == part and not fault.alone]) for part in parts
    ]


def main() -> None:
    """Break and heal until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None, help="of the first exercise; the next ones count on")
    given = parser.parse_args()
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    seed = random.randrange(1_000_000) if given.seed is None else given.seed
    deadline = time.monotonic() + given.minutes * 60
    with tempfile.TemporaryDirectory() as home, Servers(Path(home), {"crm": PASSWORD}) as running:
        (running.sshd.files / "exports").mkdir(mode=0o755)
        stack = Stack(running, Path(home) / "stack", "soak", settings=dict(SETTINGS))
        stack.prepare()
        with Drill(stack, PASSWORD) as drill:
            while time.monotonic() < deadline:
                faults = drawn(seed)
                sys.stdout.write(f"seed {seed}: {' + '.join(fault.name for fault in faults)}")
                sys.stdout.flush()
                try:
                    seconds = survive(drill, faults, seed)
                except NotHealed as problem:
                    sys.stdout.write(f"\n{problem}\n")
                    sys.exit(1)
                sys.stdout.write(f": {seconds:.1f} s\n")
                seed += 1


if __name__ == "__main__":
    main()
