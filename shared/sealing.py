"""Passwords travel and rest sealed to the fetcher's public key, bound to the one place where they may be used."""

import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from shared.errors import SecretUnreadable


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret may be used: a sealed secret copied to any other place does not open there."""

    org_id: UUID
    subject_id: UUID  # the connector, or the test of a connector that does not exist yet
    host: str
    port: int
    username: str

    def label(self) -> list[str]:
        """The place as it is sealed together with the secret."""
        return [str(self.org_id), str(self.subject_id), self.host, str(self.port), self.username]


def key_id(public: PublicKey) -> str:
    """The short name of a key, which stands in front of what is sealed to it."""
    return hashlib.sha256(bytes(public)).hexdigest()[:8]


def public_key(text: str) -> PublicKey:
    """A public key from its base64 text; ValueError when it is none."""
    return PublicKey(_decode_key(text))


def private_key(text: str) -> PrivateKey:
    """A private key from its base64 text; ValueError when it is none."""
    return PrivateKey(_decode_key(text))


def _decode_key(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("a key is 32 bytes in base64") from None
    if len(raw) != 32:
        raise ValueError("a key is 32 bytes in base64")
    return raw


def seal(secret: str, place: Place, key: PublicKey) -> str:
    """`<key id>.<base64 of a libsodium sealed box>` over the secret and the place."""
    plain = json.dumps({"place": place.label(), "secret": secret}).encode()
    return f"{key_id(key)}.{base64.b64encode(SealedBox(key).encrypt(plain)).decode()}"


def pack_key(private_key: str, passphrase: str | None) -> str:
    """A private key and its passphrase as the one secret that is sealed."""
    return json.dumps({"private_key": private_key, "passphrase": passphrase})


def unpack_key(secret: str) -> tuple[str, str | None]:
    """What `pack_key` packed; SecretUnreadable when it did not."""
    try:
        content = json.loads(secret)
        return str(content["private_key"]), content["passphrase"]
    except (ValueError, LookupError, TypeError):
        raise SecretUnreadable("damaged") from None


class Opener:
    """Opens what was sealed to any of the given private keys; several of them allow rotation."""

    def __init__(self, keys: Iterable[PrivateKey]) -> None:
        self._keys = {key_id(key.public_key): key for key in keys}

    def open(self, sealed: str, place: Place) -> str:
        """The secret; SecretUnreadable when the key is unknown, the text damaged or the place another one."""
        name, _, box = sealed.partition(".")
        if name not in self._keys:
            raise SecretUnreadable("sealed to a key that is not configured here")
        try:
            content = json.loads(SealedBox(self._keys[name]).decrypt(base64.b64decode(box, validate=True)))
            sealed_for, secret = content["place"], str(content["secret"])
        except (CryptoError, ValueError, LookupError, TypeError):
            # Who has the public key can seal anything to it, also what is no secret of ours.
            raise SecretUnreadable("damaged") from None
        if sealed_for != place.label():
            raise SecretUnreadable("sealed for another place")
        return secret


def main() -> None:
    """Print a new pair of keys as settings: the first line is secret and for fetchers alone."""
    key = PrivateKey.generate()
    private, public = (base64.b64encode(bytes(half)).decode() for half in (key, key.public_key))
    sys.stdout.write(f"SFTP_CONNECTOR_SEAL_PRIVATE_KEYS='[\"{private}\"]'\nSFTP_CONNECTOR_SEAL_PUBLIC_KEY={public}\n")


if __name__ == "__main__":
    main()
