"""Faults of the blob store: away, and files that are damaged or gone."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault


@fault(bound=25, amid=True)
@contextmanager
def store_cannot_be_written(drill: Drill) -> Iterator[None]:
    """No folder can be made or read where a file stands, not even by root."""
    folder, aside = drill.stack.blobs, drill.stack.home / "blobs.aside"
    folder.rename(aside)
    folder.touch()
    try:
        yield
        drill.until_hit(lambda: drill.services["fetcher"].status("/readyz")[0] == 503, "a fetcher that is not ready")
        time.sleep(1)  # is what is injected
    finally:
        folder.unlink()
        aside.rename(folder)


@fault(bound=25, alone=True)
@contextmanager
def disk_of_the_store_is_full(drill: Drill) -> Iterator[None]:
    """A small disk is mounted over the folder of files that come in, and it is full."""
    fetcher = drill.services["fetcher"]
    folder = drill.stack.blobs / "incoming"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "full", folder], check=True)
    try:
        (folder / "filler").write_bytes(bytes(4096))
        yield
        drill.until(lambda: "No space left on device" in fetcher.log_path.read_text(), "a fetcher that finds no space")
        assert not drill.runs("stage in ('stored', 'importing')"), "a file was stored on a full disk"
    finally:
        # What is open there stays open
        subprocess.run(["umount", "--lazy", folder], check=True)


_UNUSABLE = "sftp_connector_unusable_blobs_total"
_HURTS = {
    "a_bit_of_a_blob_flips": "One bit of the blob flips",
    "blob_is_truncated": "The blob is cut off",
    "blob_is_gone": "The blob is removed",
}


def _hurt(name: str, hurt: Callable[[Drill, Path], None]) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        importer = drill.services["importer"]
        found = importer.metric(_UNUSABLE)
        importer.freeze()
        yield
        drill.until(lambda: drill.runs("stage = 'stored'"), "a file that waits for an importer")
        for run in drill.runs("stage = 'stored'"):
            hurt(drill, drill.stack.blobs / run["blob"])
        importer.thaw()
        drill.until(lambda: importer.metric(_UNUSABLE) > found, "an importer that refuses a blob")

    inject.__name__ = name
    inject.__doc__ = f"{_HURTS[name]}, while the file waits for an importer."
    return inject


def _flip(drill: Drill, path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[drill.random.randrange(len(content))] ^= 1 << drill.random.randrange(8)
    path.write_bytes(content)


def _truncate(drill: Drill, path: Path) -> None:
    path.write_bytes(path.read_bytes()[: drill.random.randrange(path.stat().st_size)])


fault(bound=30, alone=True)(_hurt("a_bit_of_a_blob_flips", _flip))
fault(bound=30, alone=True)(_hurt("blob_is_truncated", _truncate))
fault(bound=30, alone=True)(_hurt("blob_is_gone", lambda _drill, path: path.unlink()))
