"""Runs an importer: `python -m services.importer`. Any number of them may run side by side."""

from prometheus_client import CollectorRegistry

from services.importer import scratch
from services.importer.garbage import Garbage
from services.importer.handler import Handler
from services.importer.lease import Leases
from services.importer.memory import tune
from services.importer.preview import Previews
from services.importer.removal import Removals
from services.importer.settings import Settings
from shared.blobs import Blobs
from shared.bus.jobs import Lane, quiet_libraries
from shared.contracts import LARGE_IMPORTS, ImportRequested, PreviewRequested, RemovalRequested
from shared.database import answers, pool
from shared.metrics import Metrics
from shared.process import Loop, serve
from shared.settings import load
from shared.telemetry import configure_logging


def main() -> None:
    """Compose the importer and run it until SIGTERM."""
    settings = load(Settings)
    configure_logging("importer", settings.log_level)
    quiet_libraries()
    tune()
    metrics = Metrics(CollectorRegistry(), "importer")
    blobs = Blobs(settings.blob_url)
    size = 2 * (settings.import_threads + settings.large_import_threads) + settings.preview_threads + 4
    database, idle = settings.database_url.get_secret_value(), settings.idle_transaction_seconds
    with pool(database, name="importer", size=size, idle_seconds=idle) as connections:
        leases = Leases(connections, settings.lease_seconds)
        handler = Handler(settings, connections, blobs, leases, metrics)
        previews = Previews(settings, connections, blobs)
        removals = Removals(connections, blobs, metrics)
        garbage = Garbage(settings, connections, blobs, metrics)
        amqp = settings.amqp_url.get_secret_value()
        lanes = {ImportRequested.queue: settings.import_threads, LARGE_IMPORTS: settings.large_import_threads}
        serve(
            settings,
            metrics,
            parts=[
                *(
                    Lane(amqp, {ImportRequested: handler.on_import}, threads=threads, queue=queue, metrics=metrics)
                    for queue, threads in lanes.items()
                    if threads
                ),
                Lane(amqp, {PreviewRequested: previews.on_preview}, threads=settings.preview_threads, metrics=metrics),
                Lane(amqp, {RemovalRequested: removals.on_removal}, threads=1, metrics=metrics),
                Loop("leases", leases.extend, idle_seconds=settings.lease_seconds / 4),
                Loop("garbage", garbage.step, idle_seconds=settings.blob_sweep_seconds, patient=True),
            ],
            ready={"database": lambda: answers(connections), "blobs": blobs.ready, "scratch": scratch.writable},
        )
        leases.give_back()


if __name__ == "__main__":
    main()
