"""Finds secrets in texts, in every form in which they may have got there."""

import base64
import json
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping


def forms(secret: str) -> list[str]:
    """As it is, as Python and JSON write it, once more as JSON, as part of a URL, and in base64 at any place."""
    plain = secret.encode()
    quoted = [urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret)]
    texts = [secret, repr(secret)[1:-1], json.dumps(secret)[1:-1], *quoted]
    # A log line or a message holds any of them as JSON once more.
    spellings = [*texts, *(json.dumps(text)[1:-1] for text in texts)]
    # Within other bytes the base64 of a text depends on where it begins.
    inner = [base64.b64encode(b" " * shift + plain)[4:-4].decode() for shift in range(3)]
    url_safe = [text.replace("+", "-").replace("/", "_") for text in inner]
    return [*spellings, *inner, *url_safe]


def leaks(places: Mapping[str, str], secrets: Mapping[str, str]) -> Iterator[str]:
    """Each secret that stands in one of the texts, by the names of both."""
    for name, secret in secrets.items():
        spelled: Iterable[str] = forms(secret)
        for place, content in places.items():
            if any(form in content for form in spelled):
                yield f"{place}: {name}"
