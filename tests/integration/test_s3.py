"""An object store that is away, frozen or refuses us: jobs wait for it, in bounded time, and tell no secret."""

import base64
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import obstore
import pytest
from nacl.public import PrivateKey
from prometheus_client import CollectorRegistry
from psycopg_pool import ConnectionPool
from pydantic import SecretStr

from deploy.local.servers.ports import LOOPBACK, free_port
from deploy.local.servers.seaweedfs import Seaweedfs
from deploy.local.servers.sshd import Sshd
from services.fetcher.handler import Handler as FetchHandler
from services.fetcher.settings import Settings as FetchSettings
from services.importer.handler import Handler as ImportHandler
from shared.blobs import Blobs, blob_key
from shared.contracts import Endpoint, FetchRequested, ImportRequested, Job
from shared.database import Db
from shared.errors import BlobsUnavailable, Unavailable, describe
from shared.metrics import Metrics
from shared.sealing import Opener, Place, seal
from tests.conftest import PASSWORD
from tests.integration.conftest import emptied
from tests.integration.fetcher.looks import CONTENT, PATH, Recorder
from tests.integration.importer.builders import Imports
from tests.integration.s3 import WHOLE, blobs_at, checksum, environment, meanwhile, seaweedfs  # noqa: F401 - fixture

PATIENCE = 1.0


def away(prefix: str = "anywhere") -> Blobs:
    """A store at whose address nobody listens."""
    nobody = {"AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{free_port()}", "AWS_ALLOW_HTTP": "true"}
    with environment({**nobody, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "canary-s3"}):
        return Blobs(f"s3://bucket/{prefix}", PATIENCE)


@pytest.fixture
def server(seaweedfs: Seaweedfs) -> Iterator[Seaweedfs]:  # noqa: F811
    """An S3 server; whatever a test does to it, it goes on afterwards."""
    yield seaweedfs
    seaweedfs.thaw()


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture
def blobs(server: Seaweedfs, prefix: str) -> Blobs:
    """Blobs that give up after a second."""
    return blobs_at(server, prefix, PATIENCE)


@pytest.mark.slow
class TestFrozen:
    def test_a_moment_is_waited_out(self, server: Seaweedfs, prefix: str, org_id: UUID) -> None:
        timer = threading.Timer(0.5, server.thaw)

        def freeze() -> None:
            server.freeze()
            timer.start()

        blobs = blobs_at(server, prefix)
        key = blob_key(org_id, WHOLE)

        blobs.keep(blobs.stage(meanwhile(freeze)), key)

        assert checksum(blobs.read(key, WHOLE)) == WHOLE
        timer.join()

    def test_longer_than_the_patience_is_away(self, server: Seaweedfs, blobs: Blobs, prefix: str, org_id: UUID) -> None:
        # Given
        key = blob_key(org_id, WHOLE)
        blobs.keep(blobs.stage(meanwhile(lambda: None)), key)
        reading = blobs.read(key, WHOLE)
        next(reading)

        # When
        begun = time.monotonic()
        with pytest.raises(BlobsUnavailable, match="HTTP error"):
            blobs.stage(meanwhile(server.freeze))
        with pytest.raises(BlobsUnavailable):
            list(reading)
        with pytest.raises(BlobsUnavailable):
            blobs.check()
        assert not blobs.ready()

        # Then each was given up in time, and all works when it goes on
        assert time.monotonic() - begun < 8 * PATIENCE
        server.thaw()
        assert checksum(blobs.read(key, WHOLE)) == WHOLE
        assert server.keys(prefix) == [f"{prefix}/{key}"]

    def test_a_probe_is_answered_in_time_however_patient_the_work_is(self, server: Seaweedfs, prefix: str) -> None:
        blobs = blobs_at(server, prefix)  # waits for half a minute
        server.freeze()
        begun = time.monotonic()

        assert not blobs.ready()
        assert time.monotonic() - begun < 10


class TestRefused:
    def test_wrong_keys_are_told_without_a_secret(self, server: Seaweedfs, prefix: str) -> None:
        right = server.environment["AWS_SECRET_ACCESS_KEY"]
        blobs = blobs_at(server, prefix, AWS_SECRET_ACCESS_KEY="canary-wrong")

        with pytest.raises(obstore.exceptions.PermissionDeniedError) as caught:
            blobs.stage([b"abc"])
        with pytest.raises(obstore.exceptions.PermissionDeniedError):
            blobs.check()

        assert not blobs.ready()
        told = f"{caught.value} {caught.value!r} {describe(caught.value)}"
        assert "canary-wrong" not in told
        assert right not in told

    def test_a_bucket_that_is_not_there_is_not_ready(self, server: Seaweedfs) -> None:
        with environment(server.environment):
            assert not Blobs("s3://nowhere/leads", PATIENCE).ready()

    def test_a_store_that_is_away_is_told_without_an_address_or_a_secret(self) -> None:
        with pytest.raises(BlobsUnavailable) as caught:
            away().check()

        assert describe(caught.value) == "BlobsUnavailable: HTTP error: error sending request"
        assert caught.value.__suppress_context__


def test_an_address_without_encryption_has_to_be_allowed(server: Seaweedfs, prefix: str) -> None:
    assert blobs_at(server, prefix).ready()
    assert not blobs_at(server, prefix, AWS_ALLOW_HTTP="false").ready()


def test_a_store_that_lists_parts_of_seconds_has_its_garbage_removed(blobs: Blobs) -> None:
    blobs.keep(blobs.stage([b"abc"]), "preview/a")
    [[listed]] = blobs.listed("preview")

    assert blobs.drop_unchanged(replace(listed, modified=listed.modified.replace(microsecond=123_000)))

    assert list(blobs.listed("preview")) == []


class Fetches:
    """A fetcher without its bus, over any blob store."""

    def __init__(self, sshd: Sshd, org_id: UUID) -> None:
        self.sshd = sshd
        self.key = PrivateKey.generate()
        self.sender = Recorder()
        connector_id = uuid4()
        place = Place(org_id=org_id, subject_id=connector_id, host=LOOPBACK, port=sshd.port, username="crm")
        self.request = FetchRequested(
            run_id=uuid4(),
            org_id=org_id,
            connector_id=connector_id,
            endpoint=Endpoint(
                host=LOOPBACK,
                port=sshd.port,
                username="crm",
                path=PATH,
                sealed_password=seal(PASSWORD, place, self.key.public_key),
            ),
        )

    def fetch(self, blobs: Blobs) -> None:
        settings = FetchSettings(
            amqp_url=SecretStr("amqp://nobody"),
            blob_url="s3://given",
            seal_private_keys=[SecretStr(base64.b64encode(bytes(self.key)).decode())],
            allowed_networks=["127.0.0.0/8"],
        )
        handler = FetchHandler(settings, blobs, Opener([self.key]), self.sender, Metrics(CollectorRegistry()))
        handler.on_fetch(self.request)

    def logins(self) -> int:
        return self.sshd.log_path.read_text().count("Accepted password")


@pytest.fixture
def fetches(sshd: Sshd, org_id: UUID) -> Fetches:
    """A fetcher with a file to fetch."""
    sshd.put(PATH, CONTENT)
    return Fetches(sshd, org_id)


@pytest.mark.slow
class TestFetch:
    def test_nobodys_server_is_asked_while_the_store_is_away(self, fetches: Fetches) -> None:
        before = fetches.logins()

        with pytest.raises(Unavailable):
            fetches.fetch(away())

        assert fetches.logins() == before
        assert fetches.sender.jobs == []

    def test_a_store_that_stops_in_the_midst_keeps_the_run_alive(
        self, fetches: Fetches, server: Seaweedfs, blobs: Blobs
    ) -> None:
        # Given a store that freezes once the look has begun
        def freeze(_job: Job) -> None:
            server.freeze()

        fetches.sender.on_job = freeze

        # When
        with pytest.raises(Unavailable):
            fetches.fetch(blobs)

        # Then nothing was answered, the lease goes on, and the next try brings the file
        assert fetches.sender.phases == ["started", "downloading"]
        assert fetches.sender.answers == []
        fetches.sender.on_job = lambda _job: None
        server.thaw()
        fetches.fetch(blobs)
        [answer] = fetches.sender.answers
        assert isinstance(answer, ImportRequested)
        assert b"".join(blobs.read(answer.blob, answer.checksum)) == CONTENT


@pytest.fixture
def database_url(common_url: str) -> str:
    """An empty database."""
    return emptied(common_url)


@pytest.fixture
def imports(connections: ConnectionPool[Db], tmp_path: Path, blobs: Blobs) -> Imports:
    """An importer whose files are in the S3 server."""
    made = Imports(connections, tmp_path)
    made.blobs = blobs
    made.save_mapping()
    return made


@pytest.mark.slow
class TestImport:
    def test_it_waits_for_the_store_without_an_attempt(
        self, imports: Imports, connections: ConnectionPool[Db], metrics: Metrics, blobs: Blobs
    ) -> None:
        def handler(store: Blobs) -> ImportHandler:
            return ImportHandler(imports.settings, connections, store, imports.leases, metrics)

        request = imports.request(CONTENT)

        for _ in range(3):
            with pytest.raises(Unavailable):
                handler(away()).on_import(request)
        run = imports.run(request.run_id)
        assert (run["stage"], run["attempt"]) == ("stored", 0)

        handler(blobs).on_import(request)
        run = imports.run(request.run_id)
        assert (run["outcome"], run["rows_created"], run["attempt"]) == ("succeeded", 1, 1)

    def test_a_store_that_stops_in_the_midst_costs_no_attempt(
        self, imports: Imports, connections: ConnectionPool[Db], metrics: Metrics, server: Seaweedfs, prefix: str
    ) -> None:
        # Given an import whose store freezes when the file was read and merged
        class Freezing(Blobs):
            def stage(self, chunks: Iterable[bytes]) -> str:
                server.freeze()
                return super().stage(chunks)

        def handler(store: Blobs) -> ImportHandler:
            return ImportHandler(imports.settings, connections, store, imports.leases, metrics)

        request = imports.request(CONTENT)
        with environment(server.environment):
            freezing = Freezing(server.url(prefix), PATIENCE)

        # When
        with pytest.raises(Unavailable):
            handler(freezing).on_import(request)

        # Then
        run = imports.run(request.run_id)
        assert (run["stage"], run["attempt"]) == ("stored", 0)
        server.thaw()
        handler(imports.blobs).on_import(request)
        run = imports.run(request.run_id)
        assert (run["outcome"], run["rows_created"], run["attempt"]) == ("succeeded", 1, 1)
