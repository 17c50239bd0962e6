"""The life of a run in plain words, from its row and from what was noted meanwhile."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import accumulate
from typing import NamedTuple

from shared.database import Row
from shared.errors import advice

_TRIGGERS = {
    "first": "The connector was made, and its first sync queued",
    "schedule": "The connector was due",
    "manual": "An admin or operator asked for it",
    "mapping": "The stored file is to be imported again, with the mapping of now",
}
_OUTCOMES = {
    "succeeded": "The file was imported",
    "unchanged": "The file is as it was: nothing was imported",
    "held": "The file cannot be imported just now; it is looked at again by itself",
    "failed": "The run failed; leads are as they were",
    "cancelled": "The run was cancelled; leads are as they were",
}


class Moment(NamedTuple):
    """Something that happened to a run."""

    at: datetime
    words: str


def life(run: Row, decisions: Iterable[Row]) -> list[Moment]:
    """All moments in the order of what led to what: they were noted by several clocks, and some were noted late."""
    noted = [Moment(row["at"], ": ".join(part for part in (row["step"], row["detail"]) if part)) for row in decisions]
    moments = list(_moments(run))
    not_before = accumulate((moment.at for moment in moments), max)
    placed = [*zip(not_before, moments, strict=True), *((moment.at, moment) for moment in noted)]
    return [moment for _, moment in sorted(placed, key=lambda place: place[0])]


def _moments(run: Row) -> Iterator[Moment]:
    looked = [Moment(run["looked_at"], _looked(run))] if run["looked_at"] else []
    # Of a stored file that is imported again it was another run that looked.
    again = run["server"] is None
    yield from looked if again else ()
    dry = "; a dry run, which writes nothing" if run["dry_run"] else ""
    yield Moment(run["queued_at"], _TRIGGERS[run["trigger"]] + dry)
    if run["started_at"]:
        where = f" at {run['address'] or run['server']}" if run["address"] or run["server"] else ""
        yield Moment(run["started_at"], f"A fetcher began{where}" + _times(run["sends"], "sent"))
    yield from () if again else looked
    # A run that awaits its turn was claimed by an importer that went on at once.
    if run["claimed_at"] and run["attempt"]:
        mapping = f", with mapping {run['mapping_version']}" if run["mapping_version"] else ""
        yield Moment(run["claimed_at"], f"An importer took it{mapping}" + _times(run["attempt"], "taken"))
    if run["finished_at"]:
        yield Moment(run["finished_at"], _ended(run))


def _looked(run: Row) -> str:
    size = run["remote_size"] if run["remote_size"] is not None else run["file_size"]
    bytes_ = "" if size is None else f", of {size:,} bytes"
    stored = "; it is in the blob store" if run["stored"] else ""
    return f"{run['remote_path'] or run['path']} was looked at{bytes_}{stored}"


def _times(count: int, verb: str) -> str:
    return f"; {verb} {count} times by now" if count > 1 else ""


def _ended(run: Row) -> str:
    detail = f": {run['detail']}" if run["detail"] else ""
    counts = ("created", "updated", "unchanged", "rejected", "ignored", "missing")
    rows = ", ".join(f"{run[f'rows_{name}']:,} {name}" for name in counts if run[f"rows_{name}"])
    read = f"; {run['rows_read']:,} rows: {rows}" if run["rows_read"] else ""
    return f"{_OUTCOMES[run['outcome']]}{detail}{read}"


def now_in_words(run: Row) -> str:
    """Where the run is now."""
    if run["stage"] == "done":
        seconds = (run["finished_at"] - run["queued_at"]).total_seconds()
        return f"It ended after {seconds:,.1f} s: {run['outcome']}{_code(run)}."
    if run["owed"]:
        return "Its message is still in the outbox: it waits for a scheduler that relays, or for RabbitMQ."
    if run["stage"] == "waiting":
        return (
            f"It waits for room: {run['at_server']} looks are under way at its server,"
            f" {run['of_organisation']} of its organisation."
        )
    if run["stage"] == "stored" and run["awaits_turn"]:
        return (
            f"It waits until run {run['importing']} of the same organisation ends."
            if run["importing"]
            else "It is next."
        )
    return f"{_UNDER_WAY[run['stage']]} {_lease(run)}"


_UNDER_WAY = {
    "queued": "It is queued for a fetcher.",
    "fetching": "A fetcher has it in hand.",
    "stored": "It is queued for an importer.",
    "importing": "An importer has it in hand.",
}


def _lease(run: Row) -> str:
    left = (run["lease_until"] - run["now"]).total_seconds()
    if left > 0:
        return f"Without news it is sent again in {left:,.0f} s."
    return f"It has been overdue for {-left:,.0f} s: a scheduler sends it again as soon as its queue is empty."


def _code(run: Row) -> str:
    return f" ({run['code']})" if run["code"] else ""


def what_to_do(run: Row) -> str:
    """What the code of its end advises, or what an operator looks at where it does not go on."""
    if run["code"]:
        known = advice(run["code"])
        return f"{run['code']}: {known.message} {known.action}"
    if run["stage"] not in ("done", "waiting") and run["lease_until"] < run["now"]:
        return "If that does not change: `sftp-connector doctor` shows which queue nobody reads."
    return ""
