"""Downloads of a large file, with SHA-256 and into a blob store, against the `sftp` command: near and far.

`python -m tests.bench.download`. Ours runs in a process of its own for each download, so that its memory can be told.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

from services.fetcher.download import Download
from services.fetcher.sftp.login import Password
from services.fetcher.sftp.session import Limits, open_session
from shared.blobs import Blobs
from shared.contracts import Endpoint
from tests.bench.against import GCM, PASSWORD, PATH, Sftp, far, server

MEBIBYTES = 200
ROUNDS = {0: 7, 50: 3}  # by round trip in milliseconds


def limits() -> Limits:
    """Generous times, and the loopback interface allowed."""
    return Limits(
        connect_seconds=10,
        login_seconds=10,
        read_seconds=30,
        allowed_networks=[IPv4Network("127.0.0.0/8")],
    )


def endpoint(port: int, path: str = PATH) -> Endpoint:
    """Where the file is."""
    return Endpoint(host="127.0.0.1", port=port, username="crm", path=path)


def download(port: int, path: str, folder: str) -> None:
    """Bring the file once, and print how long it took, the connection included, and the most memory used."""
    blobs = Blobs(f"file://{folder}")
    begun = time.monotonic()
    with open_session(endpoint(port, path), Password(PASSWORD), limits()) as session:
        session.look(path)
        bytes_seen = Download(session.read(path))
        blobs.stage(bytes_seen)
        session.look(path)
    seconds = time.monotonic() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(json.dumps({"seconds": seconds, "mib": peak, "checksum": bytes_seen.checksum()}))


def ours(port: int, folder: Path, path: str = PATH) -> tuple[float, float]:
    """Seconds and MiB of a download by us."""
    command = [sys.executable, "-m", "tests.bench.download", str(port), path, str(folder)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    shutil.rmtree(folder)
    return told["seconds"], told["mib"]


def compare(port: int, home: Path, rounds: int) -> None:
    """Take turns, and print the medians as multiples of the speed of `sftp`."""
    sftp = Sftp(home)
    command = f"get {PATH} {home / 'got.csv'}"
    runs: dict[str, Callable[[], float]] = {
        "sftp": lambda: sftp.seconds(port, command),
        "sftp, AES-128-GCM": lambda: sftp.seconds(port, command, GCM),
    }
    seconds: dict[str, list[float]] = {name: [] for name in (*runs, "ours")}
    peaks = []
    for _ in range(rounds):
        for name, run in runs.items():
            seconds[name].append(run())
        took, peak = ours(port, home / "blobs")
        seconds["ours"].append(took)
        peaks.append(peak)
    base = statistics.median(seconds["sftp"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"  {name:18} {median:6.2f} s  {MEBIBYTES * 1.048576 / median:4.0f} MB/s  {base / median:4.2f} x")  # noqa: T201
    print(f"  memory of ours, at most {max(peaks):.0f} MiB")  # noqa: T201


def main() -> None:
    """Compare on the loopback interface as it is, and with a delay."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        with server(home, MEBIBYTES) as sshd:
            for milliseconds, rounds in ROUNDS.items():
                print(f"{MEBIBYTES} MiB at {milliseconds} ms round trip, median of {rounds}")  # noqa: T201
                with far(sshd.port, milliseconds) as port:
                    compare(port, home, rounds)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        download(int(sys.argv[1]), *sys.argv[2:])
    else:
        main()
