"""The values that the importer's core hands on: records, leads as rows state them, and what was wrong."""

from dataclasses import dataclass, field
from typing import NamedTuple, final
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.importer.core.lines import Block


@final
class Record(NamedTuple):
    """One record of the file; `line` is the physical line, from 1, on which it begins.

    `flag` names what was odd about a record that is imported all the same: "short_row" or "stray_quote". `raw` is the
    xxh3_64 of its line's bytes in the file, without the line end; 0 when it has several lines, when its line had to be
    split leniently, and in an encoding whose lines cannot be told in the bytes.
    """

    line: int
    cells: tuple[str, ...]
    flag: str = ""
    raw: int = 0


@final
@dataclass(frozen=True, slots=True, eq=False)
class Familiar:
    """Consecutive physical lines from `line` on, each of which was a whole record of the version before.

    `places` says where each was among that version's records; `last` are the last of the lines, as they stand in the
    file, which is enough to look for a footer among them.
    """

    line: int
    places: NDArray[np.int64]
    last: Block = field(repr=False)


@final
@dataclass(frozen=True, slots=True)
class Skipped:
    """A record that is no row of the table: ignored, but counted. `code` says why."""

    line: int
    code: str = "blank"  # or "preamble", "repeated_header", "footer"


@final
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


Outcome = Record | Familiar | Reject | Skipped  # what becomes of lines


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


class Contact(NamedTuple):
    """One person at the row's company; at least one attribute holds text."""

    first_name: str | None = None
    last_name: str | None = None
    email: str | None = None
    phone: str | None = None
    title: str | None = None
    linkedin: str | None = None


class LeadRow(NamedTuple):
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
    custom: tuple[tuple[str, str], ...] = ()  # pairs of "CUSTOM.n" and text, sorted, each field once
    contact: Contact | None = None
    deal_crm_id: str | None = None
    unknown_status: str | None = None  # text of a status that the mapping does not know
    warnings: tuple[Warning_, ...] = ()
    cells: tuple[str, ...] = ()  # the record, in case it is rejected later
    raw: int = 0  # the record's own


def masked(cell: str) -> str:
    """The shape of a cell, to find it by without telling what it holds: letters are x, digits are 9."""
    shape = "".join("9" if char.isdigit() else "x" if char.isalpha() else char for char in cell.strip()[:40])
    return "".join(char if char.isprintable() else "?" for char in shape)
