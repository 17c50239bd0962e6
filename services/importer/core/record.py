"""The values that the importer's core hands on: records, leads as rows state them, and what was wrong."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file; `line` is the physical line, from 1, on which it begins."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blank:
    """A record without any text: ignored, but counted."""

    line: int


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not imported; `reason` says what to do about it and never holds a cell's value."""

    line: int
    column: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801 - the built-in Warning is an exception
    """A cell that is left out of a record that is imported; `reason` never holds the cell's value."""

    line: int
    column: str | None
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The whole file is refused, and why."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Contact:
    """One person at the row's company; at least one attribute holds text."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    linkedin: str | None = None


@dataclass(frozen=True, slots=True)
class LeadRow:
    """What one record says of one lead; `None` means that it says nothing, never that a value is to go."""

    line: int
    name: str
    website: str | None = None  # a host in lower case, without `www.`
    status: str | None = None  # one of LEAD_STATUSES
    status_from_default: bool = False  # the row itself states no status that the mapping knows
    status_date: str | None = None  # YYYY-MM-DD
    location: str | None = None
    street_num: str | None = None
    street: str | None = None
    postcode: str | None = None
    city: str | None = None
    sector: str | None = None
    size: str | None = None
    crm_id: str | None = None
    leadbay_id: UUID | None = None
    email: str | None = None  # the company's own, in lower case
    owner: str | None = None
    score: str | None = None
    siren: str | None = None  # nine digits
    custom: dict[str, str] = field(default_factory=dict)  # "CUSTOM.n" to text
    contact: Contact | None = None
    deal_crm_id: str | None = None
    unknown_status: str | None = None  # text of a status that the mapping does not know
    warnings: tuple[Warning_, ...] = ()
