"""Logs in with one secret, sent at most once: servers lock accounts.

A first request without any secret asks what the server allows. Every OpenSSH client begins like that, so no server
counts it as a failure, and a password is never sent to a server that only asks questions, nor twice.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import cMSG_USERAUTH_INFO_RESPONSE

from services.fetcher.sftp.echo import gives_away
from services.fetcher.sftp.failure import LookFailed, printable, translated
from services.fetcher.sftp.messages import ProtocolError
from services.fetcher.sftp.private_key import read_key
from services.fetcher.sftp.transport import Transport
from shared.errors import advice

_PROMPTS = 20  # as many are read; a server may announce four billion
_NEW_PASSWORD = re.compile(r"(new|change|expired?).{0,40}(password|passphrase)|password.{0,40}(expired|change)", re.I)
_REFUSED = re.compile(r"authentication (failures?|failed)|auth fail|login failed|access denied", re.I)


@dataclass(frozen=True, slots=True)
class Password:
    """A login by password."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A login by private key, in OpenSSH or PEM form."""

    text: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


Credentials = Password | PrivateKey
Secret = str | paramiko.PKey


def read_secret(credentials: Credentials) -> Secret:
    """The password, or the key ready to sign; LookFailed (`key_unreadable`) when the key cannot be read."""
    if isinstance(credentials, Password):
        return credentials.text
    return read_key(credentials.text, credentials.passphrase)


def log_in(transport: Transport, username: str, secret: Secret) -> None:
    """Log in with at most one attempt that carries the secret; LookFailed, which never shows it, if we may not."""
    try:
        _log_in(transport, username, secret)
    except LookFailed as failure:
        if isinstance(secret, str) and gives_away(failure.detail, secret):
            failure.detail = advice(failure.code).message
        raise


def _log_in(transport: Transport, username: str, secret: Secret) -> None:
    login = _Login(transport, username, secret)
    with translated("login"):
        if login.attempt("none"):
            return
        if login.attempt(choose_method(login.allowed, by_key=not isinstance(secret, str))):
            return
    if login.partial:
        raise _unsupported("the server asks for a second factor", login.allowed)
    raise LookFailed("login", "login_refused")


def choose_method(allowed: Sequence[str], *, by_key: bool) -> str:
    """How to send the secret, of the methods that a server lists; LookFailed when it takes none that we can."""
    methods = ("publickey",) if by_key else ("password", "keyboard-interactive")
    for method in methods:
        # A server that lists nothing keeps its methods to itself; it is tried like any other.
        if method in allowed or not any(allowed):
            return method
    raise _unsupported("the server allows only", allowed)


def _unsupported(why: str, allowed: Sequence[str]) -> LookFailed:
    return LookFailed("login", "login_unsupported", printable(f"{why}: {', '.join(allowed)}"))


class _Login(AuthHandler):
    """paramiko's state of a login, but every attempt is answered by what the server really said."""

    def __init__(self, transport: Transport, name: str, secret: Secret) -> None:
        super().__init__(transport)
        transport.auth_handler = self
        self._name = name
        self._secret = secret
        self.allowed: list[str] = []
        self.partial = False
        self._transport = transport
        self._accepted = False  # the service of logins is asked for once in a connection
        self._rounds = 0  # of questions that were answered with the secret
        self._failure: LookFailed | None = None
        self._refused = False

    def attempt(self, method: str) -> bool:
        """Whether the server lets us in after this request; `allowed` and `partial` say what it wants instead."""
        done = threading.Event()
        self._refused = False
        self._start(method, done)
        # paramiko tells the end of a connection, but not when we closed it ourselves.
        while not done.wait(0.1) and self._transport.is_active():
            pass
        if self._failure is not None:
            raise self._failure
        if not self.authenticated and not self._refused:
            self._raise_loss()
        return self.authenticated

    def _start(self, method: str, done: threading.Event) -> None:
        secret = self._secret
        if method == "none":
            self.auth_none(self._name, done)
        elif not isinstance(secret, str):
            self.auth_publickey(self._name, secret, done)
        elif method == "password":
            self.auth_password(self._name, secret, done)
        else:
            self.auth_interactive(self._name, lambda *_: [secret], done)

    def _raise_loss(self) -> None:
        """Say why the connection ended before an answer; a server may refuse the secret by that."""
        if _REFUSED.search(self._transport.farewell):
            raise LookFailed("login", "login_refused", printable(self._transport.farewell))
        raise self._transport.get_exception() or EOFError

    def _request_auth(self) -> None:
        if not self._accepted:
            super()._request_auth()  # type: ignore[misc]
            return
        accept = paramiko.Message()
        accept.add_string("ssh-userauth")
        accept.rewind()
        super()._parse_service_accept(accept)  # type: ignore[misc]

    def _parse_service_accept(self, m: paramiko.Message) -> None:
        """What paramiko answers with the login; a server that accepts again would be sent the secret again."""
        if not self._accepted:
            self._accepted = True
            super()._parse_service_accept(m)  # type: ignore[misc]

    def _parse_userauth_failure(self, m: paramiko.Message) -> None:
        self.allowed = m.get_binary().decode("utf-8", "replace").split(",")
        self.partial = m.get_boolean()
        self._refused = True
        self._end()

    def _parse_userauth_info_request(self, m: paramiko.Message) -> None:
        if self.auth_method == "password":
            # The number stands for SSH_MSG_USERAUTH_PASSWD_CHANGEREQ here (RFC 4252, section 8).
            self._fail(LookFailed("login", "password_expired"))
        elif self.auth_method == "keyboard-interactive":
            self._answer(m)
        else:
            raise ProtocolError("a question that belongs to no login")

    def _answer(self, m: paramiko.Message) -> None:
        """Give the secret to the first question, if it is the only one; nothing to a mere notice."""
        title, instructions, _language = (_text(m) for _ in range(3))
        count = m.get_int()
        prompts = [(_text(m), m.get_boolean())[0] for _ in range(min(count, _PROMPTS))]
        if not prompts:
            self._respond([])
        elif len(prompts) == 1 and not self._rounds and not _NEW_PASSWORD.search(prompts[0]):
            self._rounds += 1
            self._respond(self.interactive_handler(title, instructions, []) if self.interactive_handler else [])
        elif _NEW_PASSWORD.search(" ".join((title, instructions, *prompts))):
            self._fail(LookFailed("login", "password_expired"))
        else:
            self._fail(_unsupported("the server asks", prompts))

    def _respond(self, answers: Sequence[str]) -> None:
        message = paramiko.Message()
        message.add_byte(cMSG_USERAUTH_INFO_RESPONSE)
        message.add_int(len(answers))
        for answer in answers:
            message.add_string(answer)
        self._transport._send_message(message)  # type: ignore[attr-defined]

    def _fail(self, failure: LookFailed) -> None:
        self._failure = failure
        self._end()

    def _end(self) -> None:
        if self.auth_event is not None:
            self.auth_event.set()


def _text(m: paramiko.Message) -> str:
    return m.get_binary().decode("utf-8", "replace").strip()[:1000]
