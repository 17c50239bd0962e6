"""When a job that raised is tried again."""

from shared.bus.broker import next_try
from shared.errors import BadMessage, BusUnavailable, DatabaseUnavailable


def test_a_message_that_cannot_be_understood_is_not_tried_again() -> None:
    assert next_try(BadMessage("no"), 0) is None


def test_a_fault_of_ours_is_tried_three_times_further_and_further_apart() -> None:
    assert [next_try(ValueError(), retries) for retries in range(4)] == [1_000, 2_000, 4_000, None]


def test_a_database_or_broker_that_is_away_is_waited_for_about_half_an_hour() -> None:
    for away in (DatabaseUnavailable("away"), BusUnavailable("away")):
        delays = [next_try(away, retries) for retries in range(61)]

        assert delays[:6] == [1_000, 2_000, 4_000, 8_000, 16_000, 30_000]
        assert delays[60] is None
        assert 25 < sum(filter(None, delays)) / 60_000 < 35
