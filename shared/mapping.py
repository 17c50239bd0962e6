"""The organisation's import mapping, shared with manual ones: its vocabulary, and what keeps one from being saved."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from shared.contracts import FieldProblem

LEAD_STATUSES = ("DEFAULT", "INBOUND", "UNWANTED", "WANTED", "LOST", "WON")
COMPANY_NAME = "LEAD_NAME"
CUSTOM_PREFIX = "CUSTOM."
STATUS = "LEAD_STATUS"
STANDARD_FIELDS: tuple[str, ...] = (
    COMPANY_NAME,
    "LEAD_WEBSITE",
    STATUS,
    "LEAD_STATUS_DATE",
    "LEAD_LOCATION",
    "LEAD_LOCATION_STREET_NUM",
    "LEAD_LOCATION_STREET",
    "LEAD_LOCATION_POSTCODE",
    "LEAD_LOCATION_CITY",
    "LEAD_SECTOR",
    "LEAD_SIZE",
    "CRM_ID",
    "LEADBAY_ID",
    "DEAL_CRM_ID",
    "EMAIL",
    "OWNER",
    "SCORE",
    "SIREN",
    "CONTACT_FIRST_NAME",
    "CONTACT_LAST_NAME",
    "CONTACT_EMAIL",
    "CONTACT_PHONE_NUMBER",
    "CONTACT_TITLE",
    "CONTACT_LINKEDIN",
)
MAX_NAME = 1_000  # characters of a column's name or of a status

_CUSTOM = re.compile(r"CUSTOM\.[0-9]{1,19}")
_MAX_COLUMNS = 500
_MAX_STATUSES = 2_000
_SHOWN_NAMES = 50
_SHOWN_CHARS = 60


def is_custom(target: str) -> bool:
    """Whether the target names a custom field, be there one or not."""
    return _CUSTOM.fullmatch(target) is not None


def custom_ids(fields: Mapping[str, str]) -> set[str]:
    """The ids of the custom fields that a mapping's targets name."""
    return {target.removeprefix(CUSTOM_PREFIX) for target in fields.values() if is_custom(target)}


def unaccented(value: str) -> str:
    """The text in lower case, without accents."""
    if value.isascii():
        return value.lower()
    decomposed = unicodedata.normalize("NFKD", value).casefold()
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def status_key(raw: str) -> str:
    """Fold a status for comparison: letter case, accents and stray spaces."""
    return " ".join(unaccented(raw).split())


def mapping_problems(
    fields: Mapping[str, str],
    statuses: Mapping[str, str],
    default_status: str | None,
    custom_fields: Mapping[str, str],
) -> list[FieldProblem]:
    """List what keeps a mapping from being saved; an empty list means that it can be.

    The keys of `fields` are names of columns, or `#1`, `#2`... in files without a header. `custom_fields` gives the
    names of the organisation's custom fields by their ids.
    """
    found = [*_size_problems(fields, statuses)]
    if not found:
        found += [
            *_column_problems(fields),
            *_target_problems(fields, custom_fields),
            *_duplicate_problems(fields),
            *_status_problems(statuses, default_status),
        ]
    return found


def _size_problems(fields: Mapping[str, str], statuses: Mapping[str, str]) -> Iterator[FieldProblem]:
    if len(fields) > _MAX_COLUMNS:
        yield _problem("fields", "too_many_columns", f"Map at most {_MAX_COLUMNS} columns.")
    if len(statuses) > _MAX_STATUSES:
        yield _problem("statuses", "too_many_statuses", f"Map at most {_MAX_STATUSES} statuses.")
    for place, names in (("fields", fields), ("statuses", statuses)):
        for name in names:
            if len(name) > MAX_NAME:
                message = f"This name is longer than {MAX_NAME} characters. Shorten it."
                yield _problem(f"{place}.{shown(name)}", "name_too_long", message)
            elif any(char == "\0" or "\ud800" <= char <= "\udfff" for char in name):
                yield _problem(f"{place}.{shown(name)}", "bad_text", "This name holds a broken character. Retype it.")


def _column_problems(fields: Mapping[str, str]) -> Iterator[FieldProblem]:
    if COMPANY_NAME not in fields.values():
        yield _problem("fields", "company_name_not_mapped", f"Map one column to {COMPANY_NAME}, the company name.")
    if not all(column.strip() for column in fields):
        yield _problem("fields", "blank_column", "A column without a name cannot be mapped. Name it in the file.")


def _target_problems(fields: Mapping[str, str], custom_fields: Mapping[str, str]) -> Iterator[FieldProblem]:
    custom = listed([f"{CUSTOM_PREFIX}{field_id} ({name})" for field_id, name in custom_fields.items()])
    for column, target in fields.items():
        place = f"fields.{shown(column)}"
        if is_custom(target):
            if target.removeprefix(CUSTOM_PREFIX) not in custom_fields:
                allowed = f"The custom fields are {custom}." if custom else "The organisation has no custom field."
                message = f"{target} is none of the organisation's custom fields. {allowed}"
                yield _problem(place, "unknown_custom_field", message)
        elif target not in STANDARD_FIELDS:
            allowed = ", ".join(STANDARD_FIELDS) + (f" or {custom}" if custom else "")
            message = f"{shown(target)} is no field of Leadbay. Choose one of {allowed}."
            yield _problem(place, "unknown_target", message)


def _duplicate_problems(fields: Mapping[str, str]) -> Iterator[FieldProblem]:
    """Two columns may go into one custom field, but not into one standard field: one of them would be lost."""
    columns: dict[str, list[str]] = defaultdict(list)
    for column, target in fields.items():
        columns[target].append(column)
    for target, names in columns.items():
        if len(names) > 1 and target in STANDARD_FIELDS:
            message = f"{len(names)} columns are mapped to {target}: {listed(names)}. Keep one of them."
            yield _problem(f"fields.{shown(names[1])}", "duplicate_target", message)


def _status_problems(statuses: Mapping[str, str], default_status: str | None) -> Iterator[FieldProblem]:
    known = ", ".join(LEAD_STATUSES)
    seen: dict[str, str] = {}
    for raw, status in statuses.items():
        place = f"statuses.{shown(raw)}"
        if status not in LEAD_STATUSES:
            message = f"{shown(status)} is no lead status. Choose one of {known}."
            yield _problem(place, "unknown_lead_status", message)
        elif seen.setdefault(status_key(raw), status) != status:
            message = "The same text, but for letter case, accents or spaces, is mapped to another status."
            yield _problem(place, "ambiguous_status", message)
    if default_status is not None and default_status not in LEAD_STATUSES:
        message = f"{shown(default_status)} is no lead status. Choose one of {known}, or none."
        yield _problem("default_status", "unknown_lead_status", message)


def _problem(field: str, code: str, message: str) -> FieldProblem:
    return FieldProblem(field=field, code=code, message=message)


def listed(names: Sequence[str]) -> str:
    """Names from outside as they may stand in a message, the first fifty of them."""
    found = ", ".join(map(shown, names[:_SHOWN_NAMES]))
    return f"{found} and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else found


def shown(name: str) -> str:
    """A name from outside as it may stand in a message: short, with nothing in it that does not print."""
    cut = name if len(name) <= _SHOWN_CHARS else name[: _SHOWN_CHARS - 1] + "\u2026"
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in cut)
