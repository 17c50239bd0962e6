"""Polls of an unchanged file: connect, log in, stat, close. `python -m tests.bench.polls`."""

import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from services.fetcher.sftp.login import Password
from services.fetcher.sftp.session import open_session
from tests.bench.against import PASSWORD, PATH, Sftp, server
from tests.bench.download import endpoint, limits

POLLS = 100


def poll(port: int) -> None:
    """Look at the file once."""
    with open_session(endpoint(port), Password(PASSWORD), limits()) as session:
        session.look(PATH)


def one_by_one(port: int, sftp: Sftp) -> None:
    """Print wall time, beside the `sftp` command's, and our processor time of a poll."""
    poll(port)
    ours, theirs = [], []
    cpu = time.process_time()
    for _ in range(POLLS):
        begun = time.monotonic()
        poll(port)
        ours.append(time.monotonic() - begun)
    cpu = time.process_time() - cpu
    for _ in range(POLLS // 4):
        theirs.append(sftp.seconds(port, f"ls -l {PATH}"))
    wall, other = statistics.median(ours) * 1000, statistics.median(theirs) * 1000
    print(f"a poll: {wall:.0f} ms, {cpu / POLLS * 1000:.1f} ms of them our CPU; sftp: {other:.0f} ms")  # noqa: T201


def at_once(port: int, threads: int) -> None:
    """Print how many polls so many threads make in a second."""
    begun = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(poll, port) for _ in range(POLLS)]:
            done.result()
    print(f"{threads:3} threads: {POLLS / (time.monotonic() - begun):5.1f} polls/s")  # noqa: T201


def main() -> None:
    """Measure on a private server, and tell what is left over."""
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with server(home, 1) as sshd:
            one_by_one(sshd.port, Sftp(home))
            before = threading.active_count(), process.num_fds()
            for threads in (1, 4, 16, 64):
                at_once(sshd.port, threads)
            after = threading.active_count(), process.num_fds()
    print(f"threads and files before: {before}, after: {after}")  # noqa: T201


if __name__ == "__main__":
    main()
