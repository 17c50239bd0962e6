"""Reads the private key that an admin pasted into the form, and says what is wrong with it."""

import io

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
from services.fetcher.sftp.key_text import KeyText, Refused, parse

_LEAST_RSA_BITS = 1024  # what OpenSSH takes
# To check one of 8,192 takes 3 s in which no other thread runs, and eight times that with each doubling.
_MOST_RSA_BITS = 8192


def read_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """An Ed25519, ECDSA or RSA key in OpenSSH or PEM form; LookFailed (`key_unreadable`) says why not."""
    try:
        _refuse_other_kinds(text.strip())
        return _for_paramiko(_opened(parse(text), passphrase))
    except Refused as refused:
        why = str(refused)
    except UnsupportedAlgorithm:
        why = "it is of a kind that is not supported"
    except Exception:  # noqa: BLE001 - the text is a stranger's, and the libraries' messages may quote it
        why = "it is damaged or of another form"
    raise LookFailed("login", "key_unreadable", f"The private key cannot be read: {why}.")


def _refuse_other_kinds(text: str) -> None:
    """Name what is often pasted by mistake."""
    if text.startswith("PuTTY-User-Key-File"):
        raise Refused("it is in PuTTY's form; export it in OpenSSH form")
    if text.startswith(("ssh-", "ecdsa-", "---- BEGIN SSH2 PUBLIC", "-----BEGIN PUBLIC")):
        raise Refused("it is the public key")
    if "-----BEGIN DSA PRIVATE KEY-----" in text:
        raise Refused("it is a DSA key")


def _opened(key: KeyText, passphrase: str | None) -> object:
    load = load_ssh_private_key if key.label.startswith("OPENSSH") else load_pem_private_key
    if key.encrypted and not passphrase:
        raise Refused("it needs its passphrase")
    secret = passphrase.encode() if key.encrypted and passphrase else None
    try:
        # How long an RSA key takes to check depends on its numbers, so they are looked at before.
        return load(key.pem, secret, unsafe_skip_rsa_key_validation=True)
    except ValueError:
        raise Refused("the passphrase is not the key's" if key.encrypted else "it is damaged") from None


def _for_paramiko(key: object) -> paramiko.PKey:
    match key:
        case ed25519.Ed25519PrivateKey():
            plain = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
            return paramiko.Ed25519Key.from_private_key(io.StringIO(plain))
        case ec.EllipticCurvePrivateKey():
            return paramiko.ECDSAKey(vals=(key, key.public_key()))
        case rsa.RSAPrivateKey():
            return paramiko.RSAKey(key=_checked(key))
    raise Refused("it is neither Ed25519 nor ECDSA nor RSA")


def _checked(key: rsa.RSAPrivateKey) -> rsa.RSAPrivateKey:
    """The same key, whose numbers are primes and fit together."""
    if not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
        raise Refused(f"it is an RSA key of {key.key_size} bits")
    numbers = key.private_numbers()
    if max(numbers.p, numbers.q).bit_length() > _MOST_RSA_BITS // 2:
        raise Refused("its primes are of very different sizes")
    return numbers.private_key()
