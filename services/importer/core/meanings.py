"""Reads headers and status texts by the vocabulary; case, accents, plurals and word breaks do not matter."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from services.importer.core.vocabulary import (
    ALONE,
    DOUBTS,
    MEANINGS,
    NEGATIONS,
    PLACES,
    QUALIFIERS,
    STATUSES,
    SUBJECTS,
    THINGS,
)
from shared.mapping import unaccented

_MAX_CHARS = 200  # of a header or a status
_MAX_WORDS = 12  # of a header
_MAX_PHRASE = 6  # words

# Of phrases equally long, these give way to all others, the last of them first.
_LAST = ("size", "company", "customer", "full name", "other")
_DEAL_NAMES = frozenset((("deal name", ""), ("deal name", "deal"), ("name", "deal"), ("title", "deal")))
_RANKS = ("LOST", "UNWANTED", "WON", "INBOUND", "WANTED", "DEFAULT")  # the first that is found counts
_ENDS = frozenset(("WON", "LOST", "UNWANTED"))
_CAMEL = re.compile(r"(?<=[^\W_A-Z\u00c0-\u00de])(?=[A-Z\u00c0-\u00de])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_PAIRS = {
    ("e", "mail"): "email",
    ("linked", "in"): "linkedin",
    ("web", "site"): "website",
    ("site", "web"): "website",
    ("sito", "web"): "website",
    ("sitio", "web"): "website",
    ("parent", "record"): "record",
    ("post", "code"): "postcode",
    ("hub", "spot"): "hubspot",
    ("life", "cycle"): "lifecycle",
}
_LITTLE = """
a al an and at au aux by d das de del della den der des di die du e el en et for fur il in l la las le les lo los of
on ou par per por pour s sur the to un una und une von y your
"""
_STOPWORDS = frozenset(_LITTLE.split())


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a header says: a target, or a name in lower case for what other columns decide; None for no field."""

    target: str | None
    weight: int = 0
    whole: bool = True  # every word of the header was understood
    deal_name: bool = False  # it names deals, so that each row is one


def meaning(header: str) -> Meaning | None:
    """Read a header in English, French or another language of the vocabulary; None when no word of it is known."""
    words = _header_words(header)[:_MAX_WORDS]
    found = _spans(words)
    whole = [span for span in found if all(word in _droppable() for word in _outside(words, span))]
    if whole:
        return _meant(words, max(whole, key=lambda span: _rank(span, found[span])), found, True)
    if "other" in found.values():
        return Meaning(None)
    edges = [span for span in found if span[0] == 0 or span[1] == len(words)]
    return _meant(words, max(edges, key=lambda span: _rank(span, found[span])), found, False) if edges else None


def status_meaning(raw: str) -> tuple[str, int] | None:
    """Read a status text: its lead status, and 100 if the whole text is known, less for known words inside it."""
    words = fold(raw)
    if known := _statuses().get("".join(words)):
        return known, 100
    found, rest = _phrases(words)
    if rest & _folded(NEGATIONS) or {"WON", "LOST"} <= found.keys():
        return None
    if rest & _folded(DOUBTS):
        found = {status: count for status, count in found.items() if status not in _ENDS}
    if not found:
        return None
    status = min(found, key=_RANKS.index)
    return status, 60 + 30 * found[status] // len(words)


def fold(status: str) -> tuple[str, ...]:
    """Split a status text into words: no case, accents, punctuation, emoji, numbers, plurals and no "(e)" of French."""
    plain = unaccented(status[:_MAX_CHARS].replace("\u2019", "'")).replace("n't", " not")
    return tuple(_singular(word) for word in _LETTERS.findall(plain) if word not in ("e", "s", "es"))


def _phrases(words: tuple[str, ...]) -> tuple[dict[str, int], set[str]]:
    """Find known phrases among the words, longest first: their words by status, and the words of none."""
    found: dict[str, int] = {}
    left: list[str | None] = list(words)
    for size in range(min(_MAX_PHRASE, len(words)), 0, -1):
        for start in range(len(words) - size + 1):
            phrase = "".join(word or " " for word in left[start : start + size])
            if (status := _statuses().get(phrase)) and phrase not in _folded(ALONE):
                found[status] = found.get(status, 0) + size
                left[start : start + size] = [None] * size
    return found, {word for word in left if word}


@cache
def _statuses() -> dict[str, str]:
    """Give each known status text, its words written as one, its lead status."""
    return {"".join(fold(phrase)): status for status, phrases in STATUSES.items() for phrase in listed(phrases)}


@cache
def _folded(phrases: str) -> frozenset[str]:
    """Fold each phrase and write its words as one."""
    return frozenset("".join(fold(phrase)) for phrase in listed(phrases))


def listed(phrases: str) -> Iterable[str]:
    """Split phrases at their commas."""
    return (" ".join(phrase.split()) for phrase in phrases.split(",") if phrase.strip())


def _header_words(header: str) -> tuple[str, ...]:
    """Fold a header into words: camelCase split, no case, accents, punctuation, plurals and little words."""
    plain = unaccented(_CAMEL.sub(" ", header[:_MAX_CHARS]))
    words: list[str] = []
    for word in map(_singular, _WORD.findall(plain)):
        joined = _PAIRS.get((words[-1], word)) if words else None
        if joined:
            words[-1] = joined
        else:
            words.append(word)
    return tuple(word for word in words if word not in _STOPWORDS) or tuple(words)


def _singular(word: str) -> str:
    """Take the plural off, so that "companies" and "company" are one, and "salaries" is the French "salarie"."""
    if len(word) <= 3:
        return "id" if word == "ids" else word
    if word[-1] == "s" and word[-2] != "s":
        word = word[:-1]
    return word[:-1] + "ie" if word[-1] == "y" and len(word) > 3 else word


@cache
def _things() -> dict[tuple[str, ...], str]:
    found: dict[tuple[str, ...], str] = {}
    for thing, phrases in THINGS.items():
        for phrase in listed(phrases):
            found.setdefault(_header_words(phrase), thing)
    return found


@cache
def _subjects() -> dict[str, str]:
    return {_singular(word): subject for subject, words in SUBJECTS.items() for word in listed(words)}


@cache
def _droppable() -> dict[str, int]:
    """Give the words that may stand around a phrase, each with its cost."""
    costs = {0: ",".join((PLACES, *SUBJECTS.values()))}
    return {_singular(word): cost for part in (costs, QUALIFIERS) for cost in part for word in listed(part[cost])}


def _spans(words: tuple[str, ...]) -> dict[tuple[int, int], str]:
    """Find the phrases of the vocabulary among the words."""
    ends = range(1, len(words) + 1)
    spans = [(start, end) for end in ends for start in range(max(0, end - _MAX_PHRASE), end)]
    return {span: thing for span in spans if (thing := _things().get(words[slice(*span)]))}


def _outside(words: tuple[str, ...], span: tuple[int, int]) -> tuple[str, ...]:
    return words[: span[0]] + words[span[1] :]


def _rank(span: tuple[int, int], thing: str) -> tuple[int, int, int]:
    """Prefer the longest phrase, then a thing to its subject and a company to its contact, then the header's end."""
    return span[1] - span[0], -_LAST.index(thing) if thing in _LAST else 1, span[1]


def _meant(words: tuple[str, ...], span: tuple[int, int], found: dict[tuple[int, int], str], whole: bool) -> Meaning:
    table = MEANINGS[found[span]]
    subject = _subject(words, span)
    target = table.get(subject, table["*"])
    cost = sum(_droppable().get(word, 0) for word in _outside(words, span))
    if target is None or cost >= 60:
        return Meaning(None, deal_name=(found[span], subject) in _DEAL_NAMES)
    weight = max(target[1] - cost, 0)
    return Meaning(target[0], weight if whole else weight * 6 // 10, whole)


def _subject(words: tuple[str, ...], span: tuple[int, int]) -> str:
    """Choose the subject nearest to the phrase: whose name, phone or id it is; none is the empty text."""
    places = [place for place, word in enumerate(words) if word in _subjects() and not span[0] <= place < span[1]]
    if not places:
        return ""
    nearest = min(places, key=lambda place: span[0] - place if place < span[0] else place - span[1] + 1)
    return _subjects()[words[nearest]]
