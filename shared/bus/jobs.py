"""Jobs between the services: sending one with a confirm, and lanes of threads that work on them."""

import logging
from collections.abc import Callable, Mapping

import structlog
from dramatiq import Actor, Message, Worker
from pydantic import ValidationError

from shared import tracing
from shared.bus.broker import FAULTS, QuorumBroker
from shared.bus.counted import Counted
from shared.contracts import JOBS, Job
from shared.errors import BadMessage, BusUnavailable, ConnectorError, Unavailable, describe
from shared.metrics import Metrics
from shared.trace_context import parse

log = structlog.get_logger()

# How long an idle thread takes to notice that the lane stops.
_NOTICE_STOP_MS = 200

type_by_name = {job.__name__: job for job in JOBS}
Handlers = Mapping[type[Job], Callable[..., None]]


class JobFailed(ConnectorError):
    """A job raised; the exception's own text stays in the log, so that no message carries it on."""


def _message(job: Job) -> Message[None]:
    return Message(
        queue_name=job.destination,
        actor_name=type(job).__name__,
        args=(),
        kwargs={"job": tracing.carried(job.model_dump(mode="json"))},
        options={},
    )


class JobSender:
    """Sends jobs; safe to share between threads."""

    def __init__(self, url: str) -> None:
        self._broker = QuorumBroker(url)

    def send(self, job: Job) -> None:
        """Return when RabbitMQ has the job on a quorum of its nodes; BusUnavailable otherwise."""
        try:
            self._broker.enqueue(_message(job))
        except FAULTS as error:
            raise BusUnavailable(describe(error)) from None

    def depth(self, queue: str) -> int:
        """How many jobs wait in the queue for a worker; BusUnavailable when RabbitMQ does not tell."""
        try:
            return self._broker.waiting(queue)
        except FAULTS as error:
            raise BusUnavailable(describe(error)) from None

    def close(self) -> None:
        """Close the connections of all threads."""
        self._broker.close()


class Lane:
    """Threads that work on the queues of some jobs, apart from every other lane: one never waits for another.

    `queue` is where they are read from, if it is not the one that most of these jobs go to.
    """

    def __init__(
        self, url: str, handlers: Handlers, *, threads: int, queue: str | None = None, metrics: Metrics | None = None
    ) -> None:
        queues = {queue or job_type.queue for job_type in handlers}
        self.name = "+".join(sorted(queues))
        self._broker = QuorumBroker(url)
        if metrics is not None:
            self._broker.add_middleware(Counted(metrics))
        for job_type, handler in handlers.items():
            Actor(
                _actor(job_type, handler),
                broker=self._broker,
                actor_name=job_type.__name__,
                queue_name=queue or job_type.queue,
                priority=0,
                options={},
            )
        # Named, because a broker consumes every queue that is declared on it, also those it only publishes to.
        self._worker = Worker(
            self._broker,
            queues=queues,
            worker_threads=threads,
            worker_timeout=_NOTICE_STOP_MS,
        )
        self._worker.queue_prefetch = threads
        self._worker.delay_prefetch = 20 * threads

    def start(self) -> None:
        """Start to consume; RabbitMQ may come later."""
        self._worker.start()

    def is_alive(self) -> bool:
        """Whether every thread of the lane runs."""
        return all(thread.is_alive() for thread in [*self._worker.workers, *self._worker.consumers.values()])

    def stop(self, grace_seconds: float) -> None:
        """Take no more work and wait for the work in hand, at most this long; what is left is delivered again."""
        self._worker.stop(timeout=int(grace_seconds * 1000))
        self._broker.close()


def _actor(job_type: type[Job], handler: Callable[..., None]) -> Callable[..., None]:
    def work(job: object = None) -> None:
        try:
            parsed = job_type.model_validate(job)
        except ValidationError as error:
            log.error("job.not_understood", job=job_type.__name__, fields=_fields(error))
            raise BadMessage(job_type.__name__) from None
        trace, about = parse(parsed.traceparent, parsed.tracestate), _context(parsed)
        with tracing.work(job_type.__name__, trace, about), structlog.contextvars.bound_contextvars(**about):
            try:
                handler(parsed)
            except BadMessage:
                log.exception("job.refused", job=job_type.__name__)
                raise BadMessage(job_type.__name__) from None
            except Unavailable as error:
                log.warning("job.delayed", job=job_type.__name__, reason=describe(error))
                raise Unavailable(job_type.__name__) from None
            except BaseException as error:  # also what is no Exception: an exit, or the panic of a library in Rust
                log.exception("job.failed", job=job_type.__name__)
                raise JobFailed(type(error).__name__) from None

    return work


def _fields(error: ValidationError) -> list[str]:
    return [".".join(str(part) for part in problem["loc"]) for problem in error.errors(include_input=False)]


def _context(job: Job) -> dict[str, str]:
    """What every log line of this job carries, and its span."""
    names = ("run_id", "test_id", "org_id", "connector_id")
    return {name: str(getattr(job, name)) for name in names if getattr(job, name, None) is not None}


def quiet_libraries() -> None:
    """Let dramatiq and pika log what an operator can act on; our own log line tells of a failed job."""
    logging.getLogger("dramatiq.worker.WorkerThread").setLevel(logging.CRITICAL)
    logging.getLogger("dramatiq").setLevel(logging.WARNING)
    logging.getLogger("pika").setLevel(logging.CRITICAL)
