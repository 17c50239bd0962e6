"""What the customers' files hold, and so what has to be in the database in the end.

Every row names itself: `organisation/source/version/row`, where the version is the one that last changed it.
Organisations have the same CRM ids, names, deals and emails on purpose, and some rows of each file are wrong by design.
Some versions are as large as the one before: digits change, and no row is added. Some companies are in all files of
their organisation, in the same words, so that one lead is fed by several.
"""

import hashlib
from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid4

FIELDS = {
    "id": "CRM_ID",
    "company": "LEAD_NAME",
    "ledger": "LEAD_SECTOR",
    "city": "LEAD_LOCATION_CITY",
    "status": "LEAD_STATUS",
    "mail": "CONTACT_EMAIL",
    "deal": "DEAL_CRM_ID",
}
STATUSES = {"Won": "WON"}
SHARED = 6  # companies
_HEADER = "id,company,ledger,city,status,mail,deal,note\n"
# Nobody maps it, and with it a download comes in several pieces.
_NOTE = "n" * 2_000


@dataclass(frozen=True, slots=True)
class Line:
    """What a row says of its lead."""

    crm_id: str
    name: str
    city: str
    mail: str
    deal: str


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a source's file."""

    content: bytes
    good: dict[str, Line]  # each row that can be imported, by its ledger id
    bad: int  # rows that cannot

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(slots=True)
class Source:
    """A connector's file, which grows and changes from version to version."""

    org_id: UUID
    number: int
    connector_id: str = ""
    versions: list[Version] = field(default_factory=list)
    awaited: set[str] = field(default_factory=set)  # checksums of the versions that were seen to be imported
    # For each row the version that changed it last.
    _rows: list[int] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where it lies on the customer's server."""
        return f"/exports/{self.org_id.hex}-{self.number}.csv"

    @property
    def current(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def grow(self, random: Random, rows: int, bad: int) -> Version:
        """The next version: some rows are new, and some of the others changed."""
        version = len(self.versions) + 1
        added = 0 if self._rows and random.random() < 0.3 else rows
        self._rows = [version if random.random() < 0.3 else last for last in self._rows] + [version] * added
        self._rows[-1] = version
        good = {self._ledger_id(row): self._line(row) for row in range(len(self._rows))}
        good |= {f"{self.org_id}/shared/{row}": _shared(row) for row in range(SHARED)}
        lines = [
            f"{line.crm_id},{line.name},{ledger_id},{line.city},won,{line.mail},{line.deal},{_NOTE}\n"
            for ledger_id, line in good.items()
        ]
        for wrong in range(bad):
            # One without a name, one with a cell too many
            name, more = ("", "") if wrong % 2 else ("Bad", ",surplus")
            line = f"B{wrong},{name},{self.org_id}/bad,Paris,won,,,{more}\n"
            lines.insert(random.randrange(len(lines) + 1), line)
        made = Version((_HEADER + "".join(lines)).encode(), good, bad)
        self.versions.append(made)
        return made

    def _line(self, row: int) -> Line:
        at = f"{self.number}-{row}"
        return Line(f"C{at}", f"Company {at}", f"City {self._rows[row]:02}", f"p{at}@shared.example", f"D{at}")

    def _ledger_id(self, row: int) -> str:
        return f"{self.org_id}/{self.number}/{self._rows[row]:02}/{row}"


def _shared(row: int) -> Line:
    return Line(f"S{row}", f"Shared {row}", "City", f"s{row}@shared.example", f"DS{row}")


class Ledger:
    """Sources of several organisations; the same seed makes the same rows, but for the organisations' ids."""

    def __init__(
        self, random: Random, *, organisations: int = 2, sources: int = 2, rows: int = 60, bad: int = 3
    ) -> None:
        self._random = random
        self._rows, self._bad = rows, bad
        self.org_ids = [uuid4() for _ in range(organisations)]
        self.sources = [Source(org_id, number) for org_id in self.org_ids for number in range(sources)]

    def grow(self) -> None:
        """The next version of every file."""
        for source in self.sources:
            source.grow(self._random, self._rows, self._bad)

    def leads_of(self, org_id: UUID) -> dict[str, Line]:
        """What the organisation has to have: each ledger id once, with what its row says."""
        return {
            ledger_id: line
            for source in self.sources
            if source.org_id == org_id
            for ledger_id, line in source.current.good.items()
        }
