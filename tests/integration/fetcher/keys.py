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


def openssh_of(rounds: int) -> str:
    """An encrypted key in OpenSSH form that says to have taken so many rounds of bcrypt."""
    body = base64.b64decode("".join(private_key("ed25519", "openssh", "right").splitlines()[1:-1]))
    at = body.index(b"bcrypt") + len(b"bcrypt") + 4 + 4 + 16  # behind the lengths and the salt
    return pem("OPENSSH PRIVATE KEY", body[:at] + rounds.to_bytes(4, "big") + body[at + 4 :])


def pbes2(iterations: int, salt: bytes = bytes(8)) -> str:
    """PKCS #8 of no key, with PBKDF2 and AES-256-CBC (RFC 8018, appendix A.4)."""
    hashing = der(0x30, der(0x04, salt) + integer(iterations))
    hashed = der(0x30, bytes.fromhex("06092a864886f70d01050c") + hashing)
    cipher = der(0x30, bytes.fromhex("060960864801650304012a") + der(0x04, bytes(16)))
    scheme = der(0x30, bytes.fromhex("06092a864886f70d01050d") + der(0x30, hashed + cipher))
    return pem("ENCRYPTED PRIVATE KEY", der(0x30, scheme + der(0x04, bytes(32))))


def integer(number: int) -> bytes:
    """A positive number in DER."""
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def der(tag: int, body: bytes) -> bytes:
    """A value of less than 65,536 bytes."""
    size = len(body)
    long = b"\x82" + size.to_bytes(2, "big") if size > 255 else b"\x81" + bytes([size])
    return bytes([tag]) + (bytes([size]) if size < 128 else long) + body


def pem(label: str, body: bytes) -> str:
    """The body as base64 between its lines."""
    return f"-----BEGIN {label}-----\n{base64.encodebytes(body).decode()}-----END {label}-----\n"


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
