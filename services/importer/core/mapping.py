"""The organisation's import mapping: how one meets a file's header."""

from collections import abc, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from services.importer.core.binding import Binding
from services.importer.core.record import Refusal
from services.importer.core.rows import Header
from services.importer.core.targets import CONTACT, LEAD
from shared.mapping import COMPANY_NAME, LEAD_STATUSES, STANDARD_FIELDS, STATUS, is_custom, listed, shown, status_key


@dataclass(frozen=True, slots=True)
class Mapping:
    """A saved mapping; `fields` goes from column name to target, `statuses` from raw cell text to lead status."""

    version: int
    fields: abc.Mapping[str, str]
    statuses: abc.Mapping[str, str]
    default_status: str | None


@dataclass(frozen=True, slots=True)
class _Column:
    index: int
    name: str
    target: str


def bind(mapping: Mapping | None, header: Header) -> Binding | Refusal:
    """Find the mapping's columns in the header: by exact name, else by the only one alike but for case and spaces."""
    fields = {} if mapping is None else mapping.fields
    found = _find(fields, header)
    if isinstance(found, Refusal):
        return found
    columns = [column for column in found.values() if column.target in STANDARD_FIELDS or is_custom(column.target)]
    names = [column.name for column in columns if column.target == COMPANY_NAME]
    if mapping is None or not names:
        return _no_company_name(fields, header)
    taken = {column.index for column in columns}
    return Binding(
        unmapped_columns=tuple(name for index, name in enumerate(header.names) if name and index not in taken),
        missing_columns=tuple(key for key in fields if key not in found),
        name_column=names[0],
        lead=tuple((c.index, c.name, LEAD[c.target]) for c in columns if c.target in LEAD),
        contact=tuple((c.index, c.name, CONTACT[c.target]) for c in columns if c.target in CONTACT),
        custom=tuple((c.index, c.target) for c in columns if c.target not in STANDARD_FIELDS),
        status_index=next((c.index for c in columns if c.target == STATUS), None),
        statuses=_status_table(mapping.statuses),
        default_status=mapping.default_status if mapping.default_status in LEAD_STATUSES else None,
    )


def _find(fields: abc.Mapping[str, str], header: Header) -> dict[str, _Column] | Refusal:
    """Give each mapped name its column, in the order of the mapping; no column is given twice."""
    exact, alike = _places(header, str), _places(header, _fold)
    found: dict[str, _Column] = {}
    taken: set[int] = set()
    for lookup, key_of in ((exact, _strip), (alike, _fold)):
        for key, target in fields.items():
            places = [] if key in found else lookup.get(key_of(key), [])
            if len({header.names[place] for place in places}) == 1 and len(places) > 1:
                return _duplicate(header.names[places[0]], len(places))
            if len(places) == 1 and places[0] not in taken:
                taken.add(places[0])
                found[key] = _Column(places[0], header.names[places[0]], target)
    return found


def _places(header: Header, key_of: Callable[[str], str]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, name in enumerate(header.names):
        if name:
            places[key_of(name)].append(place)
    return places


def _strip(name: str) -> str:
    return name.strip().lstrip("\ufeff").strip()


def _fold(name: str) -> str:
    return " ".join(_strip(name).casefold().split())


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
