"""Size and time may prove that a file is as it was; when they cannot, the bytes decide."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.core.changes import Download, Look, Unchanged, can_continue, decide, unmarked, unsettled
from shared.contracts import Known

MTIME = 1_740_000_000
PATH = "/leads.csv"
LOOK = Look(size=1234, mtime=MTIME)
NUMBER = st.none() | st.integers(0, 2**40)


def known(*, size: int | None = 1234, mtime: int | None = MTIME, looked_after: float = 900) -> Known:
    return Known(
        checksum="ab" * 32, size=size, mtime=mtime, looked_at=datetime.fromtimestamp(MTIME + looked_after, UTC)
    )


def test_the_same_size_and_time_are_the_same_file() -> None:
    assert decide(known(), PATH, LOOK, full_check=False) == Unchanged("size and time as before")


def test_a_file_seen_for_the_first_time_is_read() -> None:
    assert decide(None, PATH, LOOK, full_check=False) == Download("seen for the first time")


@pytest.mark.parametrize(
    "look", [Look(1235, MTIME), Look(1233, MTIME), Look(1234, MTIME + 1), Look(1234, MTIME - 86_400), Look(0, MTIME)]
)
def test_another_size_or_time_is_read_also_when_the_time_is_older(look: Look) -> None:
    assert decide(known(), PATH, look, full_check=False) == Download("size or time differ")


@pytest.mark.parametrize("look", [Look(None, MTIME), Look(1234, None), Look(None, None)])
def test_a_server_that_gives_no_size_or_no_time_proves_nothing(look: Look) -> None:
    before = known(size=look.size, mtime=look.mtime)

    assert isinstance(decide(before, PATH, look, full_check=False), Download)


@pytest.mark.parametrize(
    ("seconds", "proven"),
    [(-3600, True), (-3, True), (-2.9, False), (-1, False), (0, False), (2.9, False), (3, True), (4, True)],
)
def test_a_file_written_about_the_time_of_the_previous_look_may_have_been_written_again(
    seconds: float, *, proven: bool
) -> None:
    step = decide(known(looked_after=seconds), PATH, LOOK, full_check=False)

    assert isinstance(step, Unchanged) is proven


@pytest.mark.parametrize("mtime", [0, MTIME + 86_400, 4_294_967_295])
def test_a_time_that_nobody_keeps_is_as_good_as_any_while_it_stays(mtime: int) -> None:
    assert isinstance(decide(known(mtime=mtime), PATH, Look(1234, mtime), full_check=False), Unchanged)
    assert isinstance(decide(known(mtime=mtime), PATH, Look(1234, mtime), full_check=True), Download)


def test_a_time_in_the_future_is_read_about_at_most_once_when_it_comes() -> None:
    looks = range(-3600, 3600, 900)

    steps = [decide(known(looked_after=seconds), PATH, LOOK, full_check=False) for seconds in looks]

    assert sum(isinstance(step, Download) for step in steps) == 1


def test_another_place_is_read_whatever_size_and_time_say() -> None:
    before = known().model_copy(update={"path": PATH})

    assert isinstance(decide(before, PATH, LOOK, full_check=False), Unchanged)
    assert decide(before, "/other.csv", LOOK, full_check=False) == Download("another file than before")


def test_a_full_check_reads_also_what_looks_unchanged() -> None:
    assert decide(known(), PATH, LOOK, full_check=True) == Download("full check")


@given(size=NUMBER, mtime=NUMBER, new_size=NUMBER, new_mtime=NUMBER, full_check=st.booleans())
def test_a_change_of_size_or_time_is_never_missed(
    size: int | None, mtime: int | None, new_size: int | None, new_mtime: int | None, *, full_check: bool
) -> None:
    step = decide(known(size=size, mtime=mtime), PATH, Look(new_size, new_mtime), full_check=full_check)

    if (size, mtime) != (new_size, new_mtime):
        assert isinstance(step, Download)


def test_a_file_that_held_still_is_settled() -> None:
    assert unsettled(LOOK, LOOK, 1234) is None


@pytest.mark.parametrize("after", [Look(1234, MTIME + 1), Look(1200, MTIME), Look(None, MTIME), Look(1234, None)])
def test_a_file_that_changed_while_it_was_read_is_not_settled(after: Look) -> None:
    assert unsettled(LOOK, after, 1234) == "the file changed while it was read"


@pytest.mark.parametrize("received", [0, 1233, 1235])
def test_more_or_fewer_bytes_than_announced_are_not_settled(received: int) -> None:
    assert unsettled(LOOK, LOOK, received) == f"the server announced 1234 bytes and sent {received}"


def test_without_a_size_the_bytes_that_came_are_all_there_is() -> None:
    assert unsettled(Look(None, MTIME), Look(None, MTIME), 99) is None


def test_of_a_file_that_was_not_read_to_its_end_only_size_and_time_count() -> None:
    assert unsettled(LOOK, LOOK, None) is None
    assert unsettled(LOOK, Look(1200, MTIME), None) == "the file changed while it was read"


def test_a_file_that_grew_is_told_by_how_much() -> None:
    assert unsettled(LOOK, Look(1300, MTIME + 1), 1234) == "the file grew by 66 bytes while it was read"


@pytest.mark.parametrize(
    ("before", "again", "may"),
    [
        (LOOK, LOOK, True),
        (LOOK, Look(1235, MTIME), False),
        (LOOK, Look(1234, MTIME + 1), False),
        (Look(None, MTIME), Look(None, MTIME), False),
        (Look(1234, None), Look(1234, None), False),
    ],
)
def test_a_download_goes_on_only_in_the_same_file(before: Look, again: Look, *, may: bool) -> None:
    assert can_continue(before, again) is may


@pytest.mark.parametrize(
    ("marker", "reason"),
    [
        (None, "is not there"),
        (Look(0, MTIME - 1), "is older than the file"),
        (Look(0, MTIME), None),
        (Look(0, MTIME + 60), None),
        (Look(0, None), None),
    ],
)
def test_a_done_marker_is_no_older_than_its_file(marker: Look | None, reason: str | None) -> None:
    assert unmarked(LOOK, marker) == reason
    assert unmarked(Look(1234, None), Look(0, 0)) is None
