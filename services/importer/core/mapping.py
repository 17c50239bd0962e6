"""The organisation's import mapping: how one meets a file's header."""

import re
import unicodedata
from collections import abc, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from services.importer.core.binding import Binding, Cells
from services.importer.core.header import fold
from services.importer.core.record import Refusal
from services.importer.core.table import Header
from services.importer.core.targets import CONTACT, LEAD, CustomField, custom
from shared.mapping import COMPANY_NAME, CUSTOM_PREFIX, LEAD_STATUSES, STATUS, listed, shown, status_key

_POSITION = re.compile(r"#([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Mapping:
    """A saved mapping; `fields` goes from column name to target, `statuses` from raw cell text to lead status."""

    version: int
    fields: abc.Mapping[str, str]
    statuses: abc.Mapping[str, str]
    default_status: str | None
    custom_fields: abc.Mapping[str, CustomField] = field(default_factory=dict)  # by id

    def names(self) -> frozenset[str]:
        """The folded names of the columns that it maps, without those that are mapped by position."""
        return frozenset(fold(name) for name in self.fields if not _POSITION.fullmatch(name))

    def by_position(self) -> bool:
        """Whether it maps the columns of a file that has no header."""
        return any(_POSITION.fullmatch(name) for name in self.fields)


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    name: str
    target: str


def bind(mapping: Mapping, header: Header) -> Binding | Refusal:
    """Find the mapping's columns in the header: by exact name, else by the only one alike, `#3` by its position."""
    if header.line is None and not mapping.by_position():
        reason = (
            "The first row looks like data, not like names of columns. Add a header row, or map by position: #1, #2."
        )
        return Refusal("no_header", reason)
    found = _find(mapping.fields, header)
    if isinstance(found, Refusal):
        return found
    names = [column.name for column in found.values() if column.target == COMPANY_NAME]
    if not names:
        return _no_company_name(mapping.fields, header)
    return _bound(mapping, header, found, names[0])


def columns_of(mapping: Mapping, header: Header) -> dict[int, str]:
    """The targets of the header's columns by their places; nothing where the mapping cannot be told."""
    found = _find(mapping.fields, header)
    return {} if isinstance(found, Refusal) else {column.index: column.target for column in found.values()}


def _bound(mapping: Mapping, header: Header, found: abc.Mapping[str, _Column], name_column: str) -> Binding:
    custom_cells = tuple(
        Cells(
            column.index, column.name, custom(column.target, mapping.custom_fields[column.target[len(CUSTOM_PREFIX) :]])
        )
        for column in found.values()
        if column.target.removeprefix(CUSTOM_PREFIX) in mapping.custom_fields
    )
    lead = tuple(Cells(c.index, c.name, LEAD[c.target]) for c in found.values() if c.target in LEAD)
    contact = tuple(Cells(c.index, c.name, CONTACT[c.target]) for c in found.values() if c.target in CONTACT)
    taken = {cells.index for cells in (*custom_cells, *lead, *contact)}
    return Binding(
        unmapped_columns=tuple(name for index, name in enumerate(header.names) if name and index not in taken),
        missing_columns=tuple(key for key in mapping.fields if key not in found),
        name_column=name_column,
        lead=lead,
        contact=contact,
        custom=custom_cells,
        status_index=next((column.index for column in found.values() if column.target == STATUS), None),
        statuses=_status_table(mapping.statuses),
        default_status=mapping.default_status if mapping.default_status in LEAD_STATUSES else None,
    )


def _find(fields: abc.Mapping[str, str], header: Header) -> dict[str, _Column] | Refusal:
    """Give each mapped name its column, in the order of the mapping; no column is given twice."""
    exact, alike = _places(header, _composed), _places(header, fold)
    found: dict[str, _Column] = {}
    taken: set[int] = set()
    for lookup, key_of in ((exact, _composed), (alike, fold), (_positions(header), str)):
        for key, target in fields.items():
            places = [] if key in found else lookup.get(key_of(key), [])
            if len(places) > 1 and len({_composed(header.names[place]) for place in places}) == 1:
                return _duplicate(header.names[places[0]], len(places))
            if len(places) == 1 and places[0] not in taken:
                taken.add(places[0])
                found[key] = _Column(places[0], header.names[places[0]] or key, target)
    return found


def _places(header: Header, key_of: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(header.names):
        if name:
            places[key_of(name)].append(place)
    return places


def _positions(header: Header) -> dict[str, list[int]]:
    return {f"#{place + 1}": [place] for place in range(len(header.names))}


def _composed(name: str) -> str:
    """The name with its accents as single characters, because programs write them in two ways."""
    return unicodedata.normalize("NFC", name.strip().lstrip("\ufeff").strip())


def _status_table(statuses: abc.Mapping[str, str]) -> dict[str, str]:
    """Look statuses up by their own text and by their folded text; own text wins, then the first that was saved."""
    valid = {raw: status for raw, status in statuses.items() if status in LEAD_STATUSES}
    folded: dict[str, str] = {}
    for raw, status in valid.items():
        folded.setdefault(status_key(raw), status)
    return {**folded, **valid}


def _duplicate(name: str, count: int) -> Refusal:
    reason = f"The mapped column {shown(name)} stands {count} times in the header. Give each its own name."
    return Refusal("duplicate_column", reason)


def _no_company_name(fields: abc.Mapping[str, str], header: Header) -> Refusal:
    wanted = [column for column, target in fields.items() if target == COMPANY_NAME]
    missing = f"The company name is mapped to {listed(wanted)}, which is not in this file." if wanted else ""
    has = f"The file has these columns: {listed([name for name in header.names if name])}."
    advice = "Map one of them to the company name in the import mapping."
    return Refusal(
        "company_name_not_mapped", " ".join((missing or "No column is mapped to the company name.", has, advice))
    )
