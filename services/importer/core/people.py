"""Which person at a company a row means: found again by e-mail, else by LinkedIn, else by name."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from services.importer.core import normalise
from services.importer.core.record import Contact

COLUMNS = ("first_name", "last_name", "email", "phone", "phone_key", "title", "linkedin")
_STATED = attrgetter("first_name", "last_name", "email", "phone", "title", "linkedin")
_KINDS = ("email", "linkedin", "name")  # strongest first


class Person(NamedTuple):
    """Somebody whom the database knows at a lead, under the key that the contact has there."""

    key: str
    email: str | None
    linkedin: str | None
    first_name: str | None
    last_name: str | None

    def marks(self) -> dict[str, str]:
        """What the person is found by, by kind."""
        return dict(_marks(self.email, self.linkedin, self.first_name, self.last_name))


Values = tuple[str | None, ...]


def fold_people(contacts: Sequence[Contact], known: Sequence[Person]) -> list[Values]:
    """One row for each person whom the rows of one lead name: key, then COLUMNS. A later cell wins unless it is empty.

    `known` are those whom the database knows at this lead.
    """
    if len(contacts) == 1 and not known:
        return [(contact_key(contacts[0]), *_values(contacts[0]))]
    circle = _Circle(known)
    for contact in contacts:
        circle.meet(contact)
    return [(seen.key, *seen.values) for seen in circle.met]


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


def doubtful(found: Iterable[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those of the leads and keys of which a known key does not tell who is meant.

    That is where several people come for one lead and one of them without an e-mail: the others may be that person.
    """
    keys: dict[UUID, list[str]] = defaultdict(list)
    for lead_id, key in found:
        keys[lead_id].append(key)
    return {
        (lead_id, key)
        for lead_id, several in keys.items()
        if len(several) > 1 and not all(key.startswith("email") for key in several)
        for key in several
    }


def contact_key(contact: Contact) -> str:
    """The key of a person who is new at a lead: the strongest that there is to be found by."""
    for kind, mark in _marks(contact.email, contact.linkedin, contact.first_name, contact.last_name):
        return normalise.key(kind, mark)
    return normalise.key("other", contact.phone or contact.title or "")


def _marks(
    email: str | None, linkedin: str | None, first_name: str | None, last_name: str | None
) -> Iterator[tuple[str, str]]:
    """What a person is found by, strongest first."""
    if email:
        yield "email", email.casefold()
    if linkedin:
        yield "linkedin", linkedin.casefold()
    name = f"{first_name or ''} {last_name or ''}"
    if not name.isspace():
        yield "name", normalise.name_key(name)


def _values(contact: Contact) -> Values:
    """What a row says of a person, in COLUMNS; an empty cell says nothing."""
    first_name, last_name, email, phone, title, linkedin = _STATED(contact)
    return first_name, last_name, email, phone, phone and normalise.phone_key(phone), title, linkedin


@dataclass(slots=True, eq=False)
class _Seen:
    key: str
    marks: dict[str, str]
    values: Values = (None,) * len(COLUMNS)
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
        marks = dict(_marks(contact.email, contact.linkedin, contact.first_name, contact.last_name))
        key = contact_key(contact)
        seen = self._find(marks, key) or _Seen(key, {})
        if not seen.is_met:
            seen.is_met = True
            self.met.append(seen)
        self._learn(seen, marks)
        stated = _values(contact)
        seen.values = tuple([old if new is None else new for old, new in zip(seen.values, stated, strict=True)])

    def _learn(self, seen: _Seen, marks: Mapping[str, str]) -> None:
        self._by_key[seen.key] = seen
        for mark in marks.items():
            if seen not in self._by_mark[mark]:
                self._by_mark[mark].append(seen)
        seen.marks.update(marks)

    def _find(self, marks: Mapping[str, str], key: str) -> _Seen | None:
        """The person with the strongest mark in common; a weaker one does not count where a stronger one differs.

        Of several who have it, the one who was made by the very same key.
        """
        for place, kind in enumerate(_KINDS):
            alike = self._by_mark.get((kind, marks[kind]), ()) if kind in marks else ()
            for seen in sorted(alike, key=lambda one: one.key != key):
                if seen.marks.get(kind) == marks[kind] and not _differ(seen.marks, marks, _KINDS[:place]):
                    return seen
        return self._by_key.get(key)


def _differ(one: Mapping[str, str], other: Mapping[str, str], kinds: Sequence[str]) -> bool:
    return any(kind in one and kind in other and one[kind] != other[kind] for kind in kinds)
