"""An object store that is killed while it is needed: what it had is there again, and jobs waited for it."""

import time
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from deploy.local.servers.seaweedfs import Seaweedfs
from deploy.local.service import Service
from shared.blobs import blob_key
from shared.errors import BlobsUnavailable
from tests.integration.s3 import WHOLE, blobs_at, checksum, meanwhile, seaweedfs  # noqa: F401 - fixture
from tests.pipeline.world import World

ROWS = 200


@pytest.fixture
def server(seaweedfs: Seaweedfs) -> Iterator[Seaweedfs]:  # noqa: F811
    """An S3 server, which runs again after the test."""
    yield seaweedfs
    seaweedfs.start()


def test_a_store_that_is_killed_keeps_what_it_had_and_no_half_of_anything(server: Seaweedfs, org_id: UUID) -> None:
    blobs = blobs_at(server, "killed", patience=1.0)
    # Given a blob that is being read
    key = blob_key(org_id, WHOLE)
    blobs.keep(blobs.stage(meanwhile(lambda: None)), key)
    reading = blobs.read(key, WHOLE)
    next(reading)

    # When the server is killed in the midst of another one's staging
    begun = time.monotonic()
    with pytest.raises(BlobsUnavailable):
        blobs.stage(meanwhile(server.kill))
    with pytest.raises(BlobsUnavailable):
        list(reading)
    with pytest.raises(BlobsUnavailable):
        blobs.keep("incoming/a", "org/a")
    blobs.drop(key)
    with pytest.raises(BlobsUnavailable):
        list(blobs.listed("org"))
    assert not blobs.ready()
    assert time.monotonic() - begun < 30

    # Then the same objects serve when it is back, and of the broken upload there is no object
    server.start()
    assert blobs.ready()
    assert checksum(blobs.read(key, WHOLE)) == WHOLE
    assert server.keys("killed") == [f"killed/{key}"]
    blobs.drop(blobs.stage(meanwhile(lambda: None)))


def service(world: World, server: Seaweedfs, name: str) -> Service:
    """A service of the stack whose blobs are in the S3 server."""
    where = {"SFTP_CONNECTOR_BLOB_URL": server.url("whole"), **server.environment}
    return Service(name, world.stack.home / name, world.stack.environment(name) | where)


def test_a_file_that_comes_while_the_store_is_away_is_imported_when_it_is_back(
    world: World, server: Seaweedfs, leads_csv: Callable[..., bytes]
) -> None:
    # Given
    world.put(leads_csv(ROWS))
    logins = world.logins()
    with service(world, server, "scheduler"), service(world, server, "fetcher") as fetcher:
        world.save_mapping()

        # When the store is away, and then back
        server.kill()
        asked = world.create()
        world.until(lambda: "job.delayed" in fetcher.log_path.read_text(), "a fetch that waits")
        assert fetcher.status("/readyz")[0] == 503
        assert world.logins() == logins
        server.start()
        with service(world, server, "importer") as importer:
            ended = world.ended(asked)
            told = fetcher.log_path.read_text() + importer.log_path.read_text()

        # Then
        world.assert_imported_once(ROWS)
    run = world.run()
    assert (run["sends"], run["attempt"]) == (1, 1)
    assert ended["type"] == "sftp_connector.sync_succeeded"
    assert server.environment["AWS_SECRET_ACCESS_KEY"] not in told
