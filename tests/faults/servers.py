"""Faults of customers' servers and of the network to them, and of their files."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime

from tests.faults.drill import Drill
from tests.faults.fault import Inject, fault
from tests.faults.other import Other
from tests.proxy import Proxy

_LONG = b"company\n" + b"".join(b"Acme %06d\n" % number for number in range(3_000))


def _network(name: str, **settings: float) -> Inject:
    @contextmanager
    def inject(drill: Drill) -> Iterator[None]:
        for setting, value in settings.items():
            setattr(drill.server.to_client, setting, value)
        passed = drill.server.to_client.passed
        yield
        breaks = settings.keys() & {"reset_after", "cut_after"}
        drill.until_hit(lambda: drill.runs("outcome = 'failed'") or not breaks, "a look that failed")
        drill.until_hit(lambda: drill.server.to_client.passed > passed, "a byte on its way")
        time.sleep(1)  # is what is injected
        drill.server.heal()

    inject.__name__ = name
    said = ", ".join(f"`{setting} = {value}`" for setting, value in settings.items())
    inject.__doc__ = f"The way from the customers' server: {said}."
    return inject


fault(bound=45)(_network("connection_is_reset_in_a_download", reset_after=6_000))
fault(bound=45)(_network("connection_ends_early", cut_after=6_000))
fault(bound=45)(_network("login_is_cut_off", cut_after=1_500))
fault(bound=20)(_network("server_is_slow", bandwidth=20_000))
fault(bound=20)(_network("network_has_a_long_delay", delay=0.3))
fault(bound=20)(_network("packets_come_in_pieces", slice=7))


@fault(bound=45, alone=True)
@contextmanager
def server_stalls(drill: Drill) -> Iterator[None]:
    """After the greeting, the login or some of the file nothing more comes, until looks time out."""
    drill.server.to_client.hold_after = drill.random.choice([0, 1_500, 6_000])
    yield
    drill.until(lambda: drill.runs("outcome = 'failed'"), "a look that timed out", seconds=20)
    drill.server.heal()


@fault(bound=20, alone=True)
@contextmanager
def another_server_sends_one_kilobyte_a_second(drill: Drill) -> Iterator[None]:
    """Three connectors of another organisation crawl for as long as the others need, and are imported later."""
    sshd = drill.stack.servers.sshd
    with ExitStack() as opened:
        slow = opened.enter_context(Proxy((sshd.host, sshd.port)))
        slow.to_client.bandwidth = 1_000
        others = [opened.enter_context(Other(drill, _LONG, port=slow.port)) for _ in range(3)]
        drill.until(lambda: all(other.runs("stage = 'fetching'") for other in others), "three slow looks")
        yield
        drill.until_imported()
        assert all(other.runs("stage = 'fetching'") for other in others), "they were not slow"
        slow.heal()
        drill.until(lambda: all(other.runs("outcome = 'succeeded'") for other in others), "the slow ones")


@fault(bound=45)
@contextmanager
def server_refuses_connections(drill: Drill) -> Iterator[None]:
    """Nobody listens at the customers' server."""
    drill.server.refuse = True
    logins = drill.server.connections
    yield
    drill.until_hit(lambda: drill.runs("code = 'connection_refused'"), "a look that was refused")
    assert drill.server.connections == logins, "the proxy let somebody in"
    drill.server.heal()


@fault(bound=20)
@contextmanager
def files_change_while_they_are_read(drill: Drill) -> Iterator[None]:
    """The export is written again and again, in pieces, and now and then it is not there."""
    drill.server.to_client.delay = 0.05
    done = threading.Event()
    writer = threading.Thread(target=_rewrite, args=(drill, done))
    yield
    writer.start()
    try:
        drill.until_hit(lambda: drill.runs("code = 'not_settled'"), "a file that did not hold still")
    finally:
        done.set()
        writer.join()
    for source in drill.ledger.sources:
        drill.stack.servers.sshd.put(source.path, source.current.content)
    drill.server.heal()


def _rewrite(drill: Drill, done: threading.Event) -> None:
    files = drill.stack.servers.sshd.files
    while not done.is_set():
        for source in drill.ledger.sources:
            path, content = files / source.path.lstrip("/"), source.current.content
            path.write_bytes(content[: drill.random.randrange(len(content))])
            if drill.random.random() < 0.2:
                path.unlink()


@fault(bound=15, alone=True)
@contextmanager
def server_loses_the_times_of_files(drill: Drill) -> Iterator[None]:
    """The files' times jump to 1970, yesterday or tomorrow: what is known is not imported again, what changed is."""
    with Other(drill, b"company\nAcme 1\n") as other:
        yield
        drill.until_imported()
        other.until_ended(other.begun)
        for source in drill.ledger.sources:
            _set_time(drill, source.path)
        _set_time(drill, other.path)
        _looked_at_again(drill)
        other.look()
        assert [run["outcome"] for run in other.runs("true")] == ["succeeded", "unchanged"], "it was imported again"
        # As long as before: with another time, and with the same one just before the look
        now = int(time.time())
        for number, mtime in ((2, now - 200_000), (3, now), (4, now)):
            other.put(b"company\nAcme %d\n" % number, mtime=mtime)
            other.look()
        assert other.names() == {f"Acme {number}" for number in range(1, 5)}, "a change was not seen"


def _set_time(drill: Drill, path: str) -> None:
    when = drill.random.choice([0, time.time() - 86_400, time.time() + 86_400])
    os.utime(drill.stack.servers.sshd.files / path.lstrip("/"), (when, when))


def _looked_at_again(drill: Drill) -> None:
    """Wait until each file was looked at and found as it was."""
    begun = drill.now()
    drill.rows("update connectors set due_at = now() where id = any(%s)", drill.connector_ids)
    drill.until(lambda: len(_ends(drill, begun)) == len(drill.connector_ids), "another look at each file")
    ends = set(_ends(drill, begun).values())
    assert ends == {"unchanged"}, f"ends of runs on files that did not change: {ends}"


def _ends(drill: Drill, since: datetime) -> dict[str, str]:
    """How the last run of each connector ended."""
    query = (
        "select connector_id, outcome from runs where connector_id = any(%s) and queued_at > %s and outcome is not null"
    )
    return {row["connector_id"]: row["outcome"] for row in drill.rows(query, drill.connector_ids, since)}
