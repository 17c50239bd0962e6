"""A File Path with a date or a star leads to the newest file that is complete."""

from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

import pytest

from deploy.local.servers.sshd import Sshd
from shared.contracts import FetchReported, ImportRequested
from tests.integration.fetcher.looks import CONTENT, OLD, Fetcher, known

DATED = "/exports/leads_{date:%Y-%m-%d}.csv"


def named(days_from_today: int) -> str:
    day = datetime.now(UTC).date() + timedelta(days=days_from_today)
    return f"/exports/leads_{day.isoformat()}.csv"


@pytest.mark.parametrize(("there", "found"), [([0, -1], 0), ([1, 0], 1), ([-2, -6], -2), ([-6], -6)])
def test_the_newest_day_that_has_a_file_is_taken(fetcher: Fetcher, sshd: Sshd, there: list[int], found: int) -> None:
    for number, day in enumerate(there):
        sshd.put(named(day), CONTENT + b"%d" % day, mtime=OLD + number)

    answer = fetcher.fetch(path=DATED)

    assert isinstance(answer, ImportRequested)
    assert (answer.path, answer.size) == (named(found), len(CONTENT + b"%d" % found))


@pytest.mark.parametrize("day", [2, -7])
def test_a_file_of_another_week_is_not_taken(fetcher: Fetcher, sshd: Sshd, day: int) -> None:
    sshd.put(named(day), CONTENT, mtime=OLD)

    answer = fetcher.fetch(path=DATED)

    assert (answer.verdict, answer.code) == ("failed", "file_not_found")
    assert DATED in answer.detail
    assert named(1) in answer.detail


def test_the_file_of_a_new_day_is_read_though_size_and_time_are_those_of_yesterday(
    fetcher: Fetcher, sshd: Sshd
) -> None:
    # Given
    sshd.put(named(-1), CONTENT, mtime=OLD)
    before = known(CONTENT, path=named(-1))
    assert fetcher.fetch(path=DATED, known=before).verdict == "unchanged"

    # When
    sshd.put(named(0), CONTENT.replace(b"Paris", b"Tours"), mtime=OLD)
    answer = fetcher.fetch(path=DATED, known=before)

    # Then
    assert isinstance(answer, ImportRequested)
    assert answer.path == named(0)


def test_a_date_may_name_folders_and_go_with_a_star(fetcher: Fetcher, sshd: Sshd) -> None:
    day = datetime.now(UTC).date() - timedelta(days=1)
    sshd.put(f"/exports/{day:%Y}/{day:%m}/{day:%d}/a.csv", b"old", mtime=OLD)
    sshd.put(f"/exports/{day:%Y}/{day:%m}/{day:%d}/b.csv", CONTENT, mtime=OLD + 1)

    answer = fetcher.fetch(path="/exports/{date:%Y}/{date:%m/%d}/*.csv")

    assert isinstance(answer, ImportRequested)
    assert PurePosixPath(str(answer.path)).name == "b.csv"


def test_a_star_leads_to_the_newest_file_by_time_then_by_name(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given
    sshd.put("/exports/leads_9.csv", b"old", mtime=OLD)
    sshd.put("/exports/leads_2.csv", CONTENT, mtime=OLD + 60)
    sshd.put("/exports/leads_1.csv", b"same time", mtime=OLD + 60)
    sshd.put("/exports/deals_3.csv", b"other name", mtime=OLD + 90)
    sshd.put("/exports/leads_4.csv.filepart", b"unfinished", mtime=OLD + 90)
    sshd.put("/exports/.leads_5.csv", b"hidden", mtime=OLD + 90)
    (sshd.files / "exports" / "leads_6.csv").mkdir()

    # When
    answer = fetcher.fetch(path="/exports/leads_*.csv")

    # Then
    assert isinstance(answer, ImportRequested)
    assert (answer.path, answer.size) == ("/exports/leads_2.csv", len(CONTENT))
    same = known(CONTENT, mtime=OLD + 60, path=answer.path)
    assert fetcher.fetch(path="/exports/leads_*.csv", known=same).verdict == "unchanged"


@pytest.mark.parametrize("pattern", ["/exports/deals_*.csv", "/exports/nowhere/*.csv"])
def test_a_star_without_a_file_is_told_with_its_pattern(fetcher: Fetcher, sshd: Sshd, pattern: str) -> None:
    sshd.put("/exports/leads_1.csv", CONTENT)

    answer = fetcher.fetch(path=pattern)

    assert isinstance(answer, FetchReported)
    assert (answer.verdict, answer.code, answer.detail) == ("failed", "file_not_found", f"no file fits {pattern}")


def test_a_folder_with_too_many_files_is_not_looked_through(fetcher: Fetcher, sshd: Sshd) -> None:
    for number in range(11):
        sshd.put(f"/exports/leads_{number}.csv", CONTENT)

    assert isinstance(fetcher.fetch(path="/exports/leads_*.csv", settings={"max_entries": 11}), ImportRequested)
    assert fetcher.fetch(path="/exports/leads_*.csv", settings={"max_entries": 10}).code == "too_many_files"


def test_a_name_that_is_no_text_hides_no_other_file(fetcher: Fetcher, sshd: Sshd) -> None:
    folder = bytes(sshd.files / "exports")
    with open(folder + b"/leads_\xff.csv", "wb") as file:
        file.write(b"strange")
    sshd.put("/exports/leads_1.csv", CONTENT, mtime=OLD)

    assert fetcher.fetch(path="/exports/leads_*.csv").path == "/exports/leads_1.csv"


def test_a_star_sees_links_as_the_files_that_they_lead_to(fetcher: Fetcher, sshd: Sshd) -> None:
    # Given a link to the newest export, and links that lead to no file
    sshd.put("/exports/store/b", CONTENT + b"new", mtime=OLD + 5)
    sshd.put("/exports/leads_9.csv", CONTENT, mtime=OLD)
    for name, target in (("leads_1.csv", "store/b"), ("leads_2.csv", "nowhere"), ("leads_3.csv", "store")):
        (sshd.files / "exports" / name).symlink_to(target)

    # When
    answer = fetcher.fetch(path="/exports/leads_*.csv")

    # Then
    assert isinstance(answer, ImportRequested)
    assert (answer.path, answer.mtime) == ("/exports/leads_1.csv", OLD + 5)


def test_only_so_many_links_are_followed(fetcher: Fetcher, sshd: Sshd) -> None:
    for number in range(51):
        (sshd.files / "exports" / f"leads_{number}.csv").symlink_to("nowhere")

    assert fetcher.fetch(path="/exports/leads_*.csv").code == "too_many_files"
