"""Which person at a company a row means: found again by e-mail, else by LinkedIn, else by name."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from services.importer.core import normalise
from services.importer.core.record import Contact

COLUMNS = ("first_name", "last_name", "email", "phone", "phone_key", "title", "linkedin")
_KINDS = ("email", "linkedin", "name", "other")  # strongest first


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the database knows at a lead, under the key that the contact has there."""

    key: str
    email: str | None
    linkedin: str | None
    first_name: str | None
    last_name: str | None

    def marks(self) -> dict[str, str]:
        """What the person is found by, by kind."""
        return _marks(self.email, self.linkedin, self.first_name, self.last_name)


def fold_people(found: Iterable[tuple[UUID, Contact]], known: Mapping[UUID, Sequence[Person]]) -> list[tuple[Any, ...]]:
    """One row for each contact that the rows name: lead, key, then COLUMNS. A later cell wins unless it is empty."""
    circles: dict[UUID, _Circle] = {}
    for lead_id, contact in found:
        if lead_id not in circles:
            circles[lead_id] = _Circle(known.get(lead_id, ()))
        circles[lead_id].meet(contact)
    return [
        (lead_id, seen.key, *(seen.values.get(name) for name in COLUMNS))
        for lead_id, circle in circles.items()
        for seen in circle.met
    ]


def asked_for(found: Iterable[tuple[UUID, Contact | None]]) -> dict[str, list[Any]]:
    """What the database is asked to find people by: their leads, keys, addresses, profiles and names."""
    asked: dict[str, set[Any]] = {name: set() for name in ("lead_ids", "keys", "emails", "linkedins", "names")}
    for lead_id, contact in found:
        if contact is None:
            continue
        name = " ".join(filter(None, (contact.first_name, contact.last_name)))
        values = (lead_id, contact_key(contact), contact.email, contact.linkedin, name)
        for place, value in zip(asked.values(), values, strict=True):
            if value:
                place.add(value.lower() if isinstance(value, str) and place is not asked["keys"] else value)
    return {name: list(values) for name, values in asked.items()}


def contact_key(contact: Contact) -> str:
    """The key of a person who is new at a lead: the strongest that there is to be found by."""
    marks = _marks(contact.email, contact.linkedin, contact.first_name, contact.last_name)
    kind = next((kind for kind in _KINDS if kind in marks), "other")
    return normalise.key(kind, marks.get(kind) or contact.phone or contact.title or "")


def _marks(email: str | None, linkedin: str | None, first_name: str | None, last_name: str | None) -> dict[str, str]:
    name = normalise.name_key(" ".join(filter(None, (first_name, last_name))))
    marks = {"email": email and email.casefold(), "linkedin": linkedin and linkedin.casefold(), "name": name}
    return {kind: value for kind, value in marks.items() if value}


@dataclass(slots=True, eq=False)
class _Seen:
    key: str
    marks: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    is_met: bool = False


class _Circle:
    """The people at one lead: those whom the database knows, and those whom rows brought."""

    def __init__(self, known: Iterable[Person]) -> None:
        self.met: list[_Seen] = []
        self._by_key: dict[str, _Seen] = {}
        self._by_mark: dict[tuple[str, str], list[_Seen]] = defaultdict(list)
        for person in known:
            self._learn(_Seen(person.key, {}), person.marks())

    def meet(self, contact: Contact) -> None:
        marks = _marks(contact.email, contact.linkedin, contact.first_name, contact.last_name)
        key = contact_key(contact)
        seen = self._find(marks, key) or _Seen(key, {})
        if not seen.is_met:
            seen.is_met = True
            self.met.append(seen)
        self._learn(seen, marks)
        values = {name: getattr(contact, name) for name in COLUMNS if name != "phone_key"}
        values["phone_key"] = normalise.phone_key(contact.phone) if contact.phone else None
        seen.values.update({name: value for name, value in values.items() if value is not None})

    def _learn(self, seen: _Seen, marks: Mapping[str, str]) -> None:
        self._by_key[seen.key] = seen
        for mark in marks.items():
            if seen not in self._by_mark[mark]:
                self._by_mark[mark].append(seen)
        seen.marks.update(marks)

    def _find(self, marks: Mapping[str, str], key: str) -> _Seen | None:
        """The person with the strongest mark in common; a weaker one does not count where a stronger one differs."""
        for place, kind in enumerate(_KINDS[:-1]):
            for seen in self._by_mark.get((kind, marks[kind]), ()) if kind in marks else ():
                if seen.marks.get(kind) == marks[kind] and not _differ(seen.marks, marks, _KINDS[:place]):
                    return seen
        return self._by_key.get(key)


def _differ(one: Mapping[str, str], other: Mapping[str, str], kinds: Sequence[str]) -> bool:
    return any(kind in one and kind in other and one[kind] != other[kind] for kind in kinds)
