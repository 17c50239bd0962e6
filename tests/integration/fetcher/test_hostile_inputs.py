"""Each hostile host, server and file of a corpus that may lie beside the project is met by a test."""

import contextlib
import json
import re
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest
from paramiko import Message
from paramiko.sftp import SFTP_EOF
from pydantic import ValidationError

from deploy.local.servers.sshd import Sshd
from services.fetcher import sftp
from services.fetcher.core.changes import Look
from services.fetcher.sftp.failure import LookFailed
from services.fetcher.sftp.messages import Kind
from services.fetcher.sftp.session import Entry, Session, open_session
from shared.contracts import ConnectionTestAsked
from shared.ids import new_id
from shared.settings import ReachSettings
from tests.conftest import PASSWORD
from tests.integration.fetcher.ssh_server import RIGHT, Script, SshServer, attributes, endpoint, fails, limits

TESTS = Path(__file__).parents[2]
CORPUS = TESTS.parents[1] / "shared" / "bad-inputs" / "bad_inputs.json"
ITEMS = {
    item["id"]: item["input"]
    for item in (json.loads(CORPUS.read_text(encoding="utf-8")) if CORPUS.is_file() else [])
    if item["area"] in {"H", "S", "F"}
}
needs_corpus = pytest.mark.skipif(not ITEMS, reason="no corpus of bad inputs lies beside the project")

# Where an item is met by a test of its own subject.
ELSEWHERE = {
    "H28": ("fetcher/test_hosts.py", "test_a_name_is_resolved_once_and_its_second_answer_never_used"),
    "S01": ("fetcher/test_hosts.py", "test_a_server_with_another_key_never_sees_a_secret"),
    "S02": ("fetcher/test_hosts.py", "test_the_first_key_seen_is_told"),
    "S03": ("fetcher/test_hosts.py", "test_the_accepted_rsa_key_is_asked_for_on_a_server_with_several"),
    "S04": ("fetcher/test_hosts.py", "test_what_a_server_offers_is_told_in_bounds"),
    "S06": ("fetcher/test_hosts.py", "test_a_peer_that_never_speaks_costs_no_more_than_the_time_to_connect"),
    "S07": ("fetcher/test_hosts.py", "test_a_hostile_greeting_costs_bounded_time_and_memory"),
    "S08": ("fetcher/test_hosts.py", "test_a_hostile_greeting_costs_bounded_time_and_memory"),
    "S11": ("fetcher/test_logins.py", "test_no_key_of_this_machine_is_offered"),
    "S12": ("fetcher/test_logins.py", "test_a_wrong_password_is_tried_once"),
    "S14": ("fetcher/test_packets.py", "test_a_server_may_change_keys_with_every_megabyte"),
    "F08": ("fetcher/test_handler.py", "test_a_file_that_turns_out_larger_than_allowed_is_broken_off"),
    "F10": ("fetcher/test_settling.py", "test_a_file_replaced_while_it_is_read_is_not_kept"),
    "F12": ("fetcher/test_client_fuzz.py", "test_a_wicked_answer_gives_an_error_in_time_and_never_other_bytes"),
    "F15": ("fetcher/test_client.py", "test_a_server_that_falls_silent_breaks_the_transfer_in_time"),
}
HERE: set[str] = set()

Test = TypeVar("Test", bound=Callable[..., None])
FILE = attributes(size=3, mode=stat.S_IFREG | 0o644, mtime=1_700_000_000)
PATH = "/exports/leads.csv"


def meets(*ids: str) -> Callable[[Test], Test]:
    """Note which items a test is about."""
    HERE.update(ids)
    return lambda test: test


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port of this machine on which a connection would be noticed."""
    with socket.create_server(("", 0)) as server:
        server.setblocking(False)
        yield server


def is_blocked(host: str, listener: socket.socket) -> None:
    failure = fails(endpoint(listener.getsockname()[1], host=host), RIGHT, limits(anywhere=False))

    assert (failure.step, failure.code) == ("address", "address_blocked")
    with pytest.raises(BlockingIOError):
        listener.accept()


def quoted(item: str) -> list[str]:
    """What stands in quotes in an item, several values apart."""
    return [
        word for text in re.findall("`([^`]*)`", ITEMS[item]) for word in re.split(r"\s+/\s+|\s*,\s+|\s+and\s+", text)
    ]


ADDRESSES = [item for item in ITEMS if re.fullmatch("H(0[1-9]|1[0-9]|2[0-5])", item)]


@meets(*ADDRESSES, "H29")
@pytest.mark.parametrize(
    ("item", "host"), [(item, host) for item in [*ADDRESSES, *(["H29"] if ITEMS else [])] for host in quoted(item)]
)
def test_a_private_address_in_any_spelling_is_never_connected_to(item: str, host: str, listener: socket.socket) -> None:
    is_blocked(host.replace("*", "db.prod"), listener)


@meets("H26")
@pytest.mark.parametrize("address", ["10.0.0.1", "fd00::1", "169.254.169.254", "::ffff:127.0.0.1"])
def test_a_public_name_of_a_private_address_is_never_connected_to(
    address: str, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, 1, 6, "", (address, 0))])
    is_blocked("sftp.example.com", listener)


def form(**fields: Any) -> list[str]:
    """The fields of a form that are refused."""
    known = {"organisation_id": new_id(), "user_id": new_id(), "role": "ADMIN"}
    form = {"host": "sftp.example.com", "port": 22, "username": "crm", "password": "x", "path": "/leads.csv"}
    try:
        ConnectionTestAsked.model_validate(known | form | fields)
    except ValidationError as error:
        return [str(problem["loc"][0]) for problem in error.errors()]
    return []


def test_the_form_that_the_following_spoil_is_right() -> None:
    assert form() == []


@meets("H30")
@pytest.mark.parametrize("port", [0, 65_536, -1, "22; x", 22.5, "", None])
def test_what_is_no_port_is_refused_by_the_form(port: object) -> None:
    assert form(port=port) == ["port"]


@pytest.mark.parametrize("port", [25, 5432, 5672, 6379])
def test_a_port_of_our_own_services_is_never_connected_to(port: int) -> None:
    refused = ReachSettings.model_fields["refused_ports"].default
    failure = fails(endpoint(port), RIGHT, limits(refused_ports=tuple(refused)))
    assert (failure.step, failure.code) == ("address", "port_blocked")


@meets("H31")
@pytest.mark.parametrize(
    "host",
    [
        "-oProxyCommand=whoami",
        "sf\u00adtp.example.com",
        "a b.com",
        "a\nb.com",
        "a\0b.com",
        "x" * 300,
        "x" * 64 + ".com",
    ],
)
def test_what_is_no_host_name_is_refused_by_the_form_and_by_a_session(host: str) -> None:
    assert form(host=host) == ["host"]
    failure = fails(endpoint(22, host=host), RIGHT, limits(anywhere=False, connect=2))
    assert (failure.step, failure.code) in {("address", "dns_failed"), ("address", "address_blocked")}


@meets("H32")
@pytest.mark.parametrize("text", ["/a\nb", "/a\0b", "/a\x1b[2Jb", "/" + "x" * 100_000])
def test_a_user_or_a_path_that_breaks_lines_or_bounds_is_refused_by_the_form(text: str) -> None:
    assert form(path=text) == ["path"]
    assert form(username=text) == ["username"]


@pytest.mark.parametrize("text", ["/$(id)", "/; rm -rf x", "/`id`", "/%s%n", "//host/share"])
def test_other_words_of_a_shell_are_plain_text(sshd: Sshd, text: str) -> None:
    assert form(path=text, username=text) == []
    with open_session(endpoint(sshd.port), RIGHT, limits()) as session, pytest.raises(LookFailed, match="not_found"):
        session.look(text)


@meets("H33")
@pytest.mark.parametrize("path", ["../../etc", "/", "C:\\\\", "C:\\x.csv", ""])
def test_what_is_no_full_path_of_a_file_is_refused_by_the_form(path: str) -> None:
    assert form(path=path) == ["path"]


def test_a_path_that_climbs_stays_in_what_the_server_shows(sshd: Sshd) -> None:
    for path in ("/exports/../../../etc/passwd", "/../etc/passwd"):
        assert fails(endpoint(sshd.port, path=path), RIGHT).code == "file_not_found"


@meets("S09")
def test_a_packet_of_two_megabytes_ends_the_connection() -> None:
    def flood(server: Any, _number: int) -> None:
        message = Message()
        message.add_byte(b"\x02")
        message.add_string(bytes(2_000_000))
        server.sock.get_transport()._send_message(message)

    with SshServer(PASSWORD, lambda _at, _length: flood) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("file", "transfer_broken")


@contextlib.contextmanager
def session_of(*script: Script, **options: Any) -> Iterator[Session]:
    """A session with a scripted server."""
    with (
        SshServer(PASSWORD, *script, **options) as server,
        open_session(endpoint(server.port), RIGHT, limits()) as made,
    ):
        yield made


def listed(*names: bytes, most: int = 100) -> list[str]:
    """The names that are left of those a server lists."""

    def folder(number: int) -> list[tuple[bytes, bytes]]:
        return [] if number else [(name, FILE) for name in names]

    with session_of(folder=folder) as session:
        return [entry.name for entry in session.entries("/exports", most)]


@meets("F01")
def test_a_name_that_is_no_text_hides_no_other() -> None:
    assert listed(b"a.csv", b"\xe9.csv", "é.csv".encode(), b"\xff\xfe") == ["a.csv", "é.csv"]


@meets("F02")
@pytest.mark.parametrize("name", [b"../../evil2.csv", b"..\\..\\evil.csv", b"a/b.csv", b"", b".", b"..", b"/etc/x"])
def test_a_name_that_leads_elsewhere_is_left_out(name: bytes) -> None:
    assert listed(b"a.csv", name) == ["a.csv"]


@meets("F03")
@pytest.mark.parametrize("name", [b"new\nline.csv", b"\x1b[2J.csv", b"a\0.csv", b"\xc2\x85.csv", b"x" * 4096])
def test_a_name_that_breaks_lines_or_bounds_is_left_out(name: bytes) -> None:
    assert listed(b"a.csv", name) == ["a.csv"]


@pytest.mark.parametrize("name", ["é" * 255, "\u202etxt.csv", "...", "..a", "a b", "%s", "客户.csv"])
def test_a_strange_name_of_a_file_is_listed(name: str) -> None:
    assert listed(name.encode()) == [name]


@pytest.mark.parametrize("dots", [(), (b".", b"..")])
def test_a_folder_is_measured_without_itself_and_its_parent(dots: tuple[bytes, ...]) -> None:
    assert listed(*dots, b"a", b"b", most=2) == ["a", "b"]
    with pytest.raises(LookFailed, match="too_many_files"):
        listed(*dots, b"a", b"b", b"c", most=2)


@meets("F05")
def test_a_file_without_size_and_time_is_looked_at_and_listed() -> None:
    def folder(number: int) -> list[tuple[bytes, bytes]]:
        return [] if number else [(b"a.csv", attributes())]

    with session_of(attributes=attributes(), folder=folder) as session:
        assert session.look(PATH) == Look(None, None)
        assert session.entries("/exports", 1) == [Entry("a.csv", Look(None, None))]


@meets("F06")
@pytest.mark.parametrize("mtime", [0, 4_294_967_295, int(time.time()) + 10**6], ids=["1970", "2106", "days ahead"])
def test_any_time_is_told_as_it_is(mtime: int) -> None:
    with session_of(attributes=attributes(size=1, mtime=mtime)) as session:
        assert session.look(PATH) == Look(1, mtime)


@meets("F07")
@pytest.mark.parametrize("size", [10**15, 2**64 - 1])
def test_any_size_is_told_and_nothing_is_made_ready_for_it(size: int) -> None:
    before = psutil.Process().memory_info().rss

    with session_of(attributes=attributes(size=size)) as session:
        assert session.look(PATH).size == size

    assert psutil.Process().memory_info().rss - before < 20_000_000


@meets("F11")
def test_answers_of_a_thousand_bytes_give_the_whole_file() -> None:
    content = bytes(range(256)) * 400

    with session_of(lambda at, length: content[at : at + min(length, 1000)] or SFTP_EOF) as session:
        assert b"".join(session.read(PATH)) == content


@meets("F13")
@pytest.mark.parametrize("name", [b"%d.csv", b".", b"\xff%d", b"%d" + b"x" * 2000])
def test_a_folder_without_an_end_is_left_in_bounded_time_and_memory(name: bytes) -> None:
    before, begun = psutil.Process().memory_info().rss, time.monotonic()

    def folder(number: int) -> list[tuple[bytes, bytes]]:
        return [(name % (number,) if b"%d" in name else name, FILE)] * 20

    with session_of(folder=folder) as session, pytest.raises(LookFailed) as caught:
        session.entries("/exports", 500)

    assert (caught.value.step, caught.value.code) == ("file", "too_many_files")
    assert time.monotonic() - begun < 10
    assert psutil.Process().memory_info().rss - before < 40_000_000


@meets("F16")
def test_the_server_is_never_asked_for_a_checksum() -> None:
    for module in Path(sftp.__file__).parent.glob("*.py"):
        assert "check-file" not in module.read_text()


@meets("F17")
def test_there_is_no_request_that_changes_anything_on_a_server() -> None:
    # WRITE, SETSTAT, FSETSTAT, REMOVE, MKDIR, RMDIR, RENAME, SYMLINK
    assert not {kind.value for kind in Kind} & {6, 9, 10, 13, 14, 15, 18, 20}


@needs_corpus
def test_every_item_of_the_corpus_is_met() -> None:
    assert HERE | set(ELSEWHERE) >= set(ITEMS)
    assert not HERE & set(ELSEWHERE)


@pytest.mark.parametrize("item", ELSEWHERE)
def test_what_is_met_elsewhere_is_there(item: str) -> None:
    file, test = ELSEWHERE[item]
    assert f"def {test}(" in (TESTS / "integration" / file).read_text()
