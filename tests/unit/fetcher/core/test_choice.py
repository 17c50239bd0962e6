"""Of the files that fit a pattern, the newest is meant."""

from services.fetcher.core.changes import Look
from services.fetcher.core.choice import newest


def test_the_latest_time_wins_whatever_the_names_say() -> None:
    entries = [("leads_9.csv", Look(1, 100)), ("leads_1.csv", Look(1, 300)), ("leads_5.csv", Look(1, 200))]

    assert newest("leads_*.csv", entries) == "leads_1.csv"


def test_among_equal_or_no_times_the_last_name_wins() -> None:
    assert newest("*.csv", [("b.csv", Look(1, 5)), ("c.csv", Look(1, 5)), ("a.csv", Look(1, 5))]) == "c.csv"
    assert newest("*.csv", [("2025.csv", Look(1, None)), ("2026.csv", Look(1, None))]) == "2026.csv"


def test_a_known_time_goes_before_an_unknown_one() -> None:
    assert newest("*.csv", [("z.csv", Look(1, None)), ("a.csv", Look(1, 0))]) == "a.csv"


def test_what_does_not_fit_or_is_unfinished_is_never_chosen() -> None:
    entries = [("leads.xlsx", Look(1, 9)), (".leads.csv", Look(1, 9)), ("~leads.csv", Look(1, 9))]

    assert newest("*.csv", entries) is None
    assert newest("*", [("leads.csv.filepart", Look(1, 9)), ("leads.csv", Look(1, 1))]) == "leads.csv"
