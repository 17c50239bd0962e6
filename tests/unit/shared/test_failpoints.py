"""A failpoint acts where and when it is told to, and nowhere else."""

import time

import pytest

from shared.failpoints import FailpointReached, Failpoints, failpoint


def test_it_acts_at_the_passage_that_was_named_and_only_once() -> None:
    armed = Failpoints("import.batch@3=raise")
    armed("import.batch")
    armed("import.batch")
    with pytest.raises(FailpointReached):
        armed("import.batch")
    armed("import.batch")


def test_without_a_number_it_acts_at_once_and_at_its_own_point_alone() -> None:
    armed = Failpoints("fetch.stored=raise, relay.taken=sleep:0.05")
    armed("import.batch")
    with pytest.raises(FailpointReached):
        armed("fetch.stored")
    begun = time.monotonic()
    armed("relay.taken")
    assert time.monotonic() - begun >= 0.05


@pytest.mark.parametrize(
    "specification", ["nowhere=kill", "import.batch=explode", "import.batch@0=kill", "import.batch@x=kill", "sleep:1"]
)
def test_what_is_not_understood_is_refused_with_what_would_be(specification: str) -> None:
    with pytest.raises(ValueError, match="FAILPOINTS: "):
        Failpoints(specification)


def test_unarmed_it_costs_next_to_nothing() -> None:
    begun = time.perf_counter()
    for _ in range(100_000):
        failpoint("import.batch")
    assert time.perf_counter() - begun < 0.2  # measured: 5 ms; the slack is for busy machines
