"""A customer's file as rows and cells, and what customers and their programs do to it between two exports."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from hypothesis import strategies as st

from tests.integration.importer.builders import FIELDS

COLUMNS = FIELDS | {
    "Siren": "SIREN",
    "Postcode": "LEAD_LOCATION_POSTCODE",
    "Title": "CONTACT_TITLE",
}
# Few of each, so that rows name the same companies by the same and by other keys.
CELLS: Mapping[str, Sequence[str]] = {
    "Company": ("Acme", "Bolt", "Élan", ""),
    "Id": ("", "", "A", "B", "C"),
    "Siren": ("", "", "732829320", "552100554"),
    "Website": ("", "", "acme.com", "bolt.io"),
    "Postcode": ("", "69001", "75002"),
    "City": ("", "Lyon", "Paris, 2e", "Saint-\nÉtienne", 'the "Old" Port', "Nice…\x0bSud"),
    "Status": ("", "Customer", "Lost", "Prospect", "Unheard of"),
    "Since": ("", "2026-01-31", "31/01/2026", "03/04/2026", "someday"),
    "Deal": ("", "", "D-1", "D-2"),
    "Title": ("", "CEO", "CFO"),
    "Tier": ("", "gold", "silver"),
    "Note": ("", "seen"),  # which no mapping names
}
# One name has one address: which of two namesakes a row without an address means may change from file to file.
PEOPLE = (("", ""), ("Ann", "ann@acme.com"), ("Ann", ""), ("", "ann@acme.com"), ("Bob", "bob@bolt.io"), ("Bob", ""))
ODDITIES = (
    "",
    "  ",
    ",,,",
    "Total,7",
    "Acme",
    '"Bolt, Inc',
    '"A ""B"" C"',
    'Fox "The" Inc',
    "Source: CRM",
    "Company",
    "\0",
)

Row = Mapping[str, str]
Line = Row | str  # a row by its columns, or a line as it stands


class _Quoted(csv.excel):
    quoting = csv.QUOTE_ALL


@dataclass(frozen=True)
class CsvFile:
    """One version of a customer's file."""

    lines: tuple[Line, ...]
    columns: tuple[str, ...] = (*COLUMNS, "Note")
    encoding: str = "utf-8"
    line_end: str = "\r\n"
    delimiter: str = ","
    quote_all: bool = False
    ended: bool = True  # the last line, too

    def __bytes__(self) -> bytes:
        text = io.StringIO(newline="")
        style = _Quoted if self.quote_all else csv.excel
        writer = csv.writer(text, style, delimiter=self.delimiter, lineterminator=self.line_end)
        writer.writerow(self.columns)
        for line in self.lines:
            if isinstance(line, str):
                text.write(line + self.line_end)
            else:
                writer.writerow([line.get(name, "") for name in self.columns])
        written = text.getvalue()
        return (written if self.ended else written.removesuffix(self.line_end)).encode(self.encoding)

    def with_line(self, place: int, change: Callable[[Row], Row]) -> "CsvFile":
        """The file with one of its rows changed; a line that stands as it is stays."""
        lines = list(self.lines)
        line = lines[place % len(lines)] if lines else ""
        if not isinstance(line, str):
            lines[place % len(lines)] = change(line)
        return replace(self, lines=tuple(lines))


@dataclass(frozen=True)
class Insert:
    place: int
    line: Line

    def __call__(self, file: CsvFile) -> CsvFile:
        place = self.place % (len(file.lines) + 1)
        return replace(file, lines=(*file.lines[:place], self.line, *file.lines[place:]))


@dataclass(frozen=True)
class Delete:
    place: int

    def __call__(self, file: CsvFile) -> CsvFile:
        place = self.place % max(1, len(file.lines))
        return replace(file, lines=file.lines[:place] + file.lines[place + 1 :])


@dataclass(frozen=True)
class Move:
    """Take a line elsewhere, or repeat it there."""

    place: int
    to: int
    repeat: bool

    def __call__(self, file: CsvFile) -> CsvFile:
        if not file.lines:
            return file
        line = file.lines[self.place % len(file.lines)]
        return Insert(self.to, line)(file if self.repeat else Delete(self.place)(file))


@dataclass(frozen=True)
class Change:
    place: int
    cells: Row

    def __call__(self, file: CsvFile) -> CsvFile:
        return file.with_line(self.place, lambda row: {**row, **self.cells})


@dataclass(frozen=True)
class Swap:
    """Let two rows have each other's cell."""

    one: int
    other: int
    column: str

    def __call__(self, file: CsvFile) -> CsvFile:
        rows = [file.lines[place % len(file.lines)] for place in (self.one, self.other)] if file.lines else []
        if any(isinstance(row, str) for row in rows) or not rows:
            return file
        first, second = ({self.column: row[self.column]} for row in rows if not isinstance(row, str))
        return Change(self.other, first)(Change(self.one, second)(file))


@dataclass(frozen=True)
class ChangeAll:
    """Another text in every row's cell, as of an export's time."""

    column: str
    text: str

    def __call__(self, file: CsvFile) -> CsvFile:
        lines = (line if isinstance(line, str) else {**line, self.column: self.text} for line in file.lines)
        return replace(file, lines=tuple(lines))


@dataclass(frozen=True)
class Columns:
    names: tuple[str, ...]

    def __call__(self, file: CsvFile) -> CsvFile:
        return replace(file, columns=self.names)


@dataclass(frozen=True)
class Export:
    """Another way to write the same table."""

    encoding: str
    line_end: str
    delimiter: str
    quote_all: bool
    ended: bool

    def __call__(self, file: CsvFile) -> CsvFile:
        return replace(file, **vars(self))


Edit = Insert | Delete | Move | Change | Swap | ChangeAll | Columns | Export

places = st.integers(0, 30)
people = st.sampled_from(PEOPLE).map(lambda person: dict(zip(("First name", "Email"), person, strict=True)))
rows = st.tuples(st.fixed_dictionaries({name: st.sampled_from(texts) for name, texts in CELLS.items()}), people).map(
    lambda found: {**found[0], **found[1]}
)
lines: st.SearchStrategy[Line] = st.one_of(rows, rows, rows, rows, st.sampled_from(ODDITIES))
cells = st.sampled_from(sorted(CELLS)).flatmap(lambda name: st.sampled_from(CELLS[name]).map(lambda text: {name: text}))
edits: st.SearchStrategy[Edit] = st.one_of(
    st.builds(Insert, places, lines),
    st.builds(Delete, places),
    st.builds(Move, places, places, st.booleans()),
    st.builds(Change, places, cells | people),
    st.builds(Swap, places, places, st.sampled_from(["Deal", "Id", "Siren", "Website", "City"])),
    st.builds(ChangeAll, st.sampled_from(["Note", "Since"]), st.sampled_from(["", "2026-02-01", "02/03/2026"])),
    st.builds(Columns, st.permutations([*COLUMNS, "Note"]).map(partial(map, str)).map(tuple)),
    st.builds(
        Export,
        st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16"]),
        st.sampled_from(["\r\n", "\n", "\r"]),
        st.sampled_from([",", ";"]),
        st.booleans(),
        st.booleans(),
    ),
)
files = st.builds(CsvFile, st.lists(lines, max_size=25).map(tuple))
