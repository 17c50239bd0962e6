"""The fields of the admin's forms, validated alike wherever they come in."""

import codecs
import ipaddress
import re
from typing import Annotated

from pydantic import AfterValidator, Field

from shared import file_path

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Text encodings of Python's own: nobody exports a file in one, and some of them take quadratic time to read.
_NO_FILE_ENCODINGS = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise ValueError("must not contain control characters")
    return text


def _host(text: str) -> str:
    """A host name or address as the resolver takes it: lower case, international names in ASCII (IDNA)."""
    text = text.strip()
    if not text:
        raise ValueError("must not be empty")
    if not text.isprintable():
        # IDNA would drop a soft hyphen or a zero-width space: another host than the one that the admin sees.
        raise ValueError("must not contain control or invisible characters")
    if ":" in text:
        return _ipv6(text)
    try:
        name = text.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError("is not a host name") from None
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise ValueError("is not a host name, for example sftp.yourcompany.com")
    return name


def _ipv6(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text.strip("[]").partition("%")[0]))
    except ValueError:
        raise ValueError("is not a host name; write the port into the Port field") from None


def _path(text: str) -> str:
    file_path.check(text)
    return text


def _done_marker(text: str) -> str:
    if text.endswith("/") or ("/" in text and not text.startswith("/")):
        raise ValueError("must be a full path that begins with /, or an ending such as .done")
    return text


def _encoding(text: str) -> str:
    """The name of a text encoding that Python knows, in lower case."""
    try:
        "a".encode(text)  # a LookupError for codecs of bytes, such as zlib, too
        known = text.isascii() and codecs.lookup(text).name not in _NO_FILE_ENCODINGS
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError("is not a known encoding, for example utf-8, cp1252 or utf-16")
    return text.lower()


def _delimiter(text: str) -> str:
    if any(char in "\r\n\0\"'" for char in text):
        raise ValueError("must not contain a line end, a NUL or a quote")
    return text


def _url_template(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    if "{value}" not in text:
        raise ValueError("must contain {value}, where the id of a lead is put")
    return text


Text = Annotated[str, Field(max_length=1000)]
ConnectorName = Annotated[str, Field(max_length=100), AfterValidator(_printable)]
Host = Annotated[str, Field(max_length=253), AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65535)]
Username = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
FilePath = Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_printable), AfterValidator(_path)]
DoneMarker = Annotated[str, Field(max_length=1024), AfterValidator(_printable), AfterValidator(_done_marker)]
Encoding = Annotated[str, Field(min_length=1, max_length=40), AfterValidator(_printable), AfterValidator(_encoding)]
Delimiter = Annotated[str, Field(min_length=1, max_length=4), AfterValidator(_delimiter)]
FieldId = Annotated[str, Field(pattern=r"^[0-9]{1,19}$")]
FieldName = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
FieldFormat = Annotated[str, Field(max_length=60), AfterValidator(_printable)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
UrlTemplate = Annotated[str, Field(max_length=2000), AfterValidator(_printable), AfterValidator(_url_template)]
