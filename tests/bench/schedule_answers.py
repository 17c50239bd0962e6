"""Stands for all fetchers: tells that each look has begun and that the file is as it was. Started by the benchmark."""

import signal
import sys
from datetime import UTC, datetime

from shared.bus.jobs import JobSender, Lane, quiet_libraries
from shared.contracts import FetchProgressed, FetchReported, FetchRequested


class Answers:
    """Answers each request at once."""

    def __init__(self, amqp_url: str) -> None:
        self._sender = JobSender(amqp_url)

    def look(self, request: FetchRequested) -> None:
        """As a fetcher would that finds nothing new."""
        self._sender.send(FetchProgressed(run_id=request.run_id, phase="started"))
        report = FetchReported(
            run_id=request.run_id,
            verdict="unchanged",
            size=1_000_000,
            mtime=1_760_000_000,
            looked_at=datetime.now(UTC),
        )
        self._sender.send(report)


def main() -> None:
    """Answer until the process is ended."""
    quiet_libraries()
    (amqp_url,) = sys.argv[1:]
    Lane(amqp_url, {FetchRequested: Answers(amqp_url).look}, threads=4).start()
    signal.pause()


if __name__ == "__main__":
    main()
