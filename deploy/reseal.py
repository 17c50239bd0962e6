"""Seals every login anew, after the key was changed: `python -m deploy.reseal`, while everything runs.

It reads the database's URL, the new public key and all private keys from the environment, as the services do. Logins
that cannot be opened stay as they are and are named, without anything of their content.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from nacl.public import PublicKey

from shared.database import Db, Row, connect, see, see_all
from shared.errors import SecretUnreadable
from shared.sealing import Opener, Place, key_id, private_key, public_key, seal
from shared.settings import DatabaseSettings, OpenSettings, SealSettings, load

_PAGE = 500
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


class Settings(DatabaseSettings, SealSettings, OpenSettings):
    """Read from the environment once, at start."""


@dataclass(slots=True)
class Resealed:
    """What became of the logins."""

    done: int = 0
    as_they_are: int = 0  # sealed to the key already
    unreadable: list[tuple[UUID, str]] = field(default_factory=list)  # connectors, and why


def reseal(db: Db, opener: Opener, key: PublicKey) -> Resealed:
    """Open every login and seal it to the key; each is written by itself, so that a break loses nothing."""
    found = Resealed()
    for row in _logins(db):
        place = Place(row["org_id"], row["id"], row["host"], row["port"], row["username"])
        for column in (name for name in _REPLACE if row[name]):
            old = row[column]
            try:
                secret = opener.open(old, place)
            except SecretUnreadable as error:
                found.unreadable.append((row["id"], str(error)))
                continue
            if old.startswith(f"{key_id(key)}."):
                found.as_they_are += 1
                continue
            values = {"id": row["id"], "old": old, "new": seal(secret, place, key)}
            with db.transaction():
                see(db, row["org_id"])
                found.done += db.execute(_REPLACE[column], values).rowcount
    return found


def _logins(db: Db) -> Iterator[Row]:
    after = UUID(int=0)
    while page := _page(db, after):
        yield from page
        after = page[-1]["id"]


def _page(db: Db, after: UUID) -> list[Row]:
    with db.transaction():
        see_all(db)
        return db.execute(_LOGINS, {"after": after, "page": _PAGE}).fetchall()


def main() -> None:
    """Seal anew, say what was done, and end with 1 where a login could not be opened."""
    settings = load(Settings)
    opener = Opener([private_key(text.get_secret_value()) for text in settings.seal_private_keys])
    with connect(settings.database_url.get_secret_value(), name="reseal") as db:
        found = reseal(db, opener, public_key(settings.seal_public_key))
    sys.stdout.write(f"sealed anew: {found.done}, sealed to this key already: {found.as_they_are}\n")
    for connector_id, reason in found.unreadable:
        sys.stdout.write(f"not opened: connector {connector_id}: {reason}; its admin has to enter the login again\n")
    sys.exit(1 if found.unreadable else 0)


if __name__ == "__main__":
    main()
