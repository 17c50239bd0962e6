"""Runs a scheduler: `python -m services.scheduler`. Any number of them may run side by side."""

from prometheus_client import CollectorRegistry

from services.scheduler.admin import Admin
from services.scheduler.handler import Handler
from services.scheduler.measures import Measures
from services.scheduler.relay import Relay
from services.scheduler.settings import Settings
from services.scheduler.sweep import Sweep
from shared.bus.events import EventConsumer, EventPublisher
from shared.bus.jobs import JobSender, Lane, quiet_libraries
from shared.bus.queues import Queues
from shared.contracts import ConnectionTested, FetchProgressed, FetchReported
from shared.database import answers, pool
from shared.metrics import Metrics
from shared.process import Loop, serve
from shared.settings import load
from shared.telemetry import configure_logging


def main() -> None:
    """Compose the scheduler and run it until SIGTERM."""
    settings = load(Settings)
    configure_logging("scheduler", settings.log_level)
    quiet_libraries()
    amqp, database = settings.amqp_url.get_secret_value(), settings.database_url.get_secret_value()
    metrics = Metrics(CollectorRegistry(), "scheduler")
    idle = settings.idle_transaction_seconds
    connections = pool(database, name="scheduler", size=settings.report_threads + 4, idle_seconds=idle)
    sender, queues = JobSender(amqp), Queues(amqp)
    handler = Handler(connections, settings, metrics)
    sweep = Sweep(connections, settings, metrics, sender.depth)
    admin = Admin(connections, settings, metrics)
    measures = Measures(connections, metrics, queues.state)
    relay = Relay(connections, database, sender, EventPublisher(amqp), metrics)
    reports = Lane(
        amqp,
        {
            FetchProgressed: handler.on_progress,
            FetchReported: handler.on_report,
            ConnectionTested: handler.on_tested,
        },
        threads=settings.report_threads,
        metrics=metrics,
    )
    ui_events = EventConsumer(amqp, admin.handle)
    loops = [
        Loop("tick", handler.tick, idle_seconds=settings.tick_seconds),
        Loop("sweep", sweep.step, idle_seconds=settings.sweep_seconds),
        Loop("measure", measures.tables, idle_seconds=5.0),
        Loop("count", measures.connectors, idle_seconds=60.0),
        Loop("queues", measures.queues, idle_seconds=15.0),
        Loop("relay", relay.step, idle_seconds=0.01),
    ]
    with connections:
        serve(
            settings,
            metrics,
            # The relay stops last: what the others owe is still published.
            parts=[ui_events, reports, *loops],
            ready={
                "database": lambda: answers(connections),
                "ui_events": ui_events.connected.is_set,
            },
        )
        relay.close()
        queues.close()
        sender.close()


if __name__ == "__main__":
    main()
