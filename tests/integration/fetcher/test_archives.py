"""An archive is unpacked on its way: what is kept, compared and imported is the CSV file in it."""

import gzip
import hashlib
import zlib
from collections.abc import Callable

import psutil
import pytest

from deploy.local.servers.sshd import Sshd
from shared.blobs import Blobs
from shared.contracts import ImportRequested
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, PATH, Fetcher, known, zipped


@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"../leads.csv": content})])
def test_an_archive_is_brought_unpacked_whatever_its_name(
    fetcher: Fetcher, sshd: Sshd, pack: Callable[[bytes], bytes]
) -> None:
    packed = pack(CONTENT * 100)
    sshd.put(PATH, packed, mtime=OLD)

    answer = fetcher.fetch()

    assert isinstance(answer, ImportRequested)
    assert (answer.checksum, answer.size) == (hashlib.sha256(CONTENT * 100).hexdigest(), len(CONTENT * 100))
    assert (answer.remote_checksum, answer.remote_size) == (hashlib.sha256(packed).hexdigest(), len(packed))
    assert b"".join(Blobs(f"file://{fetcher.folder}").read(answer.blob, answer.checksum)) == CONTENT * 100
    assert fetcher.blobs() == [answer.blob]
    assert fetcher.fetched() == len(packed)


def test_a_plain_file_has_no_size_or_checksum_of_an_archive(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, CONTENT, mtime=OLD)

    answer = fetcher.fetch()

    assert (answer.remote_size, answer.remote_checksum) == (None, None)


def test_the_same_file_packed_anew_is_unchanged(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given the size of the archive in what is known of it
    packed = gzip.compress(CONTENT, mtime=1)
    before = known(CONTENT).model_copy(update={"size": len(packed)})
    sshd.put(PATH, packed, mtime=OLD)
    assert fetcher.fetch(known=before).downloaded is False

    # When
    sshd.put(PATH, gzip.compress(CONTENT, mtime=2), mtime=OLD + 60)
    answer = fetcher.fetch(known=before)

    # Then
    assert (answer.verdict, answer.downloaded) == ("unchanged", True)
    assert (answer.size, answer.mtime) == (len(packed), OLD + 60)
    assert fetcher.blobs() == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (gzip.compress(CONTENT)[:-1], "archive_damaged"),
        (zipped({"a.csv": CONTENT})[:60], "archive_damaged"),
        (zipped({"a.csv": CONTENT, "b.csv": CONTENT}), "archive_unsupported"),
        (zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "archive_unsupported"),
        (b"7z\xbc\xaf\x27\x1c" + CONTENT, "archive_unsupported"),
        (gzip.compress(bytes(9 * MIB)), "archive_too_large"),
    ],
    ids=["cut gzip", "cut zip", "two files", "workbook", "7z", "bomb"],
)
def test_another_archive_is_refused_and_leaves_nothing(fetcher: Fetcher, sshd: Sshd, data: bytes, code: str) -> None:
    sshd.put(PATH, data, mtime=OLD)

    answer = fetcher.fetch()

    assert (answer.verdict, answer.code, answer.path) == ("failed", code, PATH)
    assert fetcher.blobs() == []


def test_a_bomb_costs_no_memory_and_leaves_nothing(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given 2 GB of zeros
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(16 * MIB)
    sshd.put(PATH, b"".join([*(packer.compress(zeros) for _ in range(125)), packer.flush()]), mtime=OLD)
    before = psutil.Process().memory_info().rss

    # When
    answer = fetcher.fetch()

    # Then
    assert answer.code == "archive_too_large"
    assert psutil.Process().memory_info().rss - before < 150 * MIB
    assert fetcher.blobs() == []


def test_the_limit_of_a_file_holds_for_the_unpacked_one(fetcher: Fetcher, sshd: Sshd) -> None:
    sshd.put(PATH, gzip.compress(CONTENT * 1000), mtime=OLD)

    answer = fetcher.fetch(settings={"max_file_bytes": len(CONTENT * 1000) - 1})

    assert (answer.verdict, answer.code) == ("failed", "archive_too_large")
