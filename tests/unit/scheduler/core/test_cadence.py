"""When the next look comes: politely often, further and further apart, and never at the price of a locked account."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scheduler.core.cadence import (
    DAY,
    Patience,
    Trouble,
    after_success,
    after_trouble,
    after_unsettled,
    counts,
    passes_soon,
    trouble,
)
from shared.errors import CODES, TryAgain

NOW = datetime(2025, 3, 1, 8, 0, tzinfo=UTC)
ONE_DAY = timedelta(days=1)
WEEK = Patience(failures=10, time=timedelta(days=7))
CREDENTIALS = ["key_unreadable", "login_refused", "login_unsupported", "password_expired", "secret_unreadable"]
SOON, LATER, CHANGED = (
    sorted(code for code, advice in CODES.items() if advice.try_again is kind)
    for kind in (TryAgain.SOON, TryAgain.LATER, TryAgain.CHANGED)
)
MIDDLE = 0.5  # the die that changes nothing

FAILURES = sorted(LATER + CHANGED)
codes = st.sampled_from(FAILURES)
failures = st.integers(1, 10_000)
intervals = st.floats(1, 7 * DAY)
dice = st.floats(0, 1, exclude_max=True)
times = st.timedeltas(timedelta(0), timedelta(days=100))
patiences = st.builds(Patience, st.integers(1, 50), st.timedeltas(timedelta(seconds=1), timedelta(days=60)))
troubles = st.builds(Trouble, codes, failures, st.none() | codes, times, st.none() | times)


def delay(code: str, failures: int = 1, interval: float = 900, die: float = MIDDLE, before: str | None = None) -> float:
    return after_trouble(Trouble(code, failures, before), interval, WEEK, die).delay


class TestDelay:
    @given(interval=intervals, die=dice)
    def test_after_a_success_the_usual_interval_is_spread_by_a_tenth(self, interval: float, die: float) -> None:
        step = after_success(interval, die)

        assert 0.9 * interval <= step.delay <= 1.1 * interval
        assert not step.pause

    def test_the_dice_cover_the_whole_spread(self) -> None:
        assert [round(after_success(1000, die).delay) for die in (0, 0.25, 0.5, 0.75)] == [900, 950, 1000, 1050]

    @given(code=codes, failures=failures, interval=intervals, die=dice)
    def test_trouble_never_brings_the_next_look_nearer(
        self, code: str, failures: int, interval: float, die: float
    ) -> None:
        assert delay(code, failures + 1, interval, die) >= delay(code, failures, interval, die)

    @given(trouble=troubles, interval=st.floats(1, DAY), die=dice)
    def test_the_next_look_is_at_most_a_day_away_but_for_the_spread(
        self, trouble: Trouble, interval: float, die: float
    ) -> None:
        assert 0 < after_trouble(trouble, interval, WEEK, die).delay <= 1.1 * DAY

    @given(failures=failures, interval=st.floats(DAY, 7 * DAY))
    def test_who_asks_for_less_than_one_look_a_day_keeps_the_interval(self, failures: int, interval: float) -> None:
        assert delay("connect_timeout", failures, interval) == pytest.approx(interval)

    @pytest.mark.parametrize("code", LATER)
    def test_the_back_off_doubles_up_to_a_day(self, code: str) -> None:
        delays = [delay(code, failures) for failures in range(1, 10)]

        assert delays == pytest.approx([1800, 3600, 7200, 14_400, 28_800, 57_600, DAY, DAY, DAY])

    def test_a_file_that_is_being_written_is_looked_at_again_within_minutes(self) -> None:
        delays = [after_unsettled(times, MIDDLE).delay for times in (1, 2, 3, 7, 8, 10_000)]

        assert delays == pytest.approx([10, 20, 40, 640, 900, 900])
        assert after_unsettled(1, 0.0).delay == pytest.approx(9)

    @pytest.mark.parametrize("code", sorted(CODES))
    def test_only_what_is_over_soon_is_no_failure(self, code: str) -> None:
        assert passes_soon(code) is (code in SOON)

    @pytest.mark.parametrize("code", CHANGED)
    def test_what_waits_for_a_change_is_looked_at_once_a_day_from_the_second_time_on(self, code: str) -> None:
        assert delay(code) == pytest.approx(1800)
        assert delay(code, 2, before="connect_timeout") == pytest.approx(3600)
        assert delay(code, 2, before="dns_failed") < delay(code, 2, before="weak_algorithms") == pytest.approx(DAY)

    def test_a_code_of_a_newer_fetcher_is_taken_for_a_passing_fault(self) -> None:
        assert not passes_soon("no_such_code")
        assert delay("no_such_code", 2, before="no_such_code") == delay("connect_timeout", 2)


class TestHarm:
    @pytest.mark.parametrize("code", FAILURES)
    def test_a_first_failure_pauses_only_when_the_host_key_changed(self, code: str) -> None:
        assert after_trouble(Trouble(code), 900, WEEK, MIDDLE).pause is (code == "host_key_changed")

    @pytest.mark.parametrize("before", CREDENTIALS)
    @pytest.mark.parametrize("code", CREDENTIALS)
    def test_a_second_refused_login_pauses_before_the_server_locks_the_account(self, code: str, before: str) -> None:
        assert after_trouble(Trouble(code, 2, before), 900, WEEK, MIDDLE).pause

    def test_a_first_refused_login_after_other_trouble_does_not_pause(self) -> None:
        assert not after_trouble(Trouble("login_refused", 7, "connect_timeout"), 900, WEEK, MIDDLE).pause

    @given(code=codes, failures=failures, before=st.none() | codes)
    def test_nothing_else_pauses_within_the_first_days(self, code: str, failures: int, before: str | None) -> None:
        lasts = timedelta(days=6, hours=23)
        if after_trouble(Trouble(code, failures, before, lasts, lasts), 900, WEEK, MIDDLE).pause:
            assert code in {"host_key_changed", *CREDENTIALS}

    @pytest.mark.parametrize("code", sorted(CODES))
    def test_a_dry_run_counts_only_where_the_server_must_be_protected(self, code: str) -> None:
        protecting = {"login_refused", "password_expired", "login_unsupported", "host_key_changed"}

        assert counts(code, dry_run=False)
        assert counts(code, dry_run=True) is (code in protecting)


class TestPatience:
    def step(self, failures: int, days: float, warned: float | None, code: str = "connect_timeout") -> str:
        """What comes of so many failures over so many days, the warning so many days ago."""
        ago = None if warned is None else timedelta(days=warned)
        found = after_trouble(Trouble(code, failures, code, timedelta(days=days), ago), 900, WEEK, MIDDLE)
        return "pause" if found.pause else "warn" if found.pauses_in is not None else "go on"

    @pytest.mark.parametrize(
        ("failures", "days", "warned", "what"),
        [
            (4, 6, None, "go on"),
            (5, 3.4, None, "go on"),
            (5, 3.5, None, "warn"),
            (9, 30, None, "warn"),
            (9, 30, 20, "go on"),
            (10, 6.9, 3, "go on"),
            (10, 7, 3, "pause"),
            (10, 30, 0.9, "go on"),
            (10, 30, 1, "pause"),
            (1000, 30, None, "warn"),
        ],
    )
    def test_a_week_of_failures_pauses_and_half_of_it_warns_once(
        self, failures: int, days: float, warned: float | None, what: str
    ) -> None:
        assert self.step(failures, days, warned) == what

    def test_the_warning_says_when_the_pause_comes_at_the_earliest(self) -> None:
        for days, pauses_in in ((4, timedelta(days=3)), (6.5, ONE_DAY), (30, ONE_DAY)):
            trouble = Trouble("dns_failed", 5, "dns_failed", timedelta(days=days))
            assert after_trouble(trouble, 900, WEEK, MIDDLE).pauses_in == pauses_in

    @given(trouble=troubles, patience=patiences)
    def test_who_is_paused_for_failing_long_was_warned_before(self, trouble: Trouble, patience: Patience) -> None:
        step = after_trouble(trouble, 900, patience, MIDDLE)
        if step.pause and trouble.code not in {"host_key_changed", *CREDENTIALS}:
            assert trouble.warned is not None
            assert trouble.warned >= patience.notice
            assert (trouble.failures >= patience.failures, trouble.lasts >= patience.time) == (True, True)

    @given(code=st.sampled_from([*LATER, "weak_algorithms"]), interval=intervals, patience=patiences)
    def test_whatever_the_patience_a_server_that_is_gone_is_warned_of_once_and_paused_later(
        self, code: str, interval: float, patience: Patience
    ) -> None:
        # Given a connector that fails again and again
        now, last, warned, done = NOW, Trouble(code), list[datetime](), list[datetime]()
        for _ in range(2000):
            step = after_trouble(last, interval, patience, MIDDLE)
            warned += [now] if step.pauses_in is not None else []
            if step.pause:
                done.append(now)
                break
            now += timedelta(seconds=step.delay)
            since, told_at = NOW, warned[0] if warned else None
            last = trouble(code, failures=last.failures, before=code, since=since, warned_at=told_at, now=now)
        # Then it comes to an end, after one warning
        ((told,), (paused,)) = warned, done
        assert paused - told >= patience.notice
        assert paused - NOW >= patience.time


class TestInARow:
    def after(self, code: str, failures: int = 3, before: str | None = "connect_timeout") -> Trouble:
        since, warned_at = NOW - 2 * ONE_DAY, NOW - ONE_DAY
        return trouble(code, failures=failures, before=before, since=since, warned_at=warned_at, now=NOW)

    def test_a_failure_after_others_goes_on_with_their_count_and_time(self) -> None:
        assert self.after("dns_failed") == Trouble("dns_failed", 4, "connect_timeout", 2 * ONE_DAY, ONE_DAY)

    def test_a_file_that_is_being_written_in_between_changes_neither_count_nor_time(self) -> None:
        assert self.after("dns_failed", before="not_settled") == Trouble(
            "dns_failed", 4, "not_settled", 2 * ONE_DAY, ONE_DAY
        )

    def test_a_failure_after_a_success_is_the_first_one(self) -> None:
        assert self.after("dns_failed", failures=0, before=None) == Trouble("dns_failed")
        # A file that was refused is no failure of a look, though its code is kept.
        assert self.after("login_refused", failures=0, before="not_text") == Trouble("login_refused")

    def test_a_count_from_before_time_was_kept_begins_now(self) -> None:
        found = trouble("dns_failed", failures=3, before="dns_failed", since=None, warned_at=None, now=NOW)

        assert (found.failures, found.lasts) == (4, timedelta(0))
