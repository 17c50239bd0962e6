"""Reads the private key that an admin pasted into the form, and says what is wrong with it."""

import base64
import binascii
import io
import re

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)

from services.fetcher.sftp.failure import LookFailed

_LEAST_RSA_BITS = 1024  # what OpenSSH takes
_MOST_ROUNDS = 1000  # of the passphrase's hash: ssh-keygen makes 24, each costs some milliseconds
_MOST_ITERATIONS = 10_000_000  # the same for PKCS #8: a second or so
_OPENSSH_BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"
_OPENSSH_BODY = re.compile(rf"{_OPENSSH_BEGIN}\n([A-Za-z0-9+/=\n]+?)-----END")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")  # its object identifier, as DER writes it
_SCRYPT = bytes.fromhex("06092b06010401da47040b")


def read_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """An Ed25519, ECDSA or RSA key in OpenSSH or PEM form; LookFailed (`key_unreadable`) says why not."""
    lines = "\n".join(line.strip() for line in text.strip().splitlines()) + "\n"
    _refuse_other_kinds(lines)
    try:
        return _for_paramiko(_decrypted(lines, passphrase))
    except LookFailed:
        raise
    except UnsupportedAlgorithm:
        raise _unreadable("it is of a kind that is not supported") from None
    except Exception:  # noqa: BLE001 - the text is a stranger's, and the libraries' messages may quote it
        raise _unreadable("it is damaged or of another form") from None


def _refuse_other_kinds(text: str) -> None:
    """Name what is often pasted by mistake."""
    if text.startswith("PuTTY-User-Key-File"):
        raise _unreadable("it is in PuTTY's form; export it in OpenSSH form")
    if text.startswith(("ssh-", "ecdsa-", "---- BEGIN SSH2 PUBLIC", "-----BEGIN PUBLIC")):
        raise _unreadable("it is the public key")
    if "-----BEGIN DSA PRIVATE KEY-----" in text:
        raise _unreadable("it is a DSA key")


def _decrypted(text: str, passphrase: str | None) -> object:
    data = text.encode()
    if _costly(text):
        raise _unreadable("its passphrase would take too long to check")
    load = load_ssh_private_key if text.startswith(_OPENSSH_BEGIN) else load_pem_private_key
    try:
        return load(data, None)
    except TypeError:  # what the library says to an encrypted key without a passphrase
        pass
    if passphrase is None:
        raise _unreadable("it needs its passphrase")
    try:
        return load(data, passphrase.encode())
    except ValueError:
        raise _unreadable("the passphrase is not the key's") from None


def _costly(text: str) -> bool:
    """Whether opening it would take a fetcher's time; neither library limits the work that a key asks for."""
    found = _OPENSSH_BODY.search(text)
    return _bcrypt_rounds(found.group(1)) > _MOST_ROUNDS if found else _pkcs8_cost(text) > _MOST_ITERATIONS


def _bcrypt_rounds(body: str) -> int:
    message = paramiko.Message(base64.b64decode(body))
    message.get_bytes(len(b"openssh-key-v1\0"))
    message.get_binary()  # cipher
    is_bcrypt = message.get_binary() == b"bcrypt"
    options = paramiko.Message(message.get_binary())
    options.get_binary()  # salt
    return options.get_int() if is_bcrypt else 0


def _pkcs8_cost(text: str) -> int:
    """The iterations that stand behind the hash's name and salt: a sequence, an octet string, an integer."""
    try:
        der = base64.b64decode("".join(line for line in text.splitlines() if ":" not in line and "-----" not in line))
    except binascii.Error:
        return 0
    if _SCRYPT in der:
        return _MOST_ITERATIONS + 1  # OpenSSL writes it only when told to
    at = der.find(_PBKDF2)
    if at < 0:
        return 0
    salt = at + len(_PBKDF2) + 2
    number = salt + 2 + der[salt + 1]
    return int.from_bytes(der[number + 2 : number + 2 + der[number + 1]], "big")


def _for_paramiko(key: object) -> paramiko.PKey:
    match key:
        case ed25519.Ed25519PrivateKey():
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            return paramiko.Ed25519Key.from_private_key(io.StringIO(plain))
        case ec.EllipticCurvePrivateKey():
            return paramiko.ECDSAKey(vals=(key, key.public_key()))
        case rsa.RSAPrivateKey():
            if key.key_size < _LEAST_RSA_BITS:
                raise _unreadable(f"it is an RSA key of {key.key_size} bits")
            return paramiko.RSAKey(key=key)
    raise _unreadable("it is neither Ed25519 nor ECDSA nor RSA")


def _unreadable(why: str) -> LookFailed:
    return LookFailed("login", "key_unreadable", f"The private key cannot be read: {why}.")
