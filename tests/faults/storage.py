"""Faults of the blob store: away, and files that are damaged or gone."""

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
        time.sleep(2)  # is what is injected
    finally:
        folder.unlink()
        aside.rename(folder)


_HURTS = {
    "a_bit_of_a_blob_flips": "One bit of the blob flips",
    "blob_is_truncated": "The blob is cut off",
    "blob_is_gone": "The blob is removed",
}


def _hurt(name: str, hurt: Callable[[Drill, Path], None]) -> Inject:

    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        drill.services["importer"].freeze()
        yield
        query = "select blob from runs where connector_id = any(%s) and stage in ('stored', 'importing')"
        drill.until(lambda: drill.rows(query, drill.connector_ids), "a file that waits for an importer")
        for row in drill.rows(query, drill.connector_ids):
            hurt(drill, drill.stack.blobs / row["blob"])
        drill.services["importer"].thaw()

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
