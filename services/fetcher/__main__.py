"""Runs a fetcher: `python -m services.fetcher`. Any number of them may run side by side."""

import logging

from prometheus_client import CollectorRegistry

from services.fetcher.handler import Handler
from services.fetcher.settings import Settings
from shared.blobs import Blobs
from shared.bus.jobs import JobSender, Lane, quiet_libraries
from shared.contracts import ConnectionTestRequested, FetchRequested
from shared.metrics import Metrics
from shared.process import Loop, serve
from shared.sealing import Opener, private_key
from shared.settings import load
from shared.telemetry import configure_logging


def main() -> None:
    """Compose the fetcher and run it until SIGTERM."""
    settings = load(Settings)
    configure_logging("fetcher", settings.log_level)
    quiet_libraries()
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    amqp = settings.amqp_url.get_secret_value()
    metrics = Metrics(CollectorRegistry(), "fetcher")
    blobs = Blobs(settings.blob_url)
    opener = Opener(private_key(key.get_secret_value()) for key in settings.seal_private_keys)
    sender = JobSender(amqp)
    handler = Handler(settings, blobs, opener, sender, metrics)
    serve(
        settings,
        metrics,
        parts=[
            Lane(amqp, {FetchRequested: handler.on_fetch}, threads=settings.fetch_threads, metrics=metrics),
            Lane(amqp, {ConnectionTestRequested: handler.on_test}, threads=settings.test_threads, metrics=metrics),
            Loop("heartbeat", handler.heartbeat.beat, idle_seconds=settings.progress_seconds),
        ],
        ready={"blobs": blobs.ready},
    )
    sender.close()


if __name__ == "__main__":
    main()
