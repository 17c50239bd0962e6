"""What the tests of looks share: a fetcher with a real blob store whose answers are recorded."""

import base64
import hashlib
import io
import json
import logging
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import structlog
from nacl.public import PrivateKey
from prometheus_client import generate_latest
from pydantic import SecretStr

from deploy.local.servers.sshd import Sshd
from services.fetcher.handler import Handler
from services.fetcher.settings import Settings
from shared.blobs import Blobs
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    Endpoint,
    FetchProgressed,
    FetchRequested,
    Job,
    Known,
    PreviewRequested,
)
from shared.metrics import Metrics
from shared.sealing import Opener, Place, seal
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import LOOPBACK

MIB = 1024 * 1024
PATH = "/exports/leads.csv"
OLD = 1_700_000_000
CONTENT = b"Company;City\nAcme;Paris\n"


@dataclass
class Recorder:
    """Takes every job in the place of RabbitMQ."""

    jobs: list[Job] = field(default_factory=list)
    on_job: Callable[[Job], None] = lambda _job: None

    def send(self, job: Job) -> None:
        self.jobs.append(job)
        self.on_job(job)

    @property
    def answers(self) -> list[Job]:
        return [job for job in self.jobs if not isinstance(job, FetchProgressed)]

    @property
    def phases(self) -> list[str]:
        return [job.phase for job in self.jobs if isinstance(job, FetchProgressed)]


class WatchedBlobs(Blobs):
    """A blob store that calls `on_chunk` when the first bytes of a file arrive, and `on_end` after the last."""

    def __init__(self, url: str, on_chunk: Callable[[], object], on_end: Callable[[], object]) -> None:
        super().__init__(url)
        self._on_chunk = on_chunk
        self._on_end = on_end

    def stage(self, chunks: Iterable[bytes]) -> str:
        staged = super().stage(self._watched(chunks))
        self._on_end()
        return staged

    def _watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for number, chunk in enumerate(chunks):
            if number == 0:
                self._on_chunk()
            yield chunk


@dataclass
class Fetcher:
    """A handler and all that it touches."""

    port: int
    folder: Path
    metrics: Metrics
    org_id: UUID
    connector_id: UUID = field(default_factory=uuid4)
    key: PrivateKey = field(default_factory=PrivateKey.generate)
    sender: Recorder = field(default_factory=Recorder)
    on_chunk: Callable[[], object] = lambda: None
    on_end: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.monotonic

    def handler(self, **settings: Any) -> Handler:
        given: dict[str, Any] = {
            "amqp_url": "amqp://nobody",
            "blob_url": f"file://{self.folder}",
            "seal_private_keys": [SecretStr(base64.b64encode(bytes(self.key)).decode())],
            "allowed_networks": ["127.0.0.0/8"],
            "connect_seconds": 2,
            "login_seconds": 2,
            "read_seconds": 2,
            "resume_pause_seconds": 0.05,
        }
        blobs = WatchedBlobs(given["blob_url"], self.on_chunk, self.on_end)
        opener = Opener([self.key])
        return Handler(Settings(**given | settings), blobs, opener, self.sender, self.metrics, clock=self.clock)

    def sealed(self, password: str = PASSWORD, *, key: PrivateKey | None = None, **place: Any) -> str:
        there: dict[str, Any] = {
            "org_id": self.org_id,
            "subject_id": self.connector_id,
            "host": LOOPBACK,
            "port": self.port,
            "username": "crm",
        }
        return seal(password, Place(**there | place), (key or self.key).public_key)

    def endpoint(self, **changes: Any) -> Endpoint:
        plain = {
            "host": LOOPBACK,
            "port": self.port,
            "username": "crm",
            "path": PATH,
            "sealed_password": self.sealed(host=changes.get("host", LOOPBACK), port=changes.get("port", self.port)),
        }
        return Endpoint.model_validate(plain | changes)

    def request(self, *, known: Known | None = None, full_check: bool = False, **changes: Any) -> FetchRequested:
        return FetchRequested(
            run_id=uuid4(),
            org_id=self.org_id,
            connector_id=self.connector_id,
            endpoint=self.endpoint(**changes),
            known=known,
            full_check=full_check,
        )

    def fetch(
        self, *, known: Known | None = None, full_check: bool = False, settings: dict[str, Any] | None = None, **to: Any
    ) -> Any:
        """Handle a request and return the one answer to it."""
        request = self.request(known=known, full_check=full_check, **to)
        self.handler(**settings or {}).on_fetch(request)
        return self.answer_to(request)

    def answer_to(self, request: FetchRequested) -> Any:
        answers = [job for job in self.sender.answers if getattr(job, "run_id", None) == request.run_id]
        assert len(answers) == 1
        assert self.sender.jobs[-1] is answers[0]
        return answers[0]

    def test(self, *, settings: dict[str, Any] | None = None, **changes: Any) -> ConnectionTested:
        """Handle a connection test and return the one answer to it, which comes before everything else."""
        endpoint = self.endpoint(**changes)
        request = ConnectionTestRequested(
            test_id=uuid4(), org_id=self.org_id, subject_id=self.connector_id, endpoint=endpoint
        )
        self.handler(**settings or {}).on_test(request)
        answer, *preview = self.sender.jobs
        assert isinstance(answer, ConnectionTested)
        assert not preview or answer.ok
        assert answer.test_id == request.test_id
        return answer

    def preview(self) -> PreviewRequested:
        """What followed the answer to a good test, once its blob is known to be what it says."""
        _answer, preview = self.sender.jobs
        assert isinstance(preview, PreviewRequested)
        assert self.blobs() == [preview.blob]
        assert len(self.content(preview)) == preview.size
        return preview

    def content(self, preview: PreviewRequested) -> bytes:
        return b"".join(Blobs(f"file://{self.folder}").read(preview.blob, preview.checksum))

    def blobs(self) -> list[str]:
        """Every file that the blob store holds, half written ones included."""
        return sorted(str(file.relative_to(self.folder)) for file in self.folder.rglob("*") if file.is_file())

    def fetched(self) -> float:
        return self.metrics.registry.get_sample_value("sftp_connector_fetched_bytes_total") or 0.0


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Every line that our own code or a library logs."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as lines:
        yield lambda: json.dumps(lines, default=repr) + caplog.text


@pytest.fixture
def fetcher(
    sshd: Sshd,
    tmp_path: Path,
    metrics: Metrics,
    org_id: UUID,
    logged: Callable[[], str],
) -> Iterator[Fetcher]:
    """A fetcher; whatever a test does with it, the password is in nothing that it sends, logs or counts."""
    made = Fetcher(sshd.port, tmp_path / "blobs", metrics, org_id)
    yield made
    told = [job.model_dump_json() for job in made.sender.jobs]
    told += [logged(), generate_latest(metrics.registry).decode()]
    assert not [text for text in told if "canary-7f3a" in text]


def known(
    content: bytes, *, mtime: int = OLD, looked: timedelta = timedelta(hours=1), path: str | None = None
) -> Known:
    """The content as it was imported, looked at so long after it was written."""
    return Known(
        checksum=hashlib.sha256(content).hexdigest(),
        size=len(content),
        mtime=mtime,
        looked_at=datetime.fromtimestamp(mtime, UTC) + looked,
        path=path,
    )


def zipped(members: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def append(file: Path, row: bytes, mode: str = "ab") -> None:
    with open(file, mode) as stream:
        stream.write(row)
