"""Private keys of every kind and form that an admin may paste, made for the tests."""

import base64
import functools
import hashlib
import warnings
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

Form = Literal["openssh", "pem", "pkcs8"]
_FORMS = {"openssh": PrivateFormat.OpenSSH, "pem": PrivateFormat.TraditionalOpenSSL, "pkcs8": PrivateFormat.PKCS8}


def private_key(kind: str, form: Form = "openssh", passphrase: str | None = None) -> str:
    """The key of this kind, always the same one, as text."""
    return _made(kind).private_bytes(Encoding.PEM, _FORMS[form], _encryption(passphrase)).decode()


def public_key(kind: str) -> str:
    """The line that a server keeps of the key."""
    return _made(kind).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def let_in(authorized: Path, *kinds: str) -> list[str]:
    """Lines of an OpenSSH server's configuration that let these keys in, and no password; the file is written."""
    authorized.write_text("".join(f"{public_key(kind)}\n" for kind in kinds))
    return [
        "PubkeyAuthentication yes",
        "PasswordAuthentication no",
        "AuthorizedKeysFile none",
        f"AuthorizedKeysCommand /bin/cat {authorized}",
        "AuthorizedKeysCommandUser root",
    ]


def fingerprint(kind: str) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(base64.b64decode(public_key(kind).split(" ")[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _encryption(passphrase: str | None) -> KeySerializationEncryption:
    return NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase.encode())


@functools.cache
def _made(
    kind: str,
) -> (
    ed25519.Ed25519PrivateKey
    | ec.EllipticCurvePrivateKey
    | rsa.RSAPrivateKey
    | dsa.DSAPrivateKey
    | ed448.Ed448PrivateKey
):
    curves = {"ecdsa-256": ec.SECP256R1(), "ecdsa-384": ec.SECP384R1(), "ecdsa-521": ec.SECP521R1()}
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    if kind.startswith("rsa-"):
        return rsa.generate_private_key(65_537, int(kind.removeprefix("rsa-")))
    if kind == "dsa":
        with warnings.catch_warnings(action="ignore"):
            return dsa.generate_private_key(1024)
    return ed448.Ed448PrivateKey.generate() if kind == "ed448" else ed25519.Ed25519PrivateKey.generate()
