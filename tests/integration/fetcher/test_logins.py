"""Logins by password, by questions and by private key: one attempt with a secret, a code for each refusal."""

import itertools
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from paramiko.common import (
    AUTH_PARTIALLY_SUCCESSFUL,
    OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED,
    OPEN_FAILED_RESOURCE_SHORTAGE,
    OPEN_FAILED_UNKNOWN_CHANNEL_TYPE,
    cMSG_SERVICE_ACCEPT,
)
from paramiko.server import InteractiveQuery

from deploy.local.servers.sshd import Sshd
from services.fetcher.sftp.login import Credentials, Password, PrivateKey
from services.fetcher.sftp.session import open_session
from shared.errors import advice
from tests.conftest import PASSWORD
from tests.integration.fetcher.keys import Form, fingerprint, let_in, openssh_of, pbes2, private_key, public_key
from tests.integration.fetcher.ssh_server import (
    HOST_KEY,
    PINNED,
    RIGHT,
    Door,
    SshServer,
    ask_for_a_new_password,
    disconnect,
    endpoint,
    eventually,
    fails,
    limits,
)

WRONG = Password("wrong horse")
KEY = PrivateKey(private_key("ed25519"))
ASK = InteractiveQuery("", "", ("Password: ", False))


@pytest.fixture
def recorder() -> Iterator[SshServer]:
    """A server that keeps every attempt to log in."""
    with SshServer(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def key_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An OpenSSH server that takes keys only; those in its file `authorized`."""
    home = tmp_path_factory.mktemp("keys")
    config = let_in(home / "authorized", "ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048")
    with Sshd(home / "sshd", {"crm": PASSWORD}, extra_config=config) as server:
        yield server


def logs_in(server: SshServer, credentials: Credentials = RIGHT) -> None:
    with open_session(endpoint(server.port, host_keys=(PINNED,)), credentials, limits()) as session:
        session.look("/leads.csv")


def test_a_wrong_password_is_tried_once(recorder: SshServer) -> None:
    failure = fails(endpoint(recorder.port, host_keys=(PINNED,)), WRONG)

    assert (failure.step, failure.code) == ("login", "login_refused")
    assert recorder.attempts == [("password", "wrong horse")]
    assert recorder.connections == 1


def test_openssh_counts_one_failure_for_a_wrong_password(sshd: Sshd) -> None:
    def failed() -> int:
        return sshd.log_path.read_text(errors="replace").count("Failed ")

    before = failed()

    failure = fails(endpoint(sshd.port), WRONG)

    assert (failure.step, failure.code) == ("login", "login_refused")
    assert eventually(lambda: failed() == before + 1)


def test_openssh_counts_no_failure_for_a_right_password(sshd: Sshd) -> None:
    before = sshd.log_path.read_text(errors="replace").count("Failed ")

    with open_session(endpoint(sshd.port), RIGHT, limits()):
        pass

    assert sshd.log_path.read_text(errors="replace").count("Failed ") == before


def test_a_server_that_closes_after_one_failure_has_refused_the_login(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["MaxAuthTries 1"]) as server:
        assert fails(endpoint(server.port), WRONG).code == "login_refused"


@pytest.mark.parametrize(
    ("text", "code"), [("Too many authentication failures", "login_refused"), ("Bye", "connection_lost")]
)
def test_a_server_that_ends_the_login_is_taken_at_its_word(text: str, code: str) -> None:
    with SshServer(PASSWORD, door=Door(before_refusal=disconnect(text))) as server:
        assert fails(endpoint(server.port), WRONG).code == code


def test_no_key_of_this_machine_is_offered(
    recorder: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a home with a key, and an agent
    (tmp_path / ".ssh").mkdir()
    HOST_KEY.write_private_key_file(str(tmp_path / ".ssh" / "id_ecdsa"))
    agent = socket.socket(socket.AF_UNIX)
    agent.bind(str(tmp_path / "agent"))
    agent.listen()
    agent.setblocking(False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

    # When
    logs_in(recorder)
    fails(endpoint(recorder.port), Password("wrong"))
    fails(endpoint(recorder.port), KEY)

    # Then
    assert recorder.attempts == [
        ("password", PASSWORD),
        ("password", "wrong"),
        ("publickey", fingerprint("ed25519")),
    ]
    with agent, pytest.raises(BlockingIOError):
        agent.accept()


def test_a_server_that_only_asks_questions_is_answered_once_with_the_password() -> None:
    with SshServer(PASSWORD, door=Door(methods="keyboard-interactive", questions=(ASK,))) as server:
        logs_in(server)
        assert fails(endpoint(server.port), WRONG).code == "login_refused"

    assert server.attempts == [("keyboard-interactive", PASSWORD), ("keyboard-interactive", "wrong horse")]


def test_the_service_of_logins_is_asked_for_once(recorder: SshServer) -> None:
    logs_in(recorder)
    assert recorder.asked_for_logins == 1


def test_a_server_that_accepts_the_service_of_logins_again_gets_no_second_secret() -> None:
    def accept_again(transport: paramiko.Transport) -> None:
        for _ in range(3):
            message = paramiko.Message()
            message.add_byte(cMSG_SERVICE_ACCEPT)
            message.add_string("ssh-userauth")
            transport._send_message(message)  # type: ignore[attr-defined]

    with SshServer(PASSWORD, door=Door(before_refusal=accept_again)) as server:
        assert fails(endpoint(server.port), WRONG).code == "login_refused"
        assert not eventually(lambda: len(server.attempts) > 1, 0.5)

    assert server.attempts == [("password", "wrong horse")]


@pytest.mark.parametrize(
    "said",
    [
        "Authentication failed for crm / wrong horse",
        "authentication failed: WRONG HORSE",
        f"authentication failed: {'x' * 170}wrong horse",
    ],
)
def test_a_server_that_ends_the_login_with_the_password_is_not_quoted(said: str) -> None:
    with SshServer(PASSWORD, door=Door(before_refusal=disconnect(said))) as server:
        failure = fails(endpoint(server.port), WRONG)

    assert failure.code == "login_refused"
    assert failure.detail == advice("login_refused").message


@pytest.mark.parametrize("again", ["You said wrong horse; token: ", " " * 995 + "wrong horse"])
def test_a_server_that_asks_with_the_password_is_not_quoted(again: str) -> None:
    questions = (ASK, InteractiveQuery("", "", again, "Code: "))
    with SshServer("wrong horse", door=Door(methods="keyboard-interactive", questions=questions)) as server:
        failure = fails(endpoint(server.port), WRONG)

    assert failure.code == "login_unsupported"
    assert failure.detail == advice("login_unsupported").message


def test_a_server_that_turns_to_questions_after_a_refusal_gets_no_second_secret() -> None:
    with SshServer(PASSWORD, door=Door(questions=(ASK,))) as server:
        assert fails(endpoint(server.port), WRONG).code == "login_refused"

    assert server.attempts == [("password", "wrong horse")]


def test_a_notice_without_a_question_is_answered_with_nothing() -> None:
    notice = InteractiveQuery("Welcome", "Your password expires in 3 days")
    for questions in ((notice, ASK), (ASK, notice)):
        with SshServer(PASSWORD, door=Door(methods="keyboard-interactive", questions=questions)) as server:
            logs_in(server)
        assert server.attempts == [("keyboard-interactive", PASSWORD)]


@pytest.mark.parametrize(
    ("questions", "code", "answers"),
    [
        ((InteractiveQuery("", "", "Password: ", "Code: "),), "login_unsupported", 0),
        ((ASK, InteractiveQuery("", "", "Verification code: ")), "login_unsupported", 1),
        ((ASK, ASK), "login_unsupported", 1),
        ((InteractiveQuery("", "", "New password: "),), "password_expired", 0),
        ((InteractiveQuery("", "", "New password: ", "Retype new password: "),), "password_expired", 0),
        ((ASK, InteractiveQuery("", "Your password has expired.", "Current password: ")), "password_expired", 1),
        ((ASK, InteractiveQuery("Password change required", "", "Old: ", "New: ")), "password_expired", 1),
        ((InteractiveQuery("", "", *["?"] * 5000),), "login_unsupported", 0),
    ],
)
def test_other_questions_are_not_answered(questions: tuple[InteractiveQuery, ...], code: str, answers: int) -> None:
    with SshServer(PASSWORD, door=Door(methods="keyboard-interactive", questions=questions)) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("login", code)
    assert failure.detail.isprintable()
    assert len(failure.detail) <= 200
    assert server.attempts == [("keyboard-interactive", PASSWORD)] * answers


def test_a_server_that_wants_a_new_password_says_that_it_has_expired() -> None:
    with SshServer("another", door=Door(before_refusal=ask_for_a_new_password)) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("login", "password_expired")
    assert server.attempts == [("password", PASSWORD)]


def test_openssh_takes_an_expired_password_and_starts_no_sftp(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}) as server:
        shadow = tmp_path / "sshd" / "accounts" / "shadow"
        shadow.write_text(shadow.read_text().replace(":19000:", ":0:"))
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("login", "sftp_unavailable")
    assert "expired" in failure.detail


def test_openssh_that_only_asks_questions_is_answered_once(tmp_path: Path) -> None:
    # Given a server whose users log in through PAM
    config = ["UsePAM yes", "PasswordAuthentication no", "KbdInteractiveAuthentication yes"]
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=config) as server:
        # When
        with open_session(endpoint(server.port), RIGHT, limits()):
            pass
        refused = fails(endpoint(server.port), WRONG, limits(login=10))
        shadow = tmp_path / "sshd" / "accounts" / "shadow"
        shadow.write_text(shadow.read_text().replace(":19000:", ":0:"))
        expired = fails(endpoint(server.port), RIGHT)

        # Then
        assert (refused.code, expired.code) == ("login_refused", "password_expired")
        assert server.log_path.read_text().count("Failed ") == 1


@pytest.mark.parametrize(
    ("credentials", "methods"),
    [(RIGHT, "publickey"), (RIGHT, "gssapi-with-mic,hostbased"), (KEY, "password,keyboard-interactive")],
)
def test_a_server_that_takes_no_such_login_gets_no_secret(credentials: Credentials, methods: str) -> None:
    with SshServer(PASSWORD, door=Door(methods=methods)) as server:
        failure = fails(endpoint(server.port), credentials)

    assert (failure.step, failure.code) == ("login", "login_unsupported")
    assert failure.detail == f"the server allows only: {methods.replace(',', ', ')}"
    assert server.attempts == []


def test_a_server_that_lists_no_method_is_tried_with_the_password() -> None:
    with SshServer(PASSWORD, door=Door(methods="")) as server:
        logs_in(server)


@pytest.mark.parametrize("credentials", [RIGHT, KEY], ids=["password", "key"])
def test_a_second_factor_is_not_supported(credentials: Credentials) -> None:
    door = Door(then=AUTH_PARTIALLY_SUCCESSFUL, key=fingerprint("ed25519"))
    with SshServer(PASSWORD, door=door) as server:
        failure = fails(endpoint(server.port), credentials)

    assert (failure.step, failure.code) == ("login", "login_unsupported")
    assert "second factor" in failure.detail
    assert len(server.attempts) == 1


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ed25519", "openssh"),
        ("ed25519", "pkcs8"),
        *itertools.product(("ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"), ("openssh", "pem", "pkcs8")),
    ],
)
@pytest.mark.parametrize("passphrase", [None, "pass phrase é"])
def test_a_private_key_of_any_kind_and_form_logs_in(
    key_server: Sshd, kind: str, form: Form, passphrase: str | None
) -> None:
    text = private_key(kind, form, passphrase)

    with open_session(endpoint(key_server.port), PrivateKey(text, passphrase), limits()) as session:
        assert session.host_key


@pytest.mark.parametrize(
    "spoil", [lambda text: text.replace("\n", "\r\n"), lambda text: "\n  " + text.replace("\n", "\n  ")]
)
def test_a_key_pasted_with_other_spaces_is_read(key_server: Sshd, spoil: "type[str]") -> None:
    with open_session(endpoint(key_server.port), PrivateKey(spoil(private_key("ed25519"))), limits()):
        pass


def test_a_passphrase_too_many_does_no_harm(key_server: Sshd) -> None:
    with open_session(endpoint(key_server.port), PrivateKey(private_key("rsa-2048"), "unused"), limits()):
        pass


def test_a_key_that_the_server_does_not_know_is_refused_after_one_attempt(key_server: Sshd) -> None:
    def failed() -> int:
        return key_server.log_path.read_text(errors="replace").count("Failed publickey")

    before = failed()

    failure = fails(endpoint(key_server.port), PrivateKey(private_key("rsa-3072")))

    assert (failure.step, failure.code) == ("login", "login_refused")
    assert eventually(lambda: failed() == before + 1)


ENCRYPTED = private_key("ed25519", "openssh", "right")


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (PrivateKey(ENCRYPTED), "needs its passphrase"),
        (PrivateKey(ENCRYPTED, "wrong"), "passphrase is not"),
        (PrivateKey(private_key("rsa-2048", "pem", "right")), "needs its passphrase"),
        (PrivateKey(private_key("rsa-2048", "pem", "right"), "wrong"), "passphrase is not"),
        (PrivateKey(private_key("rsa-2048", "pkcs8", "right"), "wrong"), "passphrase is not"),
        (PrivateKey(private_key("dsa", "pem")), "DSA"),
        (PrivateKey(private_key("dsa", "pkcs8")), "neither Ed25519"),
        (PrivateKey(private_key("ed448", "pkcs8")), "neither Ed25519"),
        (PrivateKey(public_key("ed25519")), "public key"),
        (PrivateKey("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n"), "PuTTY"),
        (PrivateKey(private_key("ed25519")[:200]), "damaged"),
        (PrivateKey(private_key("rsa-2048", "pem").replace("A", "B")), "damaged"),
        (PrivateKey("secret and no key"), "damaged"),
        (PrivateKey("-----BEGIN OPENSSH PRIVATE KEY-----\n\x00é\n-----END OPENSSH PRIVATE KEY-----"), "damaged"),
        (PrivateKey(openssh_of(2**31), "right"), "too long"),
        (PrivateKey(pbes2(2**31 - 1), "right"), "too long"),
    ],
)
def test_a_key_that_cannot_be_read_fails_before_anything_is_connected(
    recorder: SshServer, key: PrivateKey, why: str
) -> None:
    begun = time.monotonic()

    failure = fails(endpoint(recorder.port), key)

    assert (failure.step, failure.code) == ("login", "key_unreadable")
    assert why in failure.detail
    assert recorder.connections == 0
    assert time.monotonic() - begun < 2


def test_a_short_rsa_key_is_refused() -> None:
    made = subprocess.run(["openssl", "genrsa", "768"], capture_output=True, text=True, check=True)

    failure = fails(endpoint(22), PrivateKey(made.stdout))

    assert failure.code == "key_unreadable"
    assert "RSA key of 768 bits" in failure.detail


@pytest.mark.parametrize("text", ["s3cret", "x" * 1000])
def test_credentials_show_no_secret(text: str) -> None:
    shown = f"{Password(text)} {PrivateKey(text, text)!r} {[Password(text)]}"
    assert text not in shown


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, "too_many_sessions"),
        (OPEN_FAILED_RESOURCE_SHORTAGE, "too_many_sessions"),
        (OPEN_FAILED_UNKNOWN_CHANNEL_TYPE, "sftp_unavailable"),
    ],
)
def test_a_server_that_opens_no_channel_is_busy_or_knows_none(answer: int, code: str) -> None:
    with SshServer(PASSWORD, door=Door(channel=answer)) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("login", code)


def test_openssh_that_takes_no_session_is_busy(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["MaxSessions 0"]) as server:
        assert fails(endpoint(server.port), RIGHT).code == "too_many_sessions"


def test_a_login_without_sftp_is_named_as_such(tmp_path: Path) -> None:
    with Sshd(tmp_path / "sshd", {"crm": PASSWORD}, extra_config=["ForceCommand /bin/true"]) as server:
        failure = fails(endpoint(server.port), RIGHT)

    assert (failure.step, failure.code) == ("login", "sftp_unavailable")


def test_a_server_that_never_answers_the_login_costs_no_more_than_the_time_to_log_in() -> None:
    begun = time.monotonic()

    with SshServer(PASSWORD, answers_login=False) as server:
        failure = fails(endpoint(server.port), RIGHT, limits(login=0.5))
        took = time.monotonic() - begun

    assert (failure.step, failure.code) == ("login", "timed_out")
    assert took < 3


def test_a_server_that_never_starts_sftp_costs_no_more_than_the_time_to_log_in() -> None:
    begun = time.monotonic()

    with SshServer(PASSWORD, starts_sftp=False) as server:
        failure = fails(endpoint(server.port), RIGHT, limits(login=0.5))
        took = time.monotonic() - begun

    assert (failure.step, failure.code) == ("login", "timed_out")
    assert took < 3
