"""After every fault, alone, everything is imported once, by itself, and nobody's data or secret got anywhere else."""

from collections.abc import Callable

import pytest

from tests.faults import admins, broker, database, servers, services, storage  # noqa: F401 - they list their faults
from tests.faults.drill import Drill
from tests.faults.fault import FAULTS, survive

SEEDS = (1, 2, 3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FAULTS)
def test_it_heals_by_itself(drill: Drill, name: str, seed: int, record_property: Callable[[str, object], None]) -> None:
    seconds = survive(drill, [FAULTS[name]], seed)

    record_property("seconds to recover", round(seconds, 1))
