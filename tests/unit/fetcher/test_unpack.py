"""Archives are told by their bytes and unpacked as they stream: bounded, complete, or refused with a code."""

import bz2
import gzip
import hashlib
import io
import json
import lzma
import random
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.sftp.failure import LookFailed
from services.fetcher.unpack import Content

BAD_INPUTS = Path(__file__).parents[3].parent / "shared" / "bad-inputs"
CSV = b"Company;City\n" + b"".join(b"Acme %d;Paris %d\n" % (number, number * 7919 % 1009) for number in range(5000))
MIB = 1024 * 1024
# What no archive begins with.
PLAIN = st.binary(max_size=3000).map(lambda data: b"Company;" + data)


def content(chunks: Iterable[bytes], *, most_bytes: int = 2**40, most_ratio: int = 200) -> Content:
    return Content(chunks, most_bytes, most_ratio)


def unpacked(data: bytes, *, chunk: int = 1000, **limits: int) -> bytes:
    return b"".join(content((data[at : at + chunk] for at in range(0, len(data), chunk)), **limits))


def refusal(data: bytes, **limits: int) -> tuple[str, str]:
    with pytest.raises(LookFailed) as refused:
        unpacked(data, **limits)
    return refused.value.code, refused.value.detail


def zipped(members: dict[str, bytes], packing: int = zipfile.ZIP_DEFLATED, *, stream: bool = False) -> bytes:
    """A zip; `stream`: with the sizes after the data, as a writer that cannot go back makes it."""
    target = io.BytesIO()
    if stream:
        target.seekable = lambda: False  # type: ignore[method-assign]
    with zipfile.ZipFile(target, "w", packing) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


@given(data=PLAIN, chunk=st.integers(1, 4000))
def test_what_is_no_archive_passes_as_it_is(data: bytes, chunk: int) -> None:
    read = content([data[at : at + chunk] for at in range(0, len(data), chunk)])

    assert b"".join(read) == data
    assert read.packed_checksum is None


def test_an_empty_file_is_no_archive() -> None:
    assert unpacked(b"") == b""


@given(parts=st.lists(PLAIN, min_size=1, max_size=4), padding=st.integers(0, 600), chunk=st.integers(1, 4000))
def test_gzip_comes_out_the_same_however_it_is_cut_into_chunks(parts: list[bytes], padding: int, chunk: int) -> None:
    packed = b"".join(map(gzip.compress, parts)) + bytes(padding)

    assert unpacked(packed, chunk=chunk) == b"".join(parts)


@given(data=PLAIN, chunk=st.integers(1, 4000), stored=st.booleans(), stream=st.booleans())
def test_zip_comes_out_the_same_however_it_is_cut_into_chunks(
    data: bytes, chunk: int, *, stored: bool, stream: bool
) -> None:
    packing = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED

    assert unpacked(zipped({"leads.csv": data}, packing, stream=stream and not stored), chunk=chunk) == data


def test_an_archive_has_a_checksum_of_its_own() -> None:
    packed = gzip.compress(CSV)
    read = content([packed])

    assert b"".join(read) == CSV
    assert read.packed_checksum == hashlib.sha256(packed).hexdigest()


def test_a_zip_with_large_sizes_is_read() -> None:
    target = io.BytesIO()
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.csv", "w", force_zip64=True) as file,
    ):
        file.write(CSV)

    assert unpacked(target.getvalue()) == CSV


def test_folders_and_what_macos_adds_are_left_out() -> None:
    members = {"exports/": b"", "exports/leads.csv": CSV, "__MACOSX/exports/._leads.csv": b"\0\5\26\7"}

    assert unpacked(zipped(members)) == CSV


def test_the_name_of_a_member_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert unpacked(zipped({"../../evil.csv": CSV})) == CSV
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (zipped({"a.csv": CSV, "b.csv": CSV}), "several files"),
        (zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "Excel"),
        (zipped({"exports/": b""}), "no file"),
        (zipped({}), "zip without a file"),
        (zipped({f"__MACOSX/{number}": b"" for number in range(1100)}), "several files"),
        (zipped({"__MACOSX/a": bytes(2 * MIB)}), "several files"),
        (zipped({"a.csv": CSV}, zipfile.ZIP_LZMA), "cannot be read"),
        (gzip.compress(gzip.compress(CSV)), "another one (gzip)"),
        (zipped({"a.zip": zipped({"a.csv": CSV})}), "another one (zip)"),
        (zipped({"a.gz": gzip.compress(CSV)}), "another one (gzip)"),
        (bz2.compress(CSV), "bzip2"),
        (lzma.compress(CSV), "xz"),
        (b"\x28\xb5\x2f\xfd" + CSV, "zstd"),
        (b"7z\xbc\xaf\x27\x1c" + CSV, "7z"),
        (b"Rar!\x1a\x07\x01\x00" + CSV, "rar"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_archives_are_refused_in_words(data: bytes, words: str) -> None:
    code, detail = refusal(data)

    assert code == "archive_unsupported"
    assert words in detail


def test_a_tar_is_told_also_inside_of_a_gzip() -> None:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        member = tarfile.TarInfo("leads.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))

    assert refusal(target.getvalue()) == ("archive_unsupported", "the file is packed as tar")
    assert refusal(gzip.compress(target.getvalue())) == ("archive_unsupported", "the archive holds another one (tar)")


def test_an_encrypted_zip_is_refused() -> None:
    packed = bytearray(zipped({"leads.csv": CSV}))
    packed[6] |= 1

    assert refusal(bytes(packed)) == ("archive_unsupported", "the archive needs a password")


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(CSV), zipped({"a.csv": CSV}), zipped({"a.csv": CSV}, stream=True)],
    ids=["gzip", "zip", "streamed zip"],
)
def test_an_archive_that_is_cut_off_anywhere_is_damaged(packed: bytes) -> None:
    for length in {*range(4, 200), *range(len(packed) - 60, len(packed)), *range(200, len(packed), 997)}:
        if length < len(packed) - 21 or packed[:2] != b"PK":
            assert refusal(packed[:length])[0] == "archive_damaged", length


def test_a_wrong_checksum_is_damage() -> None:
    packed = bytearray(gzip.compress(CSV))
    packed[-5] ^= 1

    assert refusal(bytes(packed))[0] == "archive_damaged"
    assert refusal(gzip.compress(CSV) + b"rubbish")[0] == "archive_damaged"


@given(
    packed=st.sampled_from(
        [gzip.compress(CSV[:900]), zipped({"a.csv": CSV[:900]}), zipped({"a": CSV[:900]}, stream=True)]
    ),
    seed=st.integers(),
    chunk=st.integers(1, 2000),
)
def test_a_damaged_archive_comes_out_or_ends_in_a_code(packed: bytes, seed: int, chunk: int) -> None:
    chance = random.Random(seed)
    data = bytearray(packed)
    for _ in range(chance.randint(1, 8)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    del data[chance.randint(1, 2 * len(data)) :]

    assert outcome(bytes(data), chunk) in {"read", "archive_damaged", "archive_unsupported", "archive_too_large"}


def outcome(data: bytes, chunk: int) -> str:
    try:
        unpacked(data, chunk=chunk)
    except LookFailed as failure:
        return failure.code
    return "read"


def bomb(size: int) -> Iterator[bytes]:
    """As a gzip of so many zeros."""
    packer = zlib.compressobj(9, wbits=31)
    for _ in range(size // MIB):
        yield packer.compress(bytes(MIB))
    yield packer.flush()


def test_a_bomb_is_stopped_early_in_flat_memory() -> None:
    packed = [b"".join(bomb(200 * MIB))]
    tracemalloc.start()

    chunks = iter(content(packed))
    size = 0

    def take() -> None:
        nonlocal size
        for chunk in chunks:
            size += len(chunk)

    try:
        with pytest.raises(LookFailed, match="archive_too_large"):
            take()
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size <= 200 * len(packed[0])
    assert peak < 4 * MIB


def test_a_bomb_within_the_ratio_still_uses_no_memory() -> None:
    tracemalloc.start()

    try:
        size = sum(map(len, content(bomb(200 * MIB), most_ratio=2000)))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size == 200 * MIB
    assert peak < 8 * MIB


def test_the_first_mebibyte_may_be_all_alike() -> None:
    assert unpacked(gzip.compress(bytes(MIB))) == bytes(MIB)
    assert refusal(gzip.compress(bytes(2 * MIB)))[0] == "archive_too_large"


def test_the_limit_of_a_file_holds_for_what_it_unpacks_to() -> None:
    assert unpacked(gzip.compress(CSV), most_bytes=len(CSV)) == CSV
    assert refusal(gzip.compress(CSV), most_bytes=len(CSV) - 1)[0] == "archive_too_large"
    assert refusal(zipped({"a.csv": CSV}), most_bytes=len(CSV) - 1)[0] == "archive_too_large"


@pytest.mark.skipif(not BAD_INPUTS.is_dir(), reason="no folder of bad inputs lies beside the project")
@pytest.mark.parametrize(
    ("item", "code"), [("C08", "archive_too_large"), ("C09", "archive_unsupported"), ("C10", "archive_damaged")]
)
def test_bad_archives_are_refused_as_expected(item: str, code: str) -> None:
    items: list[dict[str, Any]] = json.loads((BAD_INPUTS / "bad_inputs.json").read_text(encoding="utf-8"))
    (file,) = [entry["file"] for entry in items if entry["id"] == item]

    assert refusal((BAD_INPUTS / file).read_bytes())[0] == code
