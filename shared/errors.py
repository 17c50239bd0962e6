"""Every code that a run, a test or a refused event can end with: plain words, and what the admin can do."""

from enum import StrEnum
from typing import NamedTuple


class TryAgain(StrEnum):
    """What trying again is worth."""

    SOON = "soon"  # what is in the way, such as a writer of the file, is gone within seconds or minutes
    LATER = "later"  # a passing fault: back off, up to a day
    CHANGED = "changed"  # pointless until the file, the form or the mapping changes


class Advice(NamedTuple):
    """What a code means to the admin who reads it."""

    message: str
    action: str
    try_again: TryAgain


CODES: dict[str, Advice] = {
    "dns_failed": Advice(
        "The host name could not be resolved.", "Check the Host field for a typing error.", TryAgain.LATER
    ),
    "address_blocked": Advice(
        "The host points to an address inside a private or reserved network.",
        "Enter a host that is reachable from the internet.",
        TryAgain.CHANGED,
    ),
    "connect_timeout": Advice(
        "The server did not answer in time.",
        "Check host and port, and that the server's firewall lets Leadbay in.",
        TryAgain.LATER,
    ),
    "connection_refused": Advice(
        "The server refused the connection.",
        "Check the port and that the SFTP server is running.",
        TryAgain.LATER,
    ),
    "connection_lost": Advice(
        "The server closed the connection.",
        "Nothing to do unless it goes on; then ask the server's owner.",
        TryAgain.LATER,
    ),
    "not_ssh": Advice(
        "The server answers, but not as an SFTP server.",
        "Check the port: SFTP usually listens on 22.",
        TryAgain.LATER,
    ),
    "weak_algorithms": Advice(
        "The server offers only outdated encryption.",
        "Ask the server's owner for AES-GCM or AES-CTR with SHA-2.",
        TryAgain.CHANGED,
    ),
    "host_key_changed": Advice(
        "The server shows another host key than the one that was accepted.",
        "Ask the server's owner whether the key was changed; if so, accept the new key.",
        TryAgain.CHANGED,
    ),
    "port_blocked": Advice(
        "This port is not one of an SFTP server.", "Enter the port of the SFTP server, usually 22.", TryAgain.CHANGED
    ),
    "login_refused": Advice(
        "The server refused user name and password, or the private key.",
        "Enter user name and password or key again.",
        TryAgain.CHANGED,
    ),
    "password_expired": Advice(
        "The server says that the password has expired.",
        "Have the password changed on the server, then enter the new one.",
        TryAgain.CHANGED,
    ),
    "login_unsupported": Advice(
        "The server asks for a login that Leadbay cannot do.",
        "Ask the server's owner to allow this user a password or a private key alone.",
        TryAgain.CHANGED,
    ),
    "key_unreadable": Advice(
        "The private key cannot be read.",
        "Enter an Ed25519, ECDSA or RSA key in OpenSSH or PEM form, and its passphrase if it has one.",
        TryAgain.CHANGED,
    ),
    "too_many_sessions": Advice(
        "The server takes no further connection or session just now.",
        "Nothing to do unless it goes on; then ask the server's owner for a higher limit.",
        TryAgain.LATER,
    ),
    "secret_unreadable": Advice(
        "The stored password or key cannot be read any more.", "Enter password or key again.", TryAgain.CHANGED
    ),
    "sftp_unavailable": Advice(
        "The login works, but the server offers no SFTP.",
        "Ask the server's owner to allow SFTP.",
        TryAgain.LATER,
    ),
    "file_not_found": Advice("The file was not found.", "Check the File Path, letter case included.", TryAgain.LATER),
    "permission_denied": Advice(
        "The user may not read the file.", "Ask the server's owner for read permission.", TryAgain.LATER
    ),
    "is_a_directory": Advice(
        "The path is a folder.", "Enter the full path of one CSV file, its name included.", TryAgain.LATER
    ),
    "not_a_file": Advice("The path is a special file.", "Enter the full path of one CSV file.", TryAgain.LATER),
    "too_many_files": Advice(
        "The folder holds more files than Leadbay looks through.",
        "Move old exports to another folder.",
        TryAgain.LATER,
    ),
    "archive_damaged": Advice(
        "The compressed file is damaged or was cut off.", "Check the export; try to unpack the file.", TryAgain.LATER
    ),
    "archive_unsupported": Advice(
        "The compressed file is of a kind that Leadbay does not unpack.",
        "Send a CSV, a .gz, or a .zip that holds one CSV without a password.",
        TryAgain.LATER,
    ),
    "archive_too_large": Advice(
        "The compressed file holds more than allowed.",
        "Export fewer rows, or ask Leadbay for a higher limit.",
        TryAgain.LATER,
    ),
    "file_too_large": Advice(
        "The file is larger than allowed.",
        "Export fewer rows, or ask Leadbay for a higher limit.",
        TryAgain.LATER,
    ),
    "transfer_broken": Advice("The transfer broke off.", "Nothing to do: it is tried again.", TryAgain.LATER),
    "not_settled": Advice(
        "The file is still being written.", "Nothing to do: it is looked at again shortly.", TryAgain.SOON
    ),
    "timed_out": Advice("There was no answer in time.", "Try again in a few minutes.", TryAgain.LATER),
    "gave_up": Advice(
        "The work on this file was interrupted too often.",
        "Leadbay's operators have been told; a new version of the file is tried again.",
        TryAgain.LATER,
    ),
    "company_name_not_mapped": Advice(
        "No column of the file is mapped to the company name.",
        "Map one column of the file to the company name in the import mapping.",
        TryAgain.CHANGED,
    ),
    "not_text": Advice(
        "The file is no text, but for example an Excel workbook or an archive.",
        "Save or export it as CSV; another file name is not enough.",
        TryAgain.CHANGED,
    ),
    "encoding_unknown": Advice(
        "The encoding of the file cannot be told from its text.",
        "Set the encoding in the connector, or export the file in UTF-8.",
        TryAgain.CHANGED,
    ),
    "decode_failed": Advice(
        "The file is not written in the encoding that is set for it.",
        "Correct the encoding in the connector, or leave it to Leadbay to detect.",
        TryAgain.CHANGED,
    ),
    "empty_file": Advice("The file is empty.", "Check the export; a header row is needed.", TryAgain.CHANGED),
    "bad_header": Advice("The header row cannot be read.", "Export the file as CSV again.", TryAgain.CHANGED),
    "no_header": Advice(
        "No line of the file names its columns.",
        "Export the file with a header row, or map its columns by position as #1, #2 and so on.",
        TryAgain.CHANGED,
    ),
    "header_too_long": Advice(
        "The header row is too long.", "Check its quotes, and that it names the columns.", TryAgain.CHANGED
    ),
    "duplicate_column": Advice(
        "A mapped column stands twice in the header.", "Give the columns different names.", TryAgain.CHANGED
    ),
    "too_many_columns": Advice("The file has too many columns.", "Export fewer columns.", TryAgain.CHANGED),
    "too_many_rows": Advice(
        "The file has more rows than allowed.",
        "Export fewer rows, or ask Leadbay for a higher limit.",
        TryAgain.CHANGED,
    ),
    "mapping_needed": Advice(
        "The organisation has no import mapping yet.",
        "Save a mapping; the stored file is then imported by itself.",
        TryAgain.CHANGED,
    ),
    "too_large": Advice("A line of the file is too long.", "Check that the file is a CSV file.", TryAgain.CHANGED),
    "admin_only": Advice("Only admins may manage connectors.", "Ask an admin of your organisation.", TryAgain.CHANGED),
    "organisation_deleted": Advice("This organisation was deleted.", "Nothing to do.", TryAgain.CHANGED),
    "connector_not_found": Advice(
        "This organisation has no such connector.", "Reload the list of integrations.", TryAgain.CHANGED
    ),
    "invalid_fields": Advice("Some fields are not valid.", "Correct the fields named.", TryAgain.CHANGED),
    "sync_running": Advice(
        "A sync of this connector is running.", "Start the dry run when it has ended.", TryAgain.SOON
    ),
    "too_many_tests": Advice(
        "Too many connection tests of your organisation are still running.",
        "Wait for the answers to the tests that run.",
        TryAgain.SOON,
    ),
    "password_required": Advice(
        "A password or a private key is needed; after another host, port or user name, it is needed again.",
        "Enter password or private key.",
        TryAgain.CHANGED,
    ),
    "cancelled": Advice("The connector was changed or deleted meanwhile.", "Nothing to do.", TryAgain.CHANGED),
}


_UNKNOWN = Advice(
    "Something went wrong that this version of Leadbay cannot name.",
    "Nothing to do unless it goes on; then ask Leadbay.",
    TryAgain.LATER,
)


def advice(code: str) -> Advice:
    """The advice for `code`; a general one where another version of a service knows more codes than this one."""
    return CODES.get(code, _UNKNOWN)


class ConnectorError(Exception):
    """The root of this project's exceptions; none of them ever carries a secret or a cell of a file."""


class Unavailable(ConnectorError):
    """Something that we need is away just now; trying again will help."""


class DatabaseUnavailable(Unavailable):
    """PostgreSQL does not answer."""


class BusUnavailable(Unavailable):
    """RabbitMQ did not take the message: it may be down or blocked. Nothing was lost; try again."""


class BlobsUnavailable(Unavailable):
    """The blob store does not answer, or cannot write just now; the reason names no key and no secret."""


class BadMessage(ConnectorError):
    """A message cannot be understood, so trying again is pointless: it is parked for an operator."""


class BlobMissing(ConnectorError):
    """The blob store holds no such blob; the file must be fetched again."""


class BlobCorrupt(ConnectorError):
    """A blob's bytes do not have the checksum that names it; the file must be fetched again."""


class SecretUnreadable(ConnectorError):
    """A sealed password cannot be opened: unknown key, damaged, or sealed for another place."""


class Fenced(ConnectorError):
    """The run is no longer this worker's: nothing of its work was written."""


def describe(error: BaseException) -> str:
    """An exception for a log line: a library's own text is left out, because it may quote a row, a key or a DSN."""
    name = type(error).__name__
    if isinstance(error, ConnectorError):
        return f"{name}: {error}"
    state = getattr(error, "sqlstate", None)
    return f"{name} ({state})" if state else name
