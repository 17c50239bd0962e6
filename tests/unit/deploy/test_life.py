"""The life of a run reads in the order of what led to what."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy.command.life import life, now_in_words, what_to_do

BEGUN = datetime(2026, 11, 28, 9, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGUN + timedelta(seconds=seconds)


def run(**changes: Any) -> dict[str, Any]:
    """A run that was just queued."""
    counts = {
        f"rows_{name}": 0 for name in ("read", "created", "updated", "unchanged", "rejected", "ignored", "missing")
    }
    times = {"queued_at": at(0), "started_at": None, "looked_at": None, "claimed_at": None, "finished_at": None}
    names = ("outcome", "code", "address", "remote_size", "remote_path", "file_size", "mapping_version", "importing")
    plain = {"trigger": "schedule", "dry_run": False, "stage": "queued", "server": "h", "path": "/f.csv", "detail": ""}
    state = {"sends": 1, "attempt": 0, "owed": 0, "awaits_turn": False, "stored": False, "at_server": 4}
    lease = {"lease_until": at(60), "now": at(10), "of_organisation": 2}
    return {**counts, **times, **dict.fromkeys(names), **plain, **state, **lease, **changes}


def test_a_look_comes_after_the_beginning_that_was_noted_later() -> None:
    decisions = [{"at": at(2), "step": "not sent again", "detail": "its queue is not empty"}]
    ended = {"stage": "done", "outcome": "unchanged", "finished_at": at(3)}

    words = [moment.words for moment in life(run(started_at=at(1), looked_at=at(0.5), **ended), decisions)]

    assert words == [
        "The connector was due",
        "A fetcher began at h",
        "/f.csv was looked at",
        "not sent again: its queue is not empty",
        "The file is as it was: nothing was imported",
    ]


def test_a_stored_file_was_looked_at_before() -> None:
    words = [moment.words for moment in life(run(trigger="mapping", server=None, looked_at=at(-900), stored=True), [])]

    assert words[0] == "/f.csv was looked at; it is in the blob store"
    assert len(words) == 2


def test_a_run_that_awaits_its_turn_was_taken_by_nobody() -> None:
    waits = {"stage": "stored", "claimed_at": at(5), "awaits_turn": True}

    assert [moment.words for moment in life(run(**waits, attempt=0), [])] == ["The connector was due"]
    assert life(run(**waits, attempt=1), [])[-1].words == "An importer took it"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "It is queued for a fetcher. Without news it is sent again in 50 s."),
        ({"owed": 1}, "still in the outbox"),
        ({"stage": "waiting"}, "4 looks are under way at its server, 2 of its organisation"),
        ({"stage": "stored", "awaits_turn": True, "importing": "r-2"}, "until run r-2 of the same organisation ends"),
        ({"stage": "importing", "lease_until": at(0)}, "overdue for 10 s"),
        (
            {"stage": "done", "outcome": "failed", "code": "gave_up", "finished_at": at(9)},
            "after 9.0 s: failed (gave_up)",
        ),
    ],
)
def test_where_a_run_is_now(changes: dict[str, Any], words: str) -> None:
    assert words in now_in_words(run(**changes))


def test_what_to_do_comes_from_the_code_or_from_a_lease_that_ran_out() -> None:
    assert what_to_do(run(stage="done", code="login_refused")).startswith("login_refused: The server refused")
    assert "doctor" in what_to_do(run(lease_until=at(0)))
    assert what_to_do(run()) == ""
