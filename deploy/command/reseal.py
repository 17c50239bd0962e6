"""`reseal`: seals every login anew, after the key was changed, while everything runs.

Logins that cannot be opened stay as they are and are named, without anything of their content.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID

import typer
from nacl.public import PublicKey

from deploy.command.output import Json, Problem, dump, say
from deploy.command.progress import progress
from deploy.command.settings import ResealSettings
from shared.database import Db, Row, connect, see, see_all
from shared.errors import SecretUnreadable
from shared.sealing import Opener, Place, key_id, private_key, public_key, seal
from shared.settings import load

_PAGE = 500
_COUNT = "select count(*) as connectors from connectors where state <> 'deleted'"
_LOGINS = """
    select id, org_id, host, port, username, sealed_password, sealed_key from connectors
    where state <> 'deleted' and id > %(after)s order by id limit %(page)s
"""
# An admin who enters another login meanwhile wins: that one is sealed to the new key already.
_REPLACE = {
    "sealed_password": """
        update connectors set sealed_password = %(new)s where id = %(id)s and sealed_password = %(old)s
    """,
    "sealed_key": "update connectors set sealed_key = %(new)s where id = %(id)s and sealed_key = %(old)s",
}


@dataclass(slots=True)
class Resealed:
    """What became of the logins."""

    done: int = 0
    as_they_are: int = 0  # sealed to the key already
    unreadable: list[tuple[UUID, str]] = field(default_factory=list)  # connectors, and why


def reseal(db: Db, opener: Opener, key: PublicKey, advance: Callable[[], None] = lambda: None) -> Resealed:
    """Open every login and seal it to the key; each is written by itself, so that a break loses nothing.

    `advance` is called after each connector.
    """
    found = Resealed()
    for row in _logins(db):
        for column in (name for name in _REPLACE if row[name]):
            try:
                new = _sealed_anew(opener, key, row, row[column])
            except SecretUnreadable as error:
                found.unreadable.append((row["id"], str(error)))
                continue
            found.as_they_are += new is None
            found.done += 0 if new is None else _replace(db, row, column, new)
        advance()
    return found


def _sealed_anew(opener: Opener, key: PublicKey, row: Row, old: str) -> str | None:
    """The login sealed to the key; None where it is already."""
    place = Place(row["org_id"], row["id"], row["host"], row["port"], row["username"])
    secret = opener.open(old, place)
    return None if old.startswith(f"{key_id(key)}.") else seal(secret, place, key)


def _replace(db: Db, row: Row, column: str, new: str) -> int:
    with db.transaction():
        see(db, row["org_id"])
        return db.execute(_REPLACE[column], {"id": row["id"], "old": row[column], "new": new}).rowcount


def _logins(db: Db) -> Iterator[Row]:
    after = UUID(int=0)
    while page := _page(db, after):
        yield from page
        after = page[-1]["id"]


def _page(db: Db, after: UUID) -> list[Row]:
    with db.transaction():
        see_all(db)
        return db.execute(_LOGINS, {"after": after, "page": _PAGE}).fetchall()


def _count(db: Db) -> int:
    with db.transaction():
        see_all(db)
        row = db.execute(_COUNT).fetchone()
    return int(row["connectors"]) if row else 0


def command(as_json: Json = False) -> None:
    """Seal every login anew to the new public key. It may be broken off and run again."""
    settings = load(ResealSettings)
    keys = [private_key(text.get_secret_value()) for text in settings.seal_private_keys]
    if public_key(settings.seal_public_key) not in [key.public_key for key in keys]:
        raise Problem(
            "The private key of SFTP_CONNECTOR_SEAL_PUBLIC_KEY is not among SFTP_CONNECTOR_SEAL_PRIVATE_KEYS:"
            " nobody could open what is sealed to it. Set the new private key beside the old one."
        )
    opener = Opener(keys)
    with (
        connect(settings.database_url.get_secret_value(), name="reseal") as db,
        progress("Sealing", _count(db), quiet=as_json) as advance,
    ):
        found = reseal(db, opener, public_key(settings.seal_public_key), advance)
    if as_json:
        unreadable = [{"connector_id": connector_id, "reason": reason} for connector_id, reason in found.unreadable]
        dump({"sealed_anew": found.done, "as_they_are": found.as_they_are, "not_opened": unreadable})
    else:
        say(f"sealed anew: {found.done}, sealed to this key already: {found.as_they_are}")
        for connector_id, reason in found.unreadable:
            say(f"not opened: connector {connector_id}: {reason}; its admin has to enter the login again")
    if found.unreadable:
        raise typer.Exit(1)
