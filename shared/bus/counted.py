"""Counts jobs as they are taken."""

import time

from dramatiq import Broker, MessageProxy, Middleware

from shared.errors import BadMessage, Unavailable
from shared.metrics import Metrics


class Counted(Middleware):
    """How long each job waited for a worker, and how it ended."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def before_process_message(self, _broker: Broker, message: MessageProxy) -> None:
        """A job that was tried or delivered before waited for something else, too."""
        if not message.options.get("retries") and not getattr(message, "redelivered", False):
            waited = time.time() - message.message_timestamp / 1000
            self._metrics.message_wait.labels(message.queue_name).observe(max(0.0, waited))

    def after_process_message(
        self,
        _broker: Broker,
        message: MessageProxy,
        *,
        result: object = None,  # noqa: ARG002 - dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        """Count it."""
        self._metrics.jobs.labels(message.queue_name, _ended(exception)).inc()


def _ended(exception: BaseException | None) -> str:
    match exception:
        case None:
            return "done"
        case Unavailable():
            return "delayed"
        case BadMessage():
            return "refused"
    return "failed"
