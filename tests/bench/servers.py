"""Downloads from each server that the tests know, near and far, against the `sftp` command.

`python -m tests.bench.servers`.
"""

import statistics
import tempfile
from pathlib import Path

from deploy.local.servers.asyncssh import Asyncssh
from deploy.local.servers.dropbear import Dropbear
from deploy.local.servers.proftpd import Proftpd
from deploy.local.servers.sshd import Sshd
from tests.bench.against import PATH, Sftp, far, server
from tests.bench.download import MEBIBYTES, ours

ROUNDS = {0: 5, 50: 3}  # by round trip in milliseconds


def main() -> None:
    """Print MB/s of ours, and how many times that of `sftp` it is."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)
        sftp = Sftp(home)
        for kind in (Sshd, Proftpd, Dropbear, Asyncssh):
            with server(home, MEBIBYTES, kind) as running:
                path = str(running.root / PATH[1:])
                for milliseconds, rounds in ROUNDS.items():
                    took, theirs = [], []
                    with far(running.port, milliseconds) as port:
                        for _ in range(rounds):
                            took.append(ours(port, home / "blobs", path)[0])
                            theirs.append(sftp.seconds(port, f"get {path} {home / 'got.csv'}"))
                    seconds, other = statistics.median(took), statistics.median(theirs)
                    speed = MEBIBYTES * 1.048576 / seconds
                    print(f"{kind.__name__:9} {milliseconds:3} ms {speed:4.0f} MB/s {other / seconds:5.2f} x")  # noqa: T201


if __name__ == "__main__":
    main()
