"""What the tests of the blob store share: a real S3 server, ways to speak to it, and an upload."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.local.servers.seaweedfs import Seaweedfs
from shared.blobs import Blobs


@pytest.fixture(scope="session")
def seaweedfs(session_home: Path) -> Iterator[Seaweedfs]:
    """An S3 server."""
    with Seaweedfs(session_home / "seaweedfs") as server:
        yield server


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """A process that was started with these variables beside its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


def blobs_at(server: Seaweedfs, prefix: str, patience: float = 30.0, **others: str) -> Blobs:
    """The blobs below a prefix of the server's bucket."""
    with environment(server.environment | others):
        return Blobs(server.url(prefix), patience)


def meanwhile(act: Callable[[], object], parts: int = 4) -> Iterator[bytes]:
    """The bytes of an upload, a part of S3's each, in whose midst something happens."""
    for number in range(parts):
        yield bytes([number]) * (5 * 1024 * 1024)
        if number == 1:
            act()


def checksum(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


WHOLE = checksum(meanwhile(lambda: None))
