"""When a job that raised is tried again, and what else of the queue library has a hand in it."""

from shared.bus.broker import QuorumBroker, RetryOrPark, next_try, parameters
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


def test_nothing_of_the_queue_library_interrupts_or_counts_a_job() -> None:
    # Its time limit raises in the midst of whatever a thread does, which may be the acknowledgement.
    assert [type(middleware) for middleware in QuorumBroker("amqp://localhost").middleware] == [RetryOrPark]


def test_every_job_is_confirmed() -> None:
    assert QuorumBroker("amqp://localhost").confirm_delivery


def test_a_broker_that_blocks_publishers_is_waited_for_for_ten_seconds_unless_the_url_says_otherwise() -> None:
    assert parameters("amqp://localhost").blocked_connection_timeout == 10
    assert parameters("amqp://localhost?blocked_connection_timeout=3").blocked_connection_timeout == 3
