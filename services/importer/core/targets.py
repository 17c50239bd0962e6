"""The fields of a lead that a column can be mapped to, and how the cells of each are read."""

from collections.abc import Callable
from dataclasses import dataclass

from services.importer.core import normalise
from shared.mapping import COMPANY_NAME, MAX_NAME, STATUS


@dataclass(frozen=True, slots=True)
class Kind:
    """How the cells of one target are read: into which attribute, how long, through what, and what a bad one costs."""

    attribute: str
    limit: int = 2_000
    parse: Callable[[str], object | None] | None = None
    code: str = ""
    advice: str = ""
    too_long: str = "too_long"
    fatal: bool = False


_DATE = Kind("status_date", 100, normalise.iso_date, "date_not_understood", "Write dates as YYYY-MM-DD.")
_WEBSITE = Kind("website", 2_000, normalise.host, "bad_website", "It is no web address such as www.company.com.")
_EMAIL = Kind("email", 2_000, normalise.email, "bad_email", "It is no e-mail address such as name@company.com.")
_SIREN = Kind("siren", 100, normalise.siren, "bad_siren", "It is no valid SIREN (9 digits) or SIRET (14 digits).")
_ID_ADVICE = "It is no LEADBAY_ID. Leave the cell as Leadbay exported it, or empty for a new lead."
_ID = Kind("leadbay_id", 2_000, normalise.lead_id, "bad_leadbay_id", _ID_ADVICE, "bad_leadbay_id", fatal=True)
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
    "LEADBAY_ID": _ID,
    "DEAL_CRM_ID": Kind("deal_crm_id", 500),
    "EMAIL": _EMAIL,
    "OWNER": Kind("owner"),
    "SCORE": Kind("score"),
    "SIREN": _SIREN,
}
CONTACT: dict[str, Kind] = {
    "CONTACT_FIRST_NAME": Kind("first_name"),
    "CONTACT_LAST_NAME": Kind("last_name"),
    "CONTACT_EMAIL": _EMAIL,
    "CONTACT_PHONE_NUMBER": Kind("phone"),
    "CONTACT_TITLE": Kind("title"),
    "CONTACT_LINKEDIN": Kind("linkedin"),
}
