"""Proposes a mapping for a file that has none: its columns by header and values, its statuses by their words."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.importer.core import normalise
from services.importer.core.ambiguities import DECISIONS, Others, decide
from services.importer.core.evidence import MAX_CELLS, SHAPES, Evidence, look
from services.importer.core.meanings import Meaning, meaning, status_meaning
from services.importer.core.vocabulary import EMAIL
from shared.mapping import MAX_NAME, STATUS, status_key

LEAST = 50  # confidence below which nothing is suggested
_MAX_STATUSES = 50
_MAX_LOOKS = 60_000  # cells of the whole file that are looked at
_FEWEST = 5  # filled cells without which values alone suggest nothing
_CELL_LIMIT = 20  # filled cells a column that are always looked at

# What values suggest under a header that says nothing: the share, how large it must be, the target and how sure.
_GUESSES = (
    ("siren", 0.95, "SIREN", 66),
    ("linkedin_person", 0.9, "CONTACT_LINKEDIN", 66),
    ("email", 0.9, EMAIL, 64),
    ("web", 0.9, "LEAD_WEBSITE", 62),
    ("address", 0.8, "LEAD_LOCATION", 58),
    ("phone", 0.9, "CONTACT_PHONE_NUMBER", 58),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file: its name in the header, and raw cells of the first rows, empty ones included."""

    name: str
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suggested:
    """A column, the standard field that it seems to be, how sure that is from 0 to 100, and why, in plain words."""

    column: str
    target: str
    confidence: int
    evidence: str


@dataclass(frozen=True, slots=True)
class SuggestedStatus:
    """A status text of the file, how many samples hold it, and what it seems to mean; None where no word is known."""

    raw: str
    count: int
    status: str | None
    confidence: int


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One column a field and one field a column, in the order of the file, and the statuses, most frequent first."""

    fields: tuple[Suggested, ...]
    statuses: tuple[SuggestedStatus, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A column that can be mapped, with what its header says and what its values look like."""

    column: Column
    said: Meaning | None
    looks: Evidence
    known: float  # share of the different samples that are status words
    ends: bool  # some of them are won or lost


def suggest(columns: Sequence[Column]) -> Suggestion:
    """Propose which column is which field and what each status means.

    A column that no mapping can name is left out: one without a name, or whose name stands twice or cannot be saved.
    The order of the columns decides nothing but the order of the answer.
    """
    seen = _look_at(columns)
    file = _file(seen)
    best = _assigned([found for column in seen for found in _candidates(column, file)])
    fields = tuple(best[column.name] for column in columns if column.name in best)
    chosen = next((found.column for found in fields if found.target == STATUS), None)
    return Suggestion(fields, _statuses(next((c.samples for c in columns if c.name == chosen), ())))


def status_of(raw: str) -> tuple[str, int] | None:
    """Tell what a status text means and how sure that is: 100 for a known text, less for known words inside it."""
    return status_meaning(raw)


def _look_at(columns: Sequence[Column]) -> list[_Seen]:
    names = Counter(column.name.strip() for column in columns)
    limit = max(_CELL_LIMIT, min(MAX_CELLS, _MAX_LOOKS // max(1, len(columns))))
    return [
        _Seen(column, meaning(column.name), look(column.samples, limit), *_status_words(column, limit))
        for column in columns
        if names[column.name.strip()] == 1 and _can_be_saved(column.name)
    ]


def _can_be_saved(text: str) -> bool:
    """Tell whether a mapping may hold a name or status: it prints something, is short, and has no broken character."""
    broken = any(char == "\0" or "\ud800" <= char <= "\udfff" for char in text[: MAX_NAME + 1])
    return bool(text.strip()) and len(text) <= MAX_NAME and not broken


def _status_words(column: Column, limit: int) -> tuple[float, bool]:
    """Give the share of different samples that are status words, none when most cells differ, and if any is an end."""
    texts = Counter(filter(None, (normalise.text(cell[:MAX_NAME]) for cell in column.samples[:limit])))
    if not texts or len(texts) > max(3, texts.total() // 2):
        return 0.0, False
    found = [known[0] for text in texts if (known := status_of(text))]
    return len(found) / len(texts), "WON" in found or "LOST" in found


def _file(seen: Sequence[_Seen]) -> Others:
    targets, repeats = set[str](), False
    for column in seen:
        said = column.said
        if said and said.target and (not said.target.isupper() or _rate(said.target, said.weight, column) >= LEAST):
            targets.add(said.target)
            repeats |= said.target == "LEAD_NAME" and column.looks.filled >= _FEWEST and column.looks.distinct < 0.9
    deals = any(column.said is not None and column.said.deal_name for column in seen)
    return Others(frozenset(targets), repeats, deals)


def _candidates(column: _Seen, file: Others) -> Iterator[Suggested]:
    """Give what the header says, if the values bear it out, or else what the values alone look like."""
    said = column.said
    if said is not None and said.target is None:
        return
    if said and said.target:
        target, weight = decide(said.target, said.weight, column.looks, file)
        confidence = _rate(target, weight, column) if target else 0
        if target and confidence >= LEAST:
            yield Suggested(column.column.name, target, confidence, _reason(target, column, said))
        if confidence >= LEAST or not target:
            return
    yield from _guesses(column, file, 100 if said is None else 55)


def _guesses(column: _Seen, file: Others, most: int) -> Iterator[Suggested]:
    looks = column.looks
    if looks.filled < _FEWEST:
        return
    for share, least, guess, weight in _GUESSES:
        if looks.share(share) >= least and not (share == "phone" and looks.number > 0.2):
            target = _guessed_email(column, file) if guess == EMAIL else guess
            confidence = min(most, weight - round(10 * looks.mailbox))
            yield Suggested(column.column.name, target, confidence, looks.told(share))
            return
    if column.known >= 0.8 and not looks.flag:
        yield Suggested(column.column.name, STATUS, min(most, 58), "its values are words of statuses")


def _guessed_email(column: _Seen, file: Others) -> str:
    company = column.looks.generic >= 0.6 or "CONTACT_EMAIL" in file.targets
    return "EMAIL" if company and "EMAIL" not in file.targets else "CONTACT_EMAIL"


def _rate(target: str, weight: int, column: _Seen) -> int:
    """Weigh what the header says with what the values look like."""
    looks = column.looks
    if target == "LEADBAY_ID" and looks.uuid < 0.9:
        return 0
    if not looks.filled:
        return weight - 6 if looks.read else weight
    empty = round(6 * (1 - looks.filled / looks.read))
    if share := SHAPES.get(target):
        # A few cells prove little: one more, nearly right, is counted with them.
        fits = (looks.count(share) + 0.7) / (looks.filled + 1)
        sure = weight * (0.35 + fits) if fits < 0.65 else weight + 0.3 * (100 - weight) * fits
    else:
        sure = weight * (1 - 0.6 * _foreign(target, column)) + _status_bonus(target, weight, column)
    return max(0, min(99, round(sure) - empty))


def _foreign(target: str, column: _Seen) -> float:
    """Give the share of cells that cannot be of the target: by kind, or all of them by how they repeat."""
    looks = column.looks
    if looks.filled >= 8:
        if target in ("CRM_ID", "DEAL_CRM_ID") and (looks.distinct < 0.1 or looks.words > 6):
            return 1.0
        if target == STATUS and not column.known and looks.distinct > 0.8:
            return 1.0
    # One odd cell or two say little.
    return looks.foreign(target)[1] * min(1.0, looks.filled / 4)


def _status_bonus(target: str, weight: int, column: _Seen) -> float:
    """Prefer a column of known words, and one that tells won from lost: stages often stay where they were."""
    return 0.5 * (100 - weight) * column.known + 5 * column.ends if target == STATUS else 0.0


def _reason(target: str, column: _Seen, said: Meaning) -> str:
    looks = column.looks
    says = "the header says so" if said.whole else "a part of the header says so"
    if said.target in DECISIONS:
        says += ", beside the other columns"
    if not looks.filled:
        return f"{says}; no cell is filled" if looks.read else says
    if share := SHAPES.get(target):
        return f"{says}; {looks.told(share)}"
    worst, part = looks.foreign(target)
    if part >= 0.2:
        return f"{says}, but {looks.told(worst)}"
    return f"{says}; its values are words of statuses" if target == STATUS and column.known >= 0.5 else says


def _assigned(candidates: Sequence[Suggested]) -> dict[str, Suggested]:
    """Give each column and each target to the surest candidate; names, which are different, settle a draw."""
    best: dict[str, Suggested] = {}
    targets = set[str]()
    for found in sorted(candidates, key=lambda found: (-found.confidence, found.column)):
        if found.target not in targets and found.column not in best:
            targets.add(found.target)
            best[found.column] = found
    return best


def _statuses(samples: Sequence[str]) -> tuple[SuggestedStatus, ...]:
    """Count status texts, those alike but for case, accents and spaces under their most frequent spelling."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for cell in samples:
        raw = normalise.text(cell)
        if raw is not None and _can_be_saved(raw):
            spellings[status_key(raw)][raw] += 1
    found = [(min(counts, key=lambda raw: (-counts[raw], raw)), counts.total()) for counts in spellings.values()]
    found.sort(key=lambda pair: (-pair[1], pair[0]))
    return tuple(SuggestedStatus(raw, count, *(status_of(raw) or (None, 0))) for raw, count in found[:_MAX_STATUSES])
