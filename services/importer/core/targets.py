"""The fields of a lead that a column can be mapped to, and how the cells of each are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from services.importer.core import normalise
from services.importer.core.dates import date_of, datetime_of
from services.importer.core.doubt import Doubt
from services.importer.core.numbers import number, price
from shared.mapping import COMPANY_NAME, MAX_NAME, STATUS

# A cell and its column's proven format (see `proof`) to a value, or to why there is none.
Read = Callable[[str, str | None], object | Doubt]


@dataclass(frozen=True, slots=True)
class Kind:
    """How the cells of one target are read: into which attribute, how long, through what, and what a bad one costs."""

    attribute: str
    limit: int = 2_000
    read: Read | None = None  # None: the text as it is
    too_long: str = "too_long"
    fatal: bool = False  # a bad cell costs the whole row
    proof: Literal["", "date", "number"] = ""  # what the column's cells must prove before they can be read

    def values(self, texts: Sequence[str | None], format: str | None) -> tuple[Sequence[Any], dict[str, Doubt]]:
        """What a column's texts mean, None where nothing, and what is doubtful, by text; equal texts are read once."""
        if self.read is None and max(map(len, filter(None, texts)), default=0) <= self.limit:
            return texts, {}
        meanings = {text: text and self._meaning(text, format) for text in set(texts)}
        doubts = {text: meaning for text, meaning in meanings.items() if text and isinstance(meaning, Doubt)}
        for text in doubts:
            meanings[text] = None
        return list(map(meanings.__getitem__, texts)), doubts

    def _meaning(self, text: str, format: str | None) -> Any:
        if len(text) > self.limit:
            return Doubt(self.too_long, f"The cell holds more than {self.limit} characters. Shorten it.")
        return text if self.read is None else self.read(text, format)


@dataclass(frozen=True, slots=True)
class CustomField:
    """One of the organisation's custom fields, as the mapping's version knows it."""

    name: str
    kind: str  # TEXT, NUMBER, PRICE, DATE, DATETIME or EXTERNAL_ID
    currency: str | None = None
    format: str | None = None
    url_template: str | None = None


def custom(target: str, field: CustomField) -> Kind:
    """How cells of a custom field are read; its attribute is its target, `CUSTOM.n`."""
    match field.kind:
        case "NUMBER":
            return Kind(target, 200, number, proof="number")
        case "PRICE":
            return Kind(target, 200, partial(_price, currency=field.currency), proof="number")
        case "DATE":
            return Kind(target, 200, partial(_dated, date_of, field.format), proof="" if field.format else "date")
        case "DATETIME":
            return Kind(target, 200, partial(_dated, datetime_of, field.format), proof="" if field.format else "date")
        case "EXTERNAL_ID":
            return Kind(target, 500)
        case _:
            return Kind(target)


def _price(cell: str, decimal: str | None, currency: str | None) -> str | Doubt:
    return price(cell, decimal, currency)


def _dated(read: Callable[..., str | Doubt], declared: str | None, cell: str, order: str | None) -> str | Doubt:
    return read(cell, order, declared)


def _checked(parse: Callable[[str], object | None], code: str, advice: str) -> Read:
    """A reading that says `code` where the parser finds nothing of its kind."""
    doubt = Doubt(code, advice)

    def read(cell: str, _format: str | None) -> object | Doubt:
        value = parse(cell)
        return doubt if value is None else value

    return read


_DATE = Kind("status_date", 200, date_of, proof="date")
_WEBSITE = Kind(
    "website", read=_checked(normalise.host, "bad_website", "It is no web address such as www.company.com.")
)
_ADDRESS = _checked(normalise.email, "bad_email", "It is no e-mail address such as name@company.com.")
_NUMBER = _checked(normalise.siren, "bad_siren", "It is no valid SIREN (9 digits) or SIRET (14 digits).")
_ID = _checked(
    normalise.lead_id,
    "bad_leadbay_id",
    "It is no LEADBAY_ID. Leave the cell as Leadbay exported it, or empty for a new lead.",
)
# Keys of the database's indexes stay under 2,000 bytes: 500 characters of four bytes.
LEAD: dict[str, Kind] = {
    COMPANY_NAME: Kind("name", 500, too_long="company_name_too_long", fatal=True),
    "LEAD_WEBSITE": _WEBSITE,
    STATUS: Kind("unknown_status", MAX_NAME),  # until it is translated
    "LEAD_STATUS_DATE": _DATE,
    "LEAD_LOCATION": Kind("location"),
    "LEAD_LOCATION_STREET_NUM": Kind("street_num"),
    "LEAD_LOCATION_STREET": Kind("street"),
    "LEAD_LOCATION_POSTCODE": Kind("postcode", 500),
    "LEAD_LOCATION_CITY": Kind("city", 500),
    "LEAD_SECTOR": Kind("sector"),
    "LEAD_SIZE": Kind("size"),
    "CRM_ID": Kind("crm_id", 500),
    "LEADBAY_ID": Kind("leadbay_id", read=_ID, too_long="bad_leadbay_id", fatal=True),
    "DEAL_CRM_ID": Kind("deal_crm_id", 500),
    "EMAIL": Kind("email", read=_ADDRESS),
    "OWNER": Kind("owner"),
    "SCORE": Kind("score"),
    "SIREN": Kind("siren", 100, _NUMBER),
}
CONTACT: dict[str, Kind] = {
    "CONTACT_FIRST_NAME": Kind("first_name"),
    "CONTACT_LAST_NAME": Kind("last_name"),
    "CONTACT_EMAIL": Kind("email", read=_ADDRESS),
    "CONTACT_PHONE_NUMBER": Kind("phone"),
    "CONTACT_TITLE": Kind("title"),
    "CONTACT_LINKEDIN": Kind("linkedin"),
}
