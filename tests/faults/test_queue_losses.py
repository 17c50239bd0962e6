"""What the queue library makes of a broker whose connections are dead without an end."""

import time
from collections.abc import Callable

import pytest

from deploy.local.servers.rabbitmq import Rabbitmq
from shared.bus.jobs import JobSender
from shared.contracts import FetchProgressed
from shared.errors import BusUnavailable
from tests.integration.amqp import wait_until
from tests.integration.test_jobs import Desk, lane, progress
from tests.proxy import Proxy


def test_a_broker_that_no_longer_answers_is_given_up_in_time_and_found_again(
    rabbitmq: Rabbitmq, amqp_url: str, record_property: Callable[[str, object], None]
) -> None:
    # Given a sender and a lane that work
    desk = Desk()
    with Proxy(("127.0.0.1", rabbitmq.port)) as proxy:
        far = amqp_url.replace(f":{rabbitmq.port}/", f":{proxy.port}/") + "?heartbeat=1&stack_timeout=1"
        sender = JobSender(far)
        with lane(far, {FetchProgressed: desk}) as running:
            sender.send(progress())
            wait_until(lambda: len(desk.done) == 1)
            proxy.both(blackhole=True)

            # When
            begun = time.monotonic()
            with pytest.raises(BusUnavailable):
                sender.send(progress())
            took = time.monotonic() - begun
            proxy.heal()

            # Then
            record_property("seconds until the send was given up", round(took, 1))
            assert took < 20  # twice the heartbeat and five seconds, and the time of a handshake
            job = progress()
            sender.send(job)
            wait_until(lambda: job.run_id in desk.done, seconds=30)
            assert running.is_alive()
        sender.close()
