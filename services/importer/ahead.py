"""Runs an iterator in a thread of its own, some items ahead of whoever takes them."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Ended:
    """The iterator ended, by this exception if there is one."""

    error: BaseException | None = None


def ahead(items: Iterable[T], size: int) -> Generator[T, None, None]:
    """Yield the items in their order while a thread prepares up to `size` more of them.

    An exception of the iterator is raised where its item would have come. Nothing is prepared before the first item is
    asked for. Whoever stops early closes this generator, or drops it: the item in the making is finished, the iterator
    is closed, and no thread is left when `close` returns.
    """
    ready: queue.SimpleQueue[T | _Ended] = queue.SimpleQueue()
    room = threading.Semaphore(size)
    stopped = threading.Event()
    # As a daemon it cannot keep a process alive whose consumer never came back.
    thread = threading.Thread(target=_prepare, args=(iter(items), ready, room, stopped), name="ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _Ended):
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
        thread.join()
    if item.error is not None:
        try:
            raise item.error
        finally:
            # An exception holds this frame: without this they would hold each other, and all that hangs on them.
            del item


def _prepare(
    items: Iterator[T], ready: "queue.SimpleQueue[T | _Ended]", room: threading.Semaphore, stopped: threading.Event
) -> None:
    ended = _Ended()
    try:
        while room.acquire() and not stopped.is_set():
            ready.put(next(items))
    except StopIteration:
        pass
    except BaseException as error:  # noqa: BLE001 - it is raised where the items are taken
        ended = _Ended(error)
    if stopped.is_set() and (close := getattr(items, "close", None)):
        close()
    ready.put(ended)
