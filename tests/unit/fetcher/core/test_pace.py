"""A server that sends too little within a minute of waiting is too slow, however fast it began."""

from collections.abc import Sequence

from services.fetcher.core.pace import Pace


def slow_at(pace: Pace, arrivals: Sequence[tuple[float, int]]) -> list[int]:
    return [number for number, (waited, size) in enumerate(arrivals) if pace.too_slow(waited, size)]


def test_a_steady_server_is_fast_enough() -> None:
    assert slow_at(Pace(600), [(1, 10)] * 1000) == []


def test_a_slow_server_has_a_minute_before_it_is_told() -> None:
    assert slow_at(Pace(600), [(1, 9)] * 61)[0] == 59


def test_a_server_that_drips_after_a_fast_beginning_is_told_within_a_minute() -> None:
    arrivals = [(0.01, 10_000_000)] * 100 + [(1.0, 1)] * 70

    assert 155 <= slow_at(Pace(65_536), arrivals)[0] <= 162


def test_a_server_that_pauses_and_then_sends_well_is_fast_enough() -> None:
    assert slow_at(Pace(600), [(1, 100)] * 60 + [(29, 10)] + [(1, 100)] * 60) == []


def test_one_long_wait_counts_by_what_came_at_its_end() -> None:
    assert slow_at(Pace(600), [(300, 2999)]) == [0]
    assert slow_at(Pace(600), [(300, 3000)]) == []


def test_time_that_is_not_waited_costs_the_server_nothing() -> None:
    assert slow_at(Pace(10**12), [(0.0, 1)] * 10_000) == []


def test_with_a_least_of_nothing_no_server_is_too_slow() -> None:
    assert slow_at(Pace(0), [(100, 0)] * 10) == []


def test_memory_does_not_grow_with_the_file() -> None:
    pace = Pace(1)

    for _ in range(100_000):
        pace.too_slow(0.01, 100)

    assert len(pace._marks) < 70
