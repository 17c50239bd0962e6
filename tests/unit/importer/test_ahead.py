"""Items are prepared ahead in a thread, come in their order, and no thread is left behind."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.ahead import ahead


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name == "ahead"]


class Source:
    """Counts up, tells what it did, and waits at one item until it is let go."""

    def __init__(self, count: int, *, waits_at: int = -1) -> None:
        self.made: list[int] = []
        self.thread: threading.Thread | None = None
        self.closed_in: threading.Thread | None = None
        self.reached = threading.Event()
        self.go = threading.Event()
        self._count = count
        self._waits_at = waits_at

    def __iter__(self) -> Iterator[int]:
        self.thread = threading.current_thread()
        try:
            for number in range(self._count):
                if number == self._waits_at:
                    self.reached.set()
                    assert self.go.wait(10)
                self.made.append(number)
                yield number
        finally:
            self.closed_in = threading.current_thread()


@settings(max_examples=50)
@given(items=st.lists(st.none() | st.integers() | st.just(())), size=st.integers(1, 4))
def test_all_items_come_in_their_order(items: list[object], size: int) -> None:
    assert list(ahead(items, size)) == items


def test_nothing_is_prepared_before_the_first_item_is_asked_for() -> None:
    source = Source(3)
    items = ahead(source, 1)

    assert source.made == []
    assert next(items) == 0
    assert list(items) == [1, 2]


def test_items_are_prepared_in_another_thread_while_the_consumer_is_busy() -> None:
    source = Source(10, waits_at=3)
    items = ahead(source, 2)

    assert next(items) == 0
    assert next(items) == 1
    # Given a consumer that asks for nothing, items two and three are in the making all the same
    assert source.reached.wait(10)
    source.go.set()

    assert list(items) == list(range(2, 10))
    assert source.thread is not threading.current_thread()


def test_no_more_items_are_prepared_than_there_is_room_for() -> None:
    source = Source(10, waits_at=3)
    items = ahead(source, 2)
    assert next(items) == 0

    assert not source.reached.wait(0.2)

    assert source.made == [0, 1, 2]
    source.go.set()
    assert list(items) == list(range(1, 10))


def test_an_exception_comes_where_its_item_would_have_come() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise LookupError("three")

    items = ahead(failing(), 5)

    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(LookupError, match="three"):
        next(items)
    assert list(items) == []


def test_a_consumer_that_stops_early_closes_the_iterator_in_its_thread() -> None:
    source = Source(1_000)
    items = ahead(source, 2)
    assert next(items) == 0

    items.close()

    assert len(source.made) < 10
    assert source.closed_in is source.thread is not None
    assert source.closed_in is not threading.current_thread()


def test_closing_waits_for_the_item_in_the_making() -> None:
    source = Source(1_000, waits_at=1)
    items = ahead(source, 1)
    assert next(items) == 0
    assert source.reached.wait(10)

    threading.Timer(0.1, source.go.set).start()
    items.close()

    assert source.made == [0, 1]
    assert source.closed_in is not None


def test_an_exception_of_the_consumer_leaves_nothing_behind() -> None:
    source = Source(1_000)

    def consume() -> None:
        for number in ahead(source, 2):
            raise LookupError(number)

    with pytest.raises(LookupError):
        consume()

    assert source.closed_in is not None


def test_one_that_is_dropped_or_was_never_begun_leaves_nothing_behind() -> None:
    items = ahead(Source(5), 2)
    assert next(items) == 0
    del items

    ahead(Source(5), 2)


def test_one_may_stand_on_another() -> None:
    source = Source(1_000)
    items = ahead(map(str, ahead(source, 2)), 2)
    assert [next(items) for _ in range(3)] == ["0", "1", "2"]

    items.close()
    del items

    assert source.closed_in is not None
