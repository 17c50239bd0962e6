"""The fetcher's handler on a real server and a real blob store: one answer for each request, and nothing left over."""

import hashlib
import itertools
import random
import socket
import threading
import time
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import pytest
from nacl.public import PrivateKey
from paramiko.sftp import SFTP_EOF

from deploy.local.servers.sshd import Sshd
from shared.blobs import Blobs
from shared.contracts import (
    FetchProgressed,
    ImportRequested,
    Job,
)
from shared.errors import BlobsUnavailable, BusUnavailable
from shared.sealing import pack_key
from tests.conftest import PASSWORD
from tests.integration.fetcher.keys import fingerprint, private_key
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, PATH, Fetcher, known
from tests.integration.fetcher.ssh_server import LOOPBACK, OTHER_KEY, Door, Peer, SshServer, served


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
    assert (answer.address, answer.path) == ("127.0.0.1", PATH)
    assert {"ssh-ed25519", "aes128-gcm@openssh.com"} <= set(answer.algorithms.split())
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


def test_a_store_that_answers_and_takes_nothing_costs_a_customer_s_server_one_login(
    fetcher: Fetcher, sshd: Sshd
) -> None:
    # Given a store in which nothing can be written
    sshd.put(PATH, CONTENT, mtime=OLD)
    blocked = fetcher.folder / "incoming"
    fetcher.folder.mkdir()
    blocked.touch()
    handler, request, before = fetcher.handler(), fetcher.request(), logins(sshd)

    # When the job is tried again and again
    for _ in range(3):
        with pytest.raises(BlobsUnavailable):
            handler.on_fetch(request)
    assert logins(sshd) == before + 1

    # Then it is done as soon as the store takes files
    blocked.unlink()
    handler.on_fetch(request)
    assert isinstance(fetcher.answer_to(request), ImportRequested)


def logins(sshd: Sshd) -> int:
    return sshd.log_path.read_text().count("Accepted password")


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


def test_every_answer_tells_what_was_seen_of_the_server(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)
    sshd.put("/exports/leads.gz", b"\x1f\x8b", mtime=OLD)

    unchanged = fetcher.fetch(known=known(CONTENT))
    missing = fetcher.fetch(path="/exports/nothing.csv")
    damaged = fetcher.fetch(path="/exports/leads.gz")

    for answer, path in ((unchanged, PATH), (missing, None), (damaged, "/exports/leads.gz")):
        assert (answer.address, answer.host_key) == ("127.0.0.1", f"ssh-ed25519 {sshd.fingerprint}")
        assert "aes128-gcm@openssh.com" in answer.algorithms.split()
        assert answer.path == path


def test_a_private_key_logs_in_and_its_passphrase_stays_secret(fetcher: Fetcher) -> None:
    # Given
    door = Door(methods="publickey", key=fingerprint("ed25519"))
    with SshServer("no password", served(CONTENT), size=len(CONTENT), door=door) as server:
        fetcher.port = server.port
        sealed = fetcher.sealed(pack_key(private_key("ed25519", passphrase="canary-7f3a"), "canary-7f3a"))

        # When
        answer = fetcher.fetch(sealed_password="", sealed_key=sealed)

    # Then
    assert isinstance(answer, ImportRequested)
    assert [method for method, secret in server.attempts if secret] == ["publickey"]


def test_what_was_sealed_as_a_key_but_is_none_is_unreadable(fetcher: Fetcher) -> None:
    answer = fetcher.fetch(sealed_password="", sealed_key=fetcher.sealed("no packed key"))

    assert (answer.verdict, answer.code) == ("failed", "secret_unreadable")


@pytest.mark.parametrize(("least", "code"), [(100_000_000, "transfer_broken"), (1, None)])
def test_a_download_that_is_too_slow_is_broken_off(fetcher: Fetcher, sshd: Sshd, least: int, code: str | None) -> None:
    # Given a clock on which each chunk takes ten seconds
    sshd.put(PATH, bytes(3 * MIB), mtime=OLD)
    fetcher.clock = partial(next, itertools.count(step=10))

    # When
    answer = fetcher.fetch(settings={"min_bytes_per_minute": least})

    # Then
    assert getattr(answer, "code", None) == code
    assert code is None or (answer.detail, fetcher.blobs()) == ("the server sends too slowly", [])


def test_a_server_that_drips_is_as_slow_as_its_bytes(fetcher: Fetcher) -> None:
    # Given a server that gives a byte an answer, and a clock on which each takes ten seconds
    fetcher.clock = partial(next, itertools.count(step=10))
    with SshServer(PASSWORD, lambda at, _length: CONTENT[at : at + 1] or SFTP_EOF, size=len(CONTENT)) as server:
        fetcher.port = server.port

        # When
        answer = fetcher.fetch(settings={"min_bytes_per_minute": 1000})

    # Then
    assert (answer.code, answer.detail) == ("transfer_broken", "the server sends too slowly")


def test_a_refused_login_tells_whom_it_was_refused_by(fetcher: Fetcher, sshd: Sshd) -> None:
    answer = fetcher.fetch(sealed_password=fetcher.sealed("wrong"))

    assert answer.code == "login_refused"
    assert (answer.host_key, answer.address) == (f"ssh-ed25519 {sshd.fingerprint}", LOOPBACK)
    assert "aes128-gcm@openssh.com" in answer.algorithms.split()


def test_a_look_is_alive_before_the_first_byte(fetcher: Fetcher) -> None:
    # Given that a beat comes while the fetcher connects
    def talk(sock: socket.socket) -> None:
        handler.heartbeat.beat()
        server._talk_ssh(sock)

    with SshServer(PASSWORD, served(CONTENT), size=len(CONTENT)) as server, Peer(talk) as peer:
        fetcher.port = peer.port
        handler = fetcher.handler()

        # When
        handler.on_fetch(fetcher.request())

    # Then
    assert fetcher.sender.phases == ["started", "downloading", "stored"]


def test_a_look_has_a_budget_for_all_its_time(fetcher: Fetcher) -> None:
    # Given a server that answers each request in time and never comes to an end
    def slow(_at: int, length: int) -> bytes:
        time.sleep(0.1)
        return bytes(length)

    with SshServer(PASSWORD, slow, size=None) as server:
        fetcher.port = server.port
        begun = time.monotonic()

        # When
        answer = fetcher.fetch(settings={"fetch_seconds": 1})

    # Then
    assert (answer.verdict, answer.code) == ("failed", "timed_out")
    assert time.monotonic() - begun < 5
    assert fetcher.blobs() == []


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
