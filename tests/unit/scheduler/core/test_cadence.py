"""When the next look comes: politely often, further and further apart, and never at the price of a locked account."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.core.cadence import DAY, after_success, after_trouble, counts
from shared.errors import CODES, TryAgain

CODE = st.sampled_from(sorted(CODES))
SOON = sorted(code for code, advice in CODES.items() if advice.try_again is TryAgain.SOON)
FAILURES = st.integers(1, 10_000)
INTERVAL = st.floats(1, 7 * DAY)
DICE = st.floats(0, 1, exclude_max=True)
MIDDLE = 0.5  # the die that changes nothing


@given(interval=INTERVAL, dice=DICE)
def test_after_a_success_the_usual_interval_is_spread_by_a_tenth(interval: float, dice: float) -> None:
    step = after_success(interval, dice)

    assert 0.9 * interval <= step.delay <= 1.1 * interval
    assert not step.pause


def test_the_dice_cover_the_whole_spread() -> None:
    assert [round(after_success(1000, dice).delay) for dice in (0, 0.25, 0.5, 0.75)] == [900, 950, 1000, 1050]


@given(code=CODE, failures=FAILURES, interval=INTERVAL, dice=DICE)
def test_trouble_never_brings_the_next_look_nearer(code: str, failures: int, interval: float, dice: float) -> None:
    assert (
        after_trouble(code, failures + 1, interval, dice).delay >= after_trouble(code, failures, interval, dice).delay
    )


@given(code=CODE, failures=FAILURES, interval=st.floats(1, DAY), dice=DICE)
def test_the_next_look_is_at_most_a_day_away_but_for_the_spread(
    code: str, failures: int, interval: float, dice: float
) -> None:
    assert 0 < after_trouble(code, failures, interval, dice).delay <= 1.1 * DAY


@given(failures=FAILURES, interval=st.floats(DAY, 7 * DAY))
def test_who_asks_for_less_than_one_look_a_day_keeps_the_interval(failures: int, interval: float) -> None:
    assert after_trouble("connect_timeout", failures, interval, MIDDLE).delay == pytest.approx(interval)


def test_the_back_off_doubles_up_to_a_day() -> None:
    delays = [after_trouble("connect_timeout", failures, 900, MIDDLE).delay for failures in range(1, 10)]

    assert delays == pytest.approx([1800, 3600, 7200, 14_400, 28_800, 57_600, DAY, DAY, DAY])


@pytest.mark.parametrize("code", SOON)
def test_a_file_that_is_being_written_is_looked_at_again_within_minutes(code: str) -> None:
    delays = [after_trouble(code, failures, 7 * DAY, MIDDLE).delay for failures in (1, 2, 3, 6, 1000)]

    assert delays == pytest.approx([30, 60, 120, 900, 900])


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_first_failure_pauses_only_when_the_host_key_changed(code: str) -> None:
    assert after_trouble(code, 1, 900, MIDDLE).pause is (code == "host_key_changed")


@pytest.mark.parametrize("code", ["login_refused", "secret_unreadable"])
def test_a_second_refused_login_pauses_before_the_server_locks_the_account(code: str) -> None:
    assert after_trouble(code, 2, 900, MIDDLE, before="login_refused").pause


def test_a_first_refused_login_after_other_trouble_does_not_pause() -> None:
    assert not after_trouble("login_refused", 7, 900, MIDDLE, before="connect_timeout").pause


@given(code=CODE, failures=FAILURES, before=st.none() | CODE)
def test_nothing_else_ever_pauses(code: str, failures: int, before: str | None) -> None:
    if after_trouble(code, failures, 900, MIDDLE, before=before).pause:
        assert code in {"host_key_changed", "login_refused", "secret_unreadable"}


def test_a_code_that_nobody_listed_is_not_guessed_at() -> None:
    with pytest.raises(KeyError):
        after_trouble("no_such_code", 1, 900, MIDDLE)


@pytest.mark.parametrize("code", sorted(CODES))
def test_a_dry_run_counts_only_where_the_server_must_be_protected(code: str) -> None:
    assert counts(code, dry_run=False)
    assert counts(code, dry_run=True) is (code in {"login_refused", "host_key_changed"})
