"""What can go wrong on a customer's server, as one exception with a code of shared.errors."""

import contextlib
from collections.abc import Iterator

import paramiko

from services.fetcher.sftp.messages import ProtocolError, StatusError
from shared.errors import ConnectorError, advice

_SHOWN_CHARACTERS = 200
# Codes of a status; those above 8 are of later versions of SFTP, but servers send them in version 3 as well.
_STATUSES = {2: "file_not_found", 3: "permission_denied", 6: "connection_lost", 7: "connection_lost"} | {
    10: "file_not_found",  # no such path
    19: "file_not_found",  # a part of the path is no folder
    20: "file_not_found",  # no valid name
    24: "is_a_directory",
}


class LookFailed(ConnectorError):
    """A look at a file failed at `step`; `detail` says what was seen, never a secret."""

    def __init__(self, step: str, code: str, detail: str = "", *, host_key: str | None = None) -> None:
        super().__init__(f"{step}: {code}")
        self.step = step
        self.code = code
        self.detail = detail or advice(code).message
        self.host_key = host_key


@contextlib.contextmanager
def translated(step: str) -> Iterator[None]:
    """Every exception of paramiko, the network and the SFTP client as LookFailed."""
    try:
        yield
    except LookFailed:
        raise
    except Exception as error:  # noqa: BLE001 - a hostile server makes paramiko raise all kinds, struct.error among them
        code, detail = meaning(step, error)
        raise LookFailed(step, code, detail) from None


def meaning(step: str, error: Exception) -> tuple[str, str]:
    """The code and the detail of an exception; never a library's own text, which may quote anything."""
    match error:
        case StatusError():
            detail = f"the server answered with status {error.code}"
            return _STATUSES.get(error.code, "transfer_broken"), "" if error.code in _STATUSES else detail
        case ProtocolError():
            return "transfer_broken", "the server breaks the rules of SFTP"
        case TimeoutError():
            return {"connect": "connect_timeout", "file": "transfer_broken"}.get(step, "timed_out"), ""
        case paramiko.AuthenticationException():
            return "login_unsupported", "the server takes no RSA signature with SHA-2"
    return "transfer_broken" if step == "file" else "connection_lost", ""


def printable(text: str) -> str:
    """What a server said, fit to be shown and logged: one line, not too long."""
    shown = text[: _SHOWN_CHARACTERS + 1]
    clean = "".join(char if char.isprintable() else "?" for char in shown)
    return clean if len(clean) <= _SHOWN_CHARACTERS else clean[: _SHOWN_CHARACTERS - 1] + "…"
