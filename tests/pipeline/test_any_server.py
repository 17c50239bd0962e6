"""What customers' servers and exports are like besides one plain file behind a password."""

import gzip
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.local.servers.sshd import Sshd
from tests.conftest import PASSWORD
from tests.integration.fetcher.keys import let_in, private_key
from tests.pipeline.world import World

LeadsCsv = Callable[..., bytes]
PATTERN = "/exports/leads-*.csv.gz"


@pytest.fixture
def key_server(tmp_path: Path) -> Iterator[Sshd]:
    """An OpenSSH server that lets the user in by a private key alone."""
    config = let_in(tmp_path / "authorized", "ed25519")
    with Sshd(tmp_path / "key_server", {"crm": PASSWORD}, extra_config=config) as server:
        yield server


def test_the_newest_compressed_export_is_imported_once_its_marker_is_there(
    world: World, key_server: Sshd, leads_csv: LeadsCsv
) -> None:
    # Given a login by key, compressed exports with a date in their names, and a marker for each
    world.stack.start()
    world.save_mapping()
    key_server.put("/exports/leads-1.csv.gz", gzip.compress(leads_csv(3)), mtime=time.time() - 100)
    form = world.form(port=key_server.port, path=PATTERN, done_marker=".done", password=None) | {
        "private_key": private_key("ed25519", passphrase="open sesame"),
        "passphrase": "open sesame",
    }

    # When the export is not marked as done, then it is held
    asked = world.ui.ask("sftp_connector.create", **form, interval_seconds=1)
    held = world.ui.wait("sftp_connector.sync_held", in_reply_to=asked)
    assert held["detail"] == "the done-marker /exports/leads-1.csv.gz.done is not there"

    # When it is, then it is imported
    key_server.put("/exports/leads-1.csv.gz.done", b"")
    first = world.ended(world.ui.ask("sftp_connector.sync_now", connector_id=held["connector_id"]))
    assert first["rows"]["created"] == 3

    # When a newer one is there, then that one counts, and it is told in full how it was reached
    key_server.put("/exports/leads-2.csv.gz", gzip.compress(leads_csv(5)), mtime=time.time() - 50)
    key_server.put("/exports/leads-2.csv.gz.done", b"")
    second = world.ended(world.ui.ask("sftp_connector.sync_now", connector_id=held["connector_id"]))
    assert second["rows"]["created"] == 2
    (run,) = world.rows(f"select * from runs where id = '{second['run_id']}'")
    assert (run["remote_path"], run["address"]) == ("/exports/leads-2.csv.gz", "127.0.0.1")
    assert run["file_size"] == len(leads_csv(5)) != run["remote_size"]
    assert {"ssh-ed25519", "aes128-gcm@openssh.com"} <= set(run["algorithms"].split())

    # When nothing changed, then a look is enough
    same = world.ended(world.ui.ask("sftp_connector.sync_now", connector_id=held["connector_id"]))
    assert same["detail"] == "size and time as before"


def test_a_server_is_never_asked_for_more_at_once_than_it_bears(world: World, leads_csv: LeadsCsv) -> None:
    # Given room for two looks at a server, and nobody who takes them yet
    world.stack.service("scheduler", max_per_server=2).start()
    world.save_mapping()
    paths = [f"/exports/leads-{number}.csv" for number in range(5)]
    for number, path in enumerate(paths):
        world.put(leads_csv(number + 1), path=path)

    # When an admin connects five files, then three of the first syncs wait
    asked = [world.create(path=path) for path in paths]
    for event in asked:
        world.ui.wait("sftp_connector.sync_queued", in_reply_to=event)
    world.until(lambda: world.count("runs where stage = 'queued'") == 2, "two queued")
    assert world.count("runs where stage = 'waiting'") == 3

    # When a fetcher comes, then all are imported, two at a time at most
    for name in ("fetcher", "importer"):
        world.stack.service(name).start()
    crowd = 2
    while world.count("runs where stage <> 'done'"):
        crowd = max(crowd, world.count("runs where stage in ('queued', 'fetching')"))
    assert [world.ended(event)["rows"]["read"] for event in asked] == [1, 2, 3, 4, 5]
    assert crowd == 2
