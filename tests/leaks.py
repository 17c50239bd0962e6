"""Finds secrets in texts, in every form in which they may have got there."""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping

_LONG = 20  # from here on half of a secret is a word like no other


def forms(secret: str) -> list[str]:
    """As it is, quoted in any way and twice, cut off in the middle, as part of a URL, and in base64 at any place."""
    plain = secret.encode()
    # A validation error tells no more than the beginning of a long text.
    parts = [secret, secret[: len(secret) // 2]] if len(secret) >= _LONG else [secret]
    # Within other bytes the base64 of a text depends on where it begins.
    inner = [base64.b64encode(b" " * shift + plain)[4:-4].decode() for shift in range(3)]
    url_safe = [text.replace("+", "-").replace("/", "_") for text in inner]
    return list(dict.fromkeys([*(spelled for part in parts for spelled in _spellings(part)), *inner, *url_safe]))


def _spellings(text: str) -> list[str]:
    bare = [text, urllib.parse.quote(text, safe=""), urllib.parse.quote_plus(text)]
    quoted = [repr(text)[1:-1], json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]]
    # A log line or a message holds any of them as JSON or repr once more.
    again = [form for once in quoted for form in (json.dumps(once)[1:-1], repr(once)[1:-1])]
    return [*bare, *quoted, *again]


def leaks(places: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[str]:
    """Each secret that stands in one of the texts, by the names of both."""
    for name, secret in secrets.items():
        spelled: Iterable[str] = forms(secret)
        for place, content in places.items():
            if any(form in content for form in spelled):
                yield f"{place}: {name}"
