"""Of the files that fit a pattern, the newest is meant."""

from services.fetcher.core.changes import Look
from services.fetcher.core.choice import newest


def test_the_latest_time_wins_whatever_the_names_say() -> None:
    assert newest([("9.csv", Look(1, 100)), ("1.csv", Look(1, 300)), ("5.csv", Look(1, 200))]) == "1.csv"


def test_among_equal_or_no_times_the_last_name_wins() -> None:
    assert newest([("b.csv", Look(1, 5)), ("c.csv", Look(1, 5)), ("a.csv", Look(1, 5))]) == "c.csv"
    assert newest([("2025.csv", Look(1, None)), ("2026.csv", Look(1, None))]) == "2026.csv"


def test_a_known_time_goes_before_an_unknown_one() -> None:
    assert newest([("z.csv", Look(1, None)), ("a.csv", Look(1, 0))]) == "a.csv"


def test_of_no_file_none_is_chosen() -> None:
    assert newest([]) is None
