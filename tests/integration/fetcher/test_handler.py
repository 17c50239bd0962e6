"""The fetcher's handler on a real server and a real blob store: one answer for each request, and nothing left over."""

import base64
import hashlib
import json
import logging
import random
import socket
import threading
import time
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

from deploy.local.servers.ports import free_port
from deploy.local.servers.sshd import Sshd
from services.fetcher.handler import Handler
from services.fetcher.settings import Settings
from shared.blobs import Blobs
from shared.contracts import (
    ConnectionTested,
    ConnectionTestRequested,
    Endpoint,
    FetchProgressed,
    FetchReported,
    FetchRequested,
    ImportRequested,
    Job,
    Known,
    PreviewRequested,
)
from shared.errors import BusUnavailable
from shared.metrics import Metrics
from shared.sealing import Opener, Place, seal
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import LOOPBACK, OTHER_KEY, PINNED, Script, SshServer, served

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
    """A blob store that calls `on_chunk` when the first bytes of a file arrive."""

    def __init__(self, url: str, on_chunk: Callable[[], object]) -> None:
        super().__init__(url)
        self._on_chunk = on_chunk

    def stage(self, chunks: Iterable[bytes]) -> str:
        return super().stage(self._watched(chunks))

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

    def handler(self, **settings: Any) -> Handler:
        given: dict[str, Any] = {
            "amqp_url": "amqp://nobody",
            "blob_url": f"file://{self.folder}",
            "seal_private_keys": [SecretStr(base64.b64encode(bytes(self.key)).decode())],
            "allowed_networks": ["127.0.0.0/8"],
            "connect_seconds": 2,
            "login_seconds": 2,
            "read_seconds": 2,
        }
        blobs = WatchedBlobs(given["blob_url"], self.on_chunk)
        opener = Opener([self.key])
        return Handler(Settings(**given | settings), blobs, opener, self.sender, self.metrics)

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


def known(content: bytes, *, mtime: int = OLD, looked: timedelta = timedelta(hours=1)) -> Known:
    """The content as it was imported, looked at so long after it was written."""
    return Known(
        checksum=hashlib.sha256(content).hexdigest(),
        size=len(content),
        mtime=mtime,
        looked_at=datetime.fromtimestamp(mtime, UTC) + looked,
    )


def append(file: Path, row: bytes, mode: str = "ab") -> None:
    with open(file, mode) as stream:
        stream.write(row)


def test_a_file_seen_for_the_first_time_is_brought(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    content = random.Random(1).randbytes(9 * MIB + 1)
    sshd.put(PATH, content, mtime=OLD)
    begun = datetime.now(UTC)

    # When
    answer = fetcher.fetch()

    # Then
    checksum = hashlib.sha256(content).hexdigest()
    assert isinstance(answer, ImportRequested)
    assert (answer.org_id, answer.connector_id) == (fetcher.org_id, fetcher.connector_id)
    assert (answer.checksum, answer.size, answer.mtime) == (checksum, len(content), OLD)
    assert begun <= answer.looked_at <= datetime.now(UTC)
    assert answer.host_key == f"ssh-ed25519 {sshd.fingerprint}"
    assert fetcher.sender.phases == ["started", "stored"]
    stored = fetcher.sender.jobs[1]
    assert isinstance(stored, FetchProgressed)
    assert stored.file is not None
    assert stored.file.model_dump().items() <= answer.model_dump().items()
    assert fetcher.blobs() == [f"org/{fetcher.org_id}/{checksum}"] == [answer.blob]
    assert b"".join(Blobs(f"file://{fetcher.folder}").read(answer.blob, checksum)) == content
    assert fetcher.fetched() == len(content)


def test_an_empty_file_is_brought_too(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, b"", mtime=OLD)

    answer = fetcher.fetch()

    assert isinstance(answer, ImportRequested)
    assert (answer.size, answer.checksum) == (0, hashlib.sha256(b"").hexdigest())
    assert fetcher.blobs() == [answer.blob]


def test_a_download_tells_that_it_is_alive_for_as_long_as_it_takes(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, bytes(3 * MIB), mtime=OLD)

    def beat() -> None:
        handler.heartbeat.beat()

    fetcher.on_chunk = beat
    handler = fetcher.handler()
    request = fetcher.request()

    # When
    handler.on_fetch(request)
    handler.heartbeat.beat()

    # Then
    assert isinstance(fetcher.answer_to(request), ImportRequested)
    assert fetcher.sender.phases == ["started", "downloading", "stored"]
    alive = fetcher.sender.jobs[1]
    assert isinstance(alive, FetchProgressed)
    assert alive.run_id == request.run_id
    assert 0 < alive.received_bytes < 3 * MIB


def test_a_file_with_the_known_size_and_time_is_not_read(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.code, answer.downloaded) == ("unchanged", None, False)
    assert (answer.size, answer.mtime) == (len(CONTENT), OLD)
    assert fetcher.fetched() == 0
    assert fetcher.blobs() == []


def test_a_file_touched_without_a_change_is_read_and_let_go(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD + 60)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.downloaded, answer.mtime) == ("unchanged", True, OLD + 60)
    assert fetcher.fetched() == len(CONTENT)
    assert fetcher.blobs() == []


def test_a_file_with_another_content_is_brought(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT + b"Beta;Lyon\n", mtime=OLD + 60)

    answer = fetcher.fetch(known=known(CONTENT))

    assert isinstance(answer, ImportRequested)
    assert answer.checksum == hashlib.sha256(CONTENT + b"Beta;Lyon\n").hexdigest()


def test_a_change_that_keeps_size_and_time_is_found_by_a_full_check(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    changed = CONTENT.replace(b"Paris", b"Tours")
    sshd.put(PATH, changed, mtime=OLD)

    # When
    without = fetcher.fetch(known=known(CONTENT))
    with_it = fetcher.fetch(known=known(CONTENT), full_check=True)

    # Then
    assert isinstance(without, FetchReported)
    assert without.verdict == "unchanged"
    assert isinstance(with_it, ImportRequested)
    assert with_it.checksum == hashlib.sha256(changed).hexdigest()


def test_a_full_check_of_the_same_bytes_finds_no_change(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT), full_check=True)

    assert (answer.verdict, answer.downloaded) == ("unchanged", True)
    assert fetcher.blobs() == []


def test_a_change_in_the_second_of_the_previous_look_is_found(fetcher: Fetcher, sshd: Sshd) -> None:
    changed = CONTENT.replace(b"Paris", b"Tours")
    sshd.put(PATH, changed, mtime=OLD)

    answer = fetcher.fetch(known=known(CONTENT, looked=timedelta(seconds=1)))

    assert isinstance(answer, ImportRequested)


def test_a_file_that_grows_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: append(file, b"one more row\n")

    # When
    answer = fetcher.fetch()

    # Then
    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert file.stat().st_size > 3 * MIB
    assert fetcher.blobs() == []


def test_a_file_rewritten_in_place_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given the same size before and after
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: append(file, b"x", mode="r+b")

    # When
    answer = fetcher.fetch()

    # Then
    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_replaced_while_it_is_read_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = lambda: sshd.put(PATH, bytes(2 * MIB), mtime=OLD)

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_another_process_keeps_writing_is_not_kept(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    file = sshd.put(PATH, bytes(8 * MIB), mtime=OLD)
    done = threading.Event()

    def write() -> None:
        with file.open("ab", buffering=0) as stream:
            while not done.wait(0.002):
                stream.write(b"row\n")

    writer = threading.Thread(target=write)
    writer.start()

    # When
    try:
        answer = fetcher.fetch()
    finally:
        done.set()
        writer.join()

    # Then
    assert answer.verdict == "not_settled"
    assert fetcher.blobs() == []


def test_a_file_shorter_than_announced_is_not_kept(fetcher: Fetcher) -> None:
    with SshServer(PASSWORD, served(CONTENT), size=len(CONTENT) + 1) as server:
        fetcher.port = server.port
        answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("not_settled", "not_settled")
    assert fetcher.blobs() == []


def test_a_file_that_vanishes_while_it_is_read_leaves_nothing(fetcher: Fetcher, sshd: Sshd) -> None:
    file = sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.on_chunk = file.unlink

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("failed", "file_not_found")
    assert fetcher.blobs() == []


def test_a_transfer_that_breaks_off_leaves_nothing(fetcher: Fetcher) -> None:
    content = bytes(20 * MIB)

    with SshServer(PASSWORD, lambda at, length: content[at : at + length] or 4, size=len(content)) as server:
        fetcher.port = server.port
        answer = fetcher.fetch()

    assert (answer.verdict, answer.code) == ("failed", "transfer_broken")
    assert fetcher.blobs() == []


def test_a_file_larger_than_allowed_is_not_read(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, bytes(100_000), mtime=OLD)

    answer = fetcher.fetch(settings={"max_file_bytes": 40_000})

    assert (answer.verdict, answer.code) == ("failed", "file_too_large")
    assert fetcher.fetched() == 0
    assert fetcher.blobs() == []


@pytest.mark.parametrize("announced", [None, 1000])
def test_a_file_that_turns_out_larger_than_allowed_is_broken_off(fetcher: Fetcher, announced: int | None) -> None:
    # Given a file without an end
    with SshServer(PASSWORD, lambda _at, length: bytes(length), size=announced) as server:
        fetcher.port = server.port

        # When
        answer = fetcher.fetch(settings={"max_file_bytes": 9 * MIB})

    # Then
    assert (answer.verdict, answer.code) == ("failed", "file_too_large")
    assert fetcher.fetched() <= 9 * MIB
    assert fetcher.blobs() == []


def test_a_file_of_exactly_the_largest_size_is_brought(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, bytes(1000), mtime=OLD)

    answer = fetcher.fetch(settings={"max_file_bytes": 1000})

    assert isinstance(answer, ImportRequested)


def test_a_password_that_cannot_be_opened_makes_no_connection(fetcher: Fetcher) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        fetcher.port = listener.getsockname()[1]
        good = fetcher.sealed()
        unreadable = [
            good[:-8] + "AAAAAAA=",
            good[:20],
            "",
            "no box at all",
            good.replace(".", ".é"),
            fetcher.sealed(key=PrivateKey.generate()),
            fetcher.sealed(org_id=uuid4()),
            fetcher.sealed(subject_id=uuid4()),
            fetcher.sealed(host="sftp.example.com"),
            fetcher.sealed(port=2222),
            fetcher.sealed(username="root"),
        ]
        for sealed in unreadable:
            answer = fetcher.fetch(sealed_password=sealed)
            assert (answer.verdict, answer.code) == ("failed", "secret_unreadable")

        fetcher.sender.jobs.clear()
        tested = fetcher.test(sealed_password=unreadable[0])

        assert not tested.ok
        assert [(step.name, step.code) for step in tested.steps] == [("login", "secret_unreadable")], (
            "nothing was tried"
        )
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_changed_host_key_is_told_with_the_key_that_was_seen(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT)

    answer = fetcher.fetch(host_keys=(OTHER_KEY,))

    assert (answer.verdict, answer.code) == ("failed", "host_key_changed")
    assert answer.host_key == f"ssh-ed25519 {sshd.fingerprint}"


def test_a_wrong_password_is_told(fetcher: Fetcher) -> None:
    answer = fetcher.fetch(sealed_password=fetcher.sealed("canary-7f3a, but wrong"))
    assert (answer.verdict, answer.code) == ("failed", "login_refused")


def test_a_bus_that_is_down_for_progress_does_not_stop_a_download(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, CONTENT)

    def refuse(job: Job) -> None:
        if isinstance(job, FetchProgressed):
            raise BusUnavailable("down")

    fetcher.sender.on_job = refuse

    # When
    answer = fetcher.fetch()

    # Then
    assert isinstance(answer, ImportRequested)


def test_an_answer_that_cannot_be_sent_is_given_when_the_job_comes_again(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, CONTENT)

    def refuse(_job: Job) -> None:
        raise BusUnavailable("down")

    fetcher.sender.on_job = refuse
    request = fetcher.request()
    with pytest.raises(BusUnavailable):
        fetcher.handler().on_fetch(request)
    fetcher.sender.jobs.clear()
    fetcher.sender.on_job = lambda _job: None

    # When
    fetcher.handler().on_fetch(request)

    # Then
    answer = fetcher.answer_to(request)
    assert isinstance(answer, ImportRequested)
    assert fetcher.blobs() == [answer.blob]


def test_a_connection_test_passes_each_step(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)
    begun = time.monotonic()

    tested = fetcher.test()

    assert time.monotonic() - begun < 2
    assert tested.ok
    assert [(step.name, step.ok, step.code) for step in tested.steps] == [
        (name, True, None) for name in ("address", "connect", "host_key", "login", "file")
    ]
    assert tested.host_key == f"ssh-ed25519 {sshd.fingerprint}"
    assert (tested.size, tested.mtime) == (len(CONTENT), OLD)
    assert 0 < tested.took_ms < 2000
    assert fetcher.fetched() == 0


def test_the_beginning_of_a_tested_file_is_brought_after_the_answer(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    content = random.Random(2).randbytes(3 * MIB)
    sshd.put(PATH, content, mtime=OLD)

    # When
    tested = fetcher.test()

    # Then
    preview = fetcher.preview()
    assert (preview.test_id, preview.org_id) == (tested.test_id, fetcher.org_id)
    assert preview.blob == f"preview/{fetcher.org_id}/{tested.test_id}"
    assert (preview.size, preview.whole_file) == (256 * 1024, False)
    assert fetcher.content(preview) == content[: preview.size]


@pytest.mark.parametrize(
    ("content", "seen", "whole"),
    [(b"", 0, True), (b"x" * 999, 999, True), (b"x" * 1000, 1000, True), (b"x" * 1001, 1000, False)],
)
def test_a_preview_says_whether_it_is_the_whole_file(
    fetcher: Fetcher, sshd: Sshd, content: bytes, seen: int, *, whole: bool
) -> None:
    sshd.put(PATH, content, mtime=OLD)

    assert fetcher.test(settings={"preview_bytes": 1000}).ok

    preview = fetcher.preview()
    assert (preview.size, preview.whole_file) == (seen, whole)


def test_a_file_without_a_known_size_may_go_on_after_a_full_preview(fetcher: Fetcher) -> None:
    with SshServer(PASSWORD, served(b"x" * 1000), size=None) as server:
        fetcher.port = server.port
        assert fetcher.test(settings={"preview_bytes": 1000}).ok

    assert not fetcher.preview().whole_file


def test_a_test_is_answered_before_its_preview_is_read(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put(PATH, CONTENT, mtime=OLD)
    answered: list[bool] = []
    fetcher.on_chunk = lambda: answered.append(bool(fetcher.sender.jobs))

    # When
    fetcher.test()

    # Then
    assert answered == [True]


def broken_after(at: int) -> Script:
    """A server that shows the first bytes and then cannot read on."""
    return lambda offset, length: bytes(length) if offset < at else 4


@pytest.mark.parametrize("script", [broken_after(64 * 1024), lambda at, _length: b"x" if at == 0 else None])
def test_a_preview_that_breaks_off_leaves_nothing_and_the_test_is_good(fetcher: Fetcher, script: Script) -> None:
    with SshServer(PASSWORD, script, size=MIB) as server:
        fetcher.port = server.port
        tested = fetcher.test(settings={"read_seconds": 0.5})

    assert tested.ok
    assert len(fetcher.sender.jobs) == 1
    assert fetcher.blobs() == []


def test_a_server_that_drips_bytes_holds_a_preview_up_only_for_the_time_of_one_answer(fetcher: Fetcher) -> None:
    # Given a server that sends one byte after the other
    def drip(_at: int, _length: int) -> bytes:
        time.sleep(0.05)
        return b"x"

    with SshServer(PASSWORD, drip, size=MIB) as server:
        fetcher.port = server.port
        begun = time.monotonic()

        # When
        tested = fetcher.test(settings={"read_seconds": 0.5})

    # Then
    assert tested.ok
    assert time.monotonic() - begun < 5
    assert (len(fetcher.sender.jobs), fetcher.blobs()) == (1, [])


def test_a_preview_that_cannot_be_sent_leaves_nothing_and_does_not_repeat_the_test(
    fetcher: Fetcher, sshd: Sshd
) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    def refuse(job: Job) -> None:
        if isinstance(job, PreviewRequested):
            raise BusUnavailable("down")

    fetcher.sender.on_job = refuse

    assert fetcher.test().ok
    assert fetcher.blobs() == []


def test_a_blob_store_that_is_away_does_not_spoil_a_test(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    def away() -> None:
        raise OSError("no space left")

    fetcher.on_chunk = away

    assert fetcher.test().ok
    assert len(fetcher.sender.jobs) == 1


@pytest.mark.parametrize(
    ("changes", "step", "code"),
    [
        ({"host": "sftp.nowhere.invalid"}, "address", "dns_failed"),
        ({"host": "10.0.0.1"}, "address", "address_blocked"),
        ({"port": free_port()}, "connect", "connection_refused"),
        ({"host_keys": (OTHER_KEY,)}, "host_key", "host_key_changed"),
        ({"path": "/exports/nothing.csv"}, "file", "file_not_found"),
        ({"path": "/exports"}, "file", "not_a_file"),
        ({"path": "/exports/private.csv"}, "file", "permission_denied"),
    ],
)
def test_a_connection_test_tells_the_step_that_failed(
    fetcher: Fetcher, sshd: Sshd, changes: dict[str, Any], step: str, code: str
) -> None:
    sshd.put("/exports/private.csv", CONTENT).chmod(0)

    tested = fetcher.test(**changes)

    steps = ["address", "connect", "host_key", "login", "file"]
    assert not tested.ok
    assert [(found.name, found.ok) for found in tested.steps] == [
        (name, name != step) for name in steps[: steps.index(step) + 1]
    ]
    assert tested.steps[-1].code == code
    assert tested.steps[-1].message


def test_a_connection_test_with_a_wrong_password_fails_at_the_login(fetcher: Fetcher) -> None:
    with SshServer("another password") as server:
        fetcher.port = server.port
        tested = fetcher.test(host_keys=(PINNED,))

    assert [step.name for step in tested.steps if not step.ok] == ["login"]
    assert tested.steps[-1].code == "login_refused"
    assert len(server.attempts) == 1


def test_each_of_many_requests_at_once_gets_its_own_answer(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    for number in range(8):
        sshd.put(f"/exports/{number}.csv", b"%d" % number * 100_000, mtime=OLD)
    handler = fetcher.handler()
    requests = [fetcher.request(path=f"/exports/{number}.csv") for number in range(8)]

    # When
    threads = [threading.Thread(target=handler.on_fetch, args=(request,)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    # Then
    answers = {job.run_id: job for job in fetcher.sender.answers if isinstance(job, ImportRequested)}
    assert len(fetcher.sender.answers) == 8
    for number, request in enumerate(requests):
        assert answers[request.run_id].checksum == hashlib.sha256(b"%d" % number * 100_000).hexdigest()
    assert len(fetcher.blobs()) == 8
