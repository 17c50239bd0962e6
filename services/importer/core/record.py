"""The values that the importer's core hands on: records, leads as rows state them, and what was wrong."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the file; `line` is the physical line, from 1, on which it begins.

    `flag` names what was odd about a record that is imported all the same: "short_row" or "stray_quote".
    """

    line: int
    cells: tuple[str, ...]
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is no row of the table: ignored, but counted. `code` says why."""

    line: int
    code: str = "blank"  # or "preamble", "repeated_header", "footer"


@dataclass(frozen=True, slots=True)
class Reject:
    """A record that is not imported; `reason` says what to do about it and never holds a cell's value."""

    line: int
    column: str | None
    code: str
    reason: str
    value: str = ""  # the cell's shape, see `masked`
    record: int = 0  # number of the record, from 1; neither the header nor what is skipped counts
    cells: tuple[str, ...] = field(default=(), repr=False, compare=False)  # the record; its text when it has no cells


@dataclass(frozen=True, slots=True)
class Warning_:  # noqa: N801 - the built-in Warning is an exception
    """Something odd in a record that is imported; `reason` never holds a cell's value."""

    line: int
    column: str | None
    code: str
    reason: str
    value: str = ""
    record: int = 0


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
    cells: tuple[str, ...] = field(default=(), repr=False, compare=False)  # the record, in case it is rejected later


def masked(cell: str) -> str:
    """The shape of a cell, to find it by without telling what it holds: letters are x, digits are 9."""
    shape = "".join("9" if char.isdigit() else "x" if char.isalpha() else char for char in cell.strip()[:40])
    return "".join(char if char.isprintable() else "?" for char in shape)
