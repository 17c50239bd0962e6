"""The same answers from SFTP servers of four makers."""

import hashlib
import random
import time
from collections.abc import Iterator

import pytest

from services.fetcher.core.changes import Look
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.login import Password
from services.fetcher.sftp.session import Session, open_session
from shared.contracts import FetchReported, ImportRequested
from tests.conftest import PASSWORD
from tests.integration.fetcher.conftest import Remote
from tests.integration.fetcher.looks import CONTENT, MIB, OLD, Fetcher, known
from tests.integration.fetcher.ssh_server import limits


@pytest.fixture
def session(remote: Remote) -> Iterator[Session]:
    """A session of `crm`."""
    with open_session(remote.endpoint(), Password(PASSWORD), limits()) as opened:
        yield opened


def test_a_connection_test_passes(remote: Remote, session: Session) -> None:
    remote.put("leads.csv", CONTENT, mtime=OLD)

    assert session.host_key == f"ssh-ed25519 {remote.server.fingerprint}"
    assert session.look(remote.path("leads.csv")) == Look(size=len(CONTENT), mtime=OLD)
    session.check_readable(remote.path("leads.csv"))


def test_a_rewritten_file_is_seen_to_differ(remote: Remote, session: Session) -> None:
    # Given
    path = remote.path("leads.csv")
    remote.put("leads.csv", CONTENT, mtime=OLD)
    before = session.look(path)
    assert session.look(path) == before

    # When
    remote.put("leads.csv", CONTENT.replace(b"Paris", b"Lyons"), mtime=OLD + 1)

    # Then
    assert session.look(path) == Look(size=before.size, mtime=OLD + 1)
    assert b"Lyons" in b"".join(session.read(path))


def test_a_fetcher_brings_a_file_once_and_then_again_when_it_changed(remote: Remote, fetcher: Fetcher) -> None:
    # Given
    fetcher.port = remote.server.port
    path = remote.path("leads.csv")
    remote.put("leads.csv", CONTENT, mtime=OLD)

    # When
    first = fetcher.fetch(path=path)
    same = fetcher.fetch(path=path, known=known(CONTENT))
    remote.put("leads.csv", CONTENT * 2, mtime=OLD + 60)
    changed = fetcher.fetch(path=path, known=known(CONTENT))

    # Then
    assert isinstance(first, ImportRequested)
    assert isinstance(same, FetchReported)
    assert isinstance(changed, ImportRequested)
    assert first.checksum == hashlib.sha256(CONTENT).hexdigest()
    assert (same.verdict, same.downloaded) == ("unchanged", False)
    assert changed.checksum == hashlib.sha256(CONTENT * 2).hexdigest()


def test_a_file_of_50_mb_arrives_whole_and_in_order(remote: Remote, session: Session) -> None:
    # Given a size that is no multiple of any block
    content = random.Random(7).randbytes(50 * MIB + 12_345)
    remote.put("leads.csv", content)
    begun = time.monotonic()

    # When
    digest = hashlib.sha256()
    for piece in session.read(remote.path("leads.csv")):
        digest.update(piece)

    # Then
    assert digest.hexdigest() == hashlib.sha256(content).hexdigest()
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, 255 * 1024, 256 * 1024, MIB])
def test_a_file_whose_size_is_at_the_edge_of_a_block_arrives_whole(remote: Remote, session: Session, size: int) -> None:
    content = random.Random(size).randbytes(size)
    remote.put("leads.csv", content)

    assert b"".join(session.read(remote.path("leads.csv"))) == content


def test_a_part_of_a_file_is_read_from_its_middle(remote: Remote, session: Session) -> None:
    content = random.Random(7).randbytes(3 * MIB)
    remote.put("leads.csv", content)

    part = b"".join(session.read(remote.path("leads.csv"), offset=MIB + 7, limit=MIB))

    assert part == content[MIB + 7 : 2 * MIB + 7]


@pytest.mark.parametrize(
    ("name", "code"),
    [("nothing.csv", "file_not_found"), ("nowhere/leads.csv", "file_not_found"), ("", "is_a_directory")],
)
def test_a_path_that_is_no_file_is_told_as_what_it_is(remote: Remote, session: Session, name: str, code: str) -> None:
    with pytest.raises(LookFailed) as caught:
        session.look(remote.path(name))

    assert (caught.value.step, caught.value.code) == ("file", code)


def test_a_file_that_is_not_for_everyone_is_seen_but_not_read(remote: Remote, session: Session) -> None:
    remote.put("leads.csv", CONTENT).chmod(0)

    assert session.look(remote.path("leads.csv")).size == len(CONTENT)
    with pytest.raises(LookFailed) as caught:
        session.check_readable(remote.path("leads.csv"))
    assert (caught.value.step, caught.value.code) == ("file", "permission_denied")


def test_a_fault_at_one_file_leaves_the_session_usable(remote: Remote, session: Session) -> None:
    remote.put("leads.csv", CONTENT)
    with pytest.raises(LookFailed):
        session.look(remote.path("nothing.csv"))

    assert b"".join(session.read(remote.path("leads.csv"))) == CONTENT


def test_a_wrong_password_is_sent_once(remote: Remote) -> None:
    before = remote.refused_logins()

    with (
        pytest.raises(LookFailed) as caught,
        open_session(remote.endpoint(), Password("not the password"), limits()),
    ):
        pass

    assert (caught.value.step, caught.value.code) == ("login", "login_refused")
    assert remote.refused_logins() == before + 1


def test_a_folder_lists_its_files_with_size_and_mtime(remote: Remote, session: Session) -> None:
    # Given more files than one answer of a server names
    names = {f"leads-{number:03}.csv" for number in range(300)}
    for name in names:
        remote.put(name, CONTENT, mtime=OLD)
    (remote.server.files / "exports" / "archive").mkdir()

    # When
    found = {entry.name: entry.look for entry in session.entries(remote.path(), 1000)}

    # Then
    assert names <= set(found)
    assert {found[name] for name in names} == {Look(size=len(CONTENT), mtime=OLD)}


def test_a_folder_with_too_many_files_is_refused(remote: Remote, session: Session) -> None:
    for number in range(30):
        remote.put(f"{number}.csv", CONTENT)

    with pytest.raises(LookFailed) as caught:
        session.entries(remote.path(), 10)

    assert (caught.value.step, caught.value.code) == ("file", "too_many_files")
