"""Takes the text of a private key apart, strictly, and tells what it costs to open before anything is computed.

The libraries skip what they do not know and do as much work as a key asks for, so they are given only what was
understood here, written anew.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

from services.fetcher.sftp.messages import Fields, ProtocolError

MOST_ROUNDS = 100  # of bcrypt: about 0.7 s; ssh-keygen makes 16 to 24
MOST_ITERATIONS = 1_000_000  # of PBKDF2: 0.2 to 0.5 s in which no other thread runs; openssl makes 2,048
_MOST_BYTES = 6_000  # an RSA key of 8,192 bits takes 4,700, and there may be a comment
_BLOCK = re.compile(
    r"-----BEGIN (?P<label>(?:OPENSSH |ENCRYPTED |RSA |EC )?PRIVATE KEY)-----\n"
    r"(?P<headers>Proc-Type: ?4,ENCRYPTED\nDEK-Info: ?"
    # Too short an initial value makes the library that decrypts panic, which is no Exception.
    r"(?:AES-[A-Z0-9-]+,[0-9A-Fa-f]{32}|(?!AES-)[A-Z0-9-]+,[0-9A-Fa-f]{16})\n\n)?"
    r"(?P<body>[A-Za-z0-9+/=\n]+)\n"
    r"-----END (?P=label)-----"
)
_OPENSSH_MAGIC = b"openssh-key-v1\0"
_PBES2 = bytes.fromhex("2a864886f70d01050d")
_PBKDF2 = bytes.fromhex("2a864886f70d01050c")
_SEQUENCE, _INTEGER, _OCTETS, _NAME = 0x30, 0x02, 0x04, 0x06


class Refused(Exception):
    """Why the text is not opened, in words for the admin."""


@dataclass(frozen=True, slots=True)
class KeyText:
    """One private key that is cheap to open."""

    label: str
    pem: bytes = field(repr=False)
    encrypted: bool


def parse(text: str) -> KeyText:
    """The one key that the text holds, with nothing but blank around it; Refused when it is no key or too costly."""
    found = _BLOCK.fullmatch("\n".join(line.strip() for line in text.strip().splitlines()))
    if found is None:
        raise Refused("it is damaged or of another form, or not the only thing in the field")
    label, headers = found["label"], found["headers"] or ""
    data = _decoded(found["body"])
    if len(data) > _MOST_BYTES:
        raise Refused("it is too large; an RSA key may have 8,192 bits")
    pem = f"-----BEGIN {label}-----\n{headers}{base64.encodebytes(data).decode()}-----END {label}-----\n"
    return KeyText(label, pem.encode(), _measured(label, data) or bool(headers))


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode(body.replace("\n", ""), validate=True)
    except binascii.Error:
        raise Refused("it is damaged") from None


def _measured(label: str, data: bytes) -> bool:
    """Whether the key is encrypted, apart from headers, whose hash is a single MD5; Refused when it costs too much."""
    try:
        if label == "OPENSSH PRIVATE KEY":
            return _openssh(data)
        if label == "ENCRYPTED PRIVATE KEY":
            _pkcs8(data)
            return True
    except ProtocolError:
        raise Refused("it is damaged") from None
    return False


def _openssh(data: bytes) -> bool:
    """OpenSSH's PROTOCOL.key: cipher, the passphrase's hash and its options, which are a salt and the rounds."""
    fields = Fields(data)
    if fields.take(len(_OPENSSH_MAGIC)) != _OPENSSH_MAGIC:
        raise Refused("it is damaged")
    cipher, hashing, options = fields.string(), fields.string(), Fields(fields.string())
    if cipher == hashing == b"none":
        return False
    if hashing != b"bcrypt":
        raise _other_encryption()
    options.string()
    _limit(options.uint32(), MOST_ROUNDS)
    return True


def _pkcs8(data: bytes) -> None:
    """RFC 5958 and RFC 8018: PBES2 with PBKDF2, whose parameters are a salt and the iterations."""
    scheme = _parameters(Fields(_value(Fields(data), _SEQUENCE)), _PBES2)
    hashing = _parameters(scheme, _PBKDF2)
    _value(hashing, _OCTETS)
    _limit(int.from_bytes(_value(hashing, _INTEGER), "big", signed=True), MOST_ITERATIONS)


def _parameters(fields: Fields, name: bytes) -> Fields:
    """Those of an algorithm, which must be of this name."""
    algorithm = Fields(_value(fields, _SEQUENCE))
    if _value(algorithm, _NAME) != name:
        raise _other_encryption()
    return Fields(_value(algorithm, _SEQUENCE))


def _value(fields: Fields, tag: int) -> bytes:
    """What the next value of DER holds, which must have this tag."""
    if fields.take(1)[0] != tag:
        raise ProtocolError("another tag")
    length = fields.take(1)[0]
    if length == 0x80:  # its end is marked instead, which DER does not allow
        raise ProtocolError("no length")
    return fields.take(length if length < 0x80 else int.from_bytes(fields.take(length - 0x80), "big"))


def _limit(cost: int, most: int) -> None:
    if not 0 < cost <= most:
        raise Refused("its passphrase would take too long to check")


def _other_encryption() -> Refused:
    return Refused("its encryption is not supported; encrypt it with ssh-keygen")
