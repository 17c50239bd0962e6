"""What headers of several meanings mean in one file: its other columns decide whose name, address or id it is."""

from collections.abc import Callable
from dataclasses import dataclass

from services.importer.core.evidence import Evidence
from services.importer.core.vocabulary import ADDRESS, EMAIL, FULL_NAME, ID, NAME, PERSON

_HALVES = frozenset(("CONTACT_FIRST_NAME", "CONTACT_LAST_NAME"))
_CONTACT = _HALVES | {"CONTACT_EMAIL", "CONTACT_TITLE", "CONTACT_LINKEDIN", FULL_NAME, PERSON}


@dataclass(frozen=True, slots=True)
class Others:
    """What the surer columns of a file tell about the others."""

    targets: frozenset[str]  # of columns whose header and values agree, undecided ones in lower case
    repeats: bool  # a company stands in several rows
    deals: bool  # a row is a deal with a name of its own


def decide(target: str, weight: int, looks: Evidence, file: Others) -> tuple[str | None, int]:
    """The field that a header's word names in this file, and how sure that is; None for none."""
    decision = DECISIONS.get(target)
    return (target, weight) if decision is None else decision(weight, looks, file.targets, file)


def _name(weight: int, looks: Evidence, others: frozenset[str], file: Others) -> tuple[str | None, int]:
    """Take a name for the company's, unless the file names that one, or has the other half of a person's name."""
    half = None if PERSON in others else _other_half(others)
    if "LEAD_NAME" in others:
        if half or file.deals or others >= _HALVES or others & {FULL_NAME, PERSON}:
            return half, weight
        return "CONTACT_LAST_NAME", weight * 6 // 10
    if looks.legal_form >= 0.3 or not half:
        # An id of the row beside the company's id: the row is no company, and the name may not be one's.
        return "LEAD_NAME", weight * 6 // 10 if others >= {ID, "CRM_ID"} else weight
    return half, weight


def _person(weight: int, looks: Evidence, others: frozenset[str], file: Others) -> tuple[str | None, int]:
    """Take a contact's name for the half that is missing, else for the whole name."""
    half = _other_half(others)
    return (half, weight) if half else _full_name(weight * 6 // 10, looks, others, file)


def _other_half(others: frozenset[str]) -> str | None:
    """Give the half of a person's name that the file has no column for, if it has one for the other half."""
    missing = _HALVES - others
    return next(iter(missing)) if len(missing) == 1 else None


def _full_name(weight: int, _: Evidence, others: frozenset[str], __: Others) -> tuple[str | None, int]:
    # Leadbay has no field for a whole name: it fits the last name's, unless the file has a half of it too.
    return (None, 0) if others & _HALVES else ("CONTACT_LAST_NAME", weight)


def _email(weight: int, looks: Evidence, others: frozenset[str], _: Others) -> tuple[str | None, int]:
    """Take an address for a contact's where the file has contacts, unless most are such as info@ and contact@."""
    if "EMAIL" in others:
        return "CONTACT_EMAIL", weight - 5
    if "CONTACT_EMAIL" in others:
        return "EMAIL", weight - 15
    if looks.generic < 0.6 and (others & _CONTACT or {NAME, "LEAD_NAME"} <= others):
        return "CONTACT_EMAIL", weight
    return "EMAIL", weight - 5


def _address(weight: int, looks: Evidence, others: frozenset[str], _: Others) -> tuple[str | None, int]:
    if "LEAD_LOCATION" in others:
        return "LEAD_LOCATION_STREET", weight - 12
    parts = others & {"LEAD_LOCATION_CITY", "LEAD_LOCATION_POSTCODE"}
    if looks.address >= 0.5 or not parts or "LEAD_LOCATION_STREET" in others:
        return "LEAD_LOCATION", weight - 4
    return "LEAD_LOCATION_STREET", weight


def _id(weight: int, looks: Evidence, others: frozenset[str], file: Others) -> tuple[str | None, int]:
    """Take an id for the company's, unless the file names that one, or a row is rather a deal or a contact."""
    other = "CRM_ID" in others or (file.repeats and looks.distinct > 0.98 and bool(file.deals or others & _CONTACT))
    if file.deals and "DEAL_CRM_ID" not in others:
        return "DEAL_CRM_ID", weight - 10
    return (None, 0) if other else ("CRM_ID", weight)


_Decision = Callable[[int, Evidence, frozenset[str], Others], tuple[str | None, int]]
DECISIONS: dict[str, _Decision] = {
    NAME: _name,
    PERSON: _person,
    FULL_NAME: _full_name,
    EMAIL: _email,
    ADDRESS: _address,
    ID: _id,
}
