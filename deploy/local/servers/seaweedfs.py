"""A private SeaweedFS: an object store that is spoken to as S3."""

import http
import json
import secrets
import signal
import sys
import urllib.error
import urllib.request
from functools import cached_property
from pathlib import Path

from deploy.local.servers.ports import LOOPBACK, ServerPort
from deploy.local.servers.process import ended_with_owner
from deploy.local.servers.server import Server

_BUCKET = "leads"
_FOLDER = 1 << 31  # among the bits of a mode
# Beside the one for S3.
_PORTS = ("s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc")


class Seaweedfs(Server):
    """A SeaweedFS of our own, with one bucket, its data below ``home`` and keys made once.

    It listens on the loopback interface only. What it has confirmed survives ``kill()``. With
    ``die_with_parent`` it stops when the interpreter that started it ends.
    """

    def __init__(self, home: Path, *, port: int | None = None, die_with_parent: bool = True) -> None:
        home = home.absolute()
        self._data = home / "data"
        super().__init__("seaweedfs", home, port=port, mark=f"-dir={self._data}")
        self._ports = {name: ServerPort(home / f"port-{name}") for name in _PORTS}
        self._die_with_parent = die_with_parent

    def url(self, prefix: str) -> str:
        """Where the blobs below a prefix are; needs `environment`."""
        return f"s3://{_BUCKET}/{prefix}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client reads from its environment."""
        access_key, secret_key = self._keys
        return {
            "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
        }

    def put(self, key: str, content: bytes) -> None:
        """Write an object, as somebody would who is at the machine: without a key and without S3."""
        self._at_the_machine("PUT", key, content)

    def remove(self, key: str) -> None:
        """Remove an object in the same way."""
        self._at_the_machine("DELETE", key)

    def keys(self, folder: str) -> list[str]:
        """All objects below a folder of the bucket; the parts of unfinished uploads are below `.uploads`."""
        try:
            found = json.loads(self._at_the_machine("GET", f"{folder}/?limit=10000"))["Entries"] or ()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != http.HTTPStatus.NOT_FOUND:
                    raise
                return []
        paths = {f"{folder}/{entry['FullPath'].rpartition('/')[2]}": entry["Mode"] for entry in found}
        below = [self.keys(path) if mode & _FOLDER else [path] for path, mode in paths.items()]
        return [key for keys in below for key in keys]

    def freeze(self) -> None:
        """Stop the server's clock, as an overloaded machine might."""
        self._process.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._process.signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the server at once, as a crash would, and remove its sockets, which no option places elsewhere."""
        super().kill()
        for port in (self._port, *self._ports.values()):
            for path in Path("/tmp").glob(f"seaweedfs-*-{port.number}.sock"):  # noqa: S108
                path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Kill the server: asked to end, it takes longer than it takes to start."""
        self.kill()

    @cached_property
    def _keys(self) -> tuple[str, str]:
        path = self.home / "keys"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(f"{secrets.token_hex(8)} {secrets.token_hex(16)}")
        access_key, secret_key = path.read_text().split()
        return access_key, secret_key

    def _launch(self) -> None:
        self._data.mkdir(exist_ok=True)
        for port in self._ports.values():
            port.settle()
        command = [str(Path(sys.executable).with_name("weed")), "server", *self._options()]
        if self._die_with_parent:
            command = ended_with_owner(command, signal.SIGKILL)
        self._process.start(command)

    def _options(self) -> list[str]:
        options = [f"-dir={self._data}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-master.telemetry=false"]
        # Alone, it need not wait long for other masters to elect it.
        options += ["-master.electionTimeout=300ms", "-master.volumeSizeLimitMB=128", "-volume.max=64"]
        options += ["-s3", f"-s3.ip.bind={LOOPBACK}", f"-s3.port={self.port}", f"-s3.config={self._identities()}"]
        options += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
        return options + [f"-{_option(name)}={port.number}" for name, port in self._ports.items()]

    def _identities(self) -> Path:
        path = self.home / "identities.json"
        access_key, secret_key = self._keys
        keys = [{"accessKey": access_key, "secretKey": secret_key}]
        actions = ["Admin", "Read", "List", "Tagging", "Write"]
        path.touch(mode=0o600)
        path.write_text(json.dumps({"identities": [{"name": "leads", "credentials": keys, "actions": actions}]}))
        return path

    def _answers(self) -> bool:
        """Whether it takes objects: after a start it knows for some seconds of no disk to put them on."""
        try:
            urllib.request.urlopen(f"http://{LOOPBACK}:{self.port}/status", timeout=5).close()
            # The first object makes the bucket.
            self.put("answers", b"yes")
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False
        return True

    def _at_the_machine(self, method: str, path: str, content: bytes | None = None) -> bytes:
        url = f"http://{LOOPBACK}:{self._ports['filer'].number}/buckets/{_BUCKET}/{path}"
        headers = {"Accept": "application/json", "Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url, content, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return bytes(answer.read())


def _option(name: str) -> str:
    part, _dot, kind = name.partition(".")
    return f"{part}.port.{kind}" if kind else f"{part}.port"
