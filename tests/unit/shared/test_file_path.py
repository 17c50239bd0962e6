"""A File Path names one file, or is a pattern that is understood by everyone alike."""

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.file_path import check, dated, is_pattern, is_unfinished, matches

DAY = date(2026, 1, 5)
NAMES = st.text(st.characters(exclude_characters="/*\0"), min_size=1, max_size=20)


@pytest.mark.parametrize(
    "path",
    [
        *("/leads.csv", "/exports/leads.csv", "/a b/é.csv", "/x/{guid}.csv", "/100%.csv", "/%Y.csv", "/leads.csv.gz"),
        *("/leads_{date:%Y-%m-%d}.csv", "/{date:%Y/%m/%d}/leads.csv", "/{date:%Y}/leads_{date:%y%j}.csv"),
        *("/exports/leads_*.csv", "/exports/*", "/*.csv", "/{date:%Y}/leads_*.csv"),
    ],
)
def test_a_path_or_a_pattern_is_taken(path: str) -> None:
    check(path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("leads.csv", "begins with /"),
        ("/exports/", "not a folder"),
        ("/{date:%Y}/", "not a folder"),
        ("/*/leads.csv", "one * only"),
        ("/a*b*.csv", "one * only"),
        ("/**.csv", "one * only"),
        ("/leads_{date:%Y-%b}.csv", "%Y, %y, %m, %d and %j"),
        ("/leads_{date:%Y-%}.csv", "%Y, %y, %m, %d and %j"),
        ("/leads_{date:%-d}.csv", "%Y, %y, %m, %d and %j"),
        ("/leads_{date:YYYY}.csv", "%Y, %y, %m, %d and %j"),
        ("/leads_{date}.csv", "write it like {date:%Y-%m-%d}"),
        ("/leads_{date:}.csv", "write it like {date:%Y-%m-%d}"),
        ("/leads_{date:%Y.csv", "write it like {date:%Y-%m-%d}"),
        ("/leads_{DATE:%Y}.csv", "write it like {date:%Y-%m-%d}"),
        ("/leads.csv.part", "unfinished"),
        ("/leads.csv.FILEPART", "unfinished"),
        ("/leads_{date:%Y}.tmp", "unfinished"),
        ("/leads_*.crdownload", "unfinished"),
        ("/.leads.csv", "hidden"),
        ("/exports/~leads.csv", "hidden"),
    ],
)
def test_what_leads_to_no_complete_file_is_refused_in_plain_words(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|may|names)") as refusal:
        check(path)

    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/leads_{date:%Y-%m-%d}.csv", "/leads_2026-01-05.csv"),
        ("/{date:%y}/{date:%m/%d}/x.csv", "/26/01/05/x.csv"),
        ("/{date:%j}.csv", "/005.csv"),
        ("/leads_*.csv", "/leads_*.csv"),
        ("/%Y/{guid}.csv", "/%Y/{guid}.csv"),
    ],
)
def test_a_date_is_put_where_the_pattern_says(path: str, found: str) -> None:
    assert dated(path, DAY) == found


@pytest.mark.parametrize(
    ("path", "pattern"),
    [("/leads.csv", False), ("/{guid}.csv", False), ("/*.csv", True), ("/{date:%Y}.csv", True)],
)
def test_a_pattern_is_told_from_a_path(path: str, *, pattern: bool) -> None:
    assert is_pattern(path) is pattern


@pytest.mark.parametrize("name", ["leads_1.csv", "leads_.csv", "leads_a b.csv", "leads_.csv.csv", "leads_[x].csv"])
def test_a_star_stands_for_any_text(name: str) -> None:
    assert matches("leads_*.csv", name)


@pytest.mark.parametrize("name", ["leads.csv", "leads_1.CSV", "Leads_1.csv", "leads_1.csv.gz", "x leads_1.csv", ""])
def test_the_rest_of_a_pattern_stands_for_itself(name: str) -> None:
    assert not matches("leads_*.csv", name)


def test_both_ends_of_a_pattern_do_not_share_letters() -> None:
    assert not matches("aba*ab", "abab")
    assert not matches("ab*b", "ab")


@pytest.mark.parametrize("name", [".hidden", "~lock", "a.part", "a.filepart", "a.TMP", "a.partial", "a.crdownload"])
def test_an_unfinished_file_never_fits(name: str) -> None:
    assert is_unfinished(name)
    assert not matches("*", name)


@given(start=NAMES, middle=NAMES, end=NAMES)
def test_what_was_made_by_a_pattern_fits_it(start: str, middle: str, end: str) -> None:
    name = start + middle + end

    assert matches(f"{start}*{end}", name) is not is_unfinished(name)


def test_a_long_name_costs_no_time() -> None:
    begun = time.perf_counter()

    for _ in range(1000):
        matches("a" * 500 + "*" + "a" * 500 + "b", "a" * 100_000)

    assert time.perf_counter() - begun < 1
