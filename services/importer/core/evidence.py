"""What the values of a column look like: shares of its cells that are addresses, numbers, dates and the like."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from services.importer.core import normalise
from services.importer.core.shared_hosts import is_shared
from shared.mapping import unaccented

MAX_CELLS = 200
_MAX_READ = 2_000  # cells, empty ones included
_MAX_CHARS = 200

_MAILBOX_WORDS = """
accueil achat achats admin administration agence bonjour bureau comercial commercial compta comptabilite contact
contacto contacts contatti direction enquiries facturation hello hi info infos information informations kontakt mail
mairie marketing office post sales secretariat service support team vente ventes welcome
"""
_GENERIC = frozenset(_MAILBOX_WORDS.split())
_STREET_WORDS = """
allee allees av ave avenue bd blvd boulevard calle chaussee chemin corso cours court drive esplanade faubourg gasse
highway impasse lane lieu lotissement parc parkway passage piazza place platz plaza promenade quai rd road route rue
sentier square st str strasse street terrace via viale villa voie way weg za zac zi
"""
_STREETS = frozenset(_STREET_WORDS.split())
_LEGAL_FORMS = "ab ag bv corp eirl eurl gmbh inc kg llc llp ltd nv oy plc sa sarl sas sasu sci scop sl spa srl"
_LEGAL = frozenset(_LEGAL_FORMS.split())
_YES_NO = "0 1 false faux ja n nein no non o oui si t true vrai x y yes"
_FLAGS = frozenset(_YES_NO.split())
_MONTH_WORDS = """
jan fev feb mar avr apr mai may jun juin jul juil aou aug sep oct okt nov dec dez janv fevr mars avri april
"""
_MONTHS = frozenset(_MONTH_WORDS.split())
_DAY_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(?:\d{4}|\d\d)(?:[ t,].{1,20})?", re.ASCII)
_YEAR_FIRST = re.compile(r"\d{4}([/.-])(\d{1,2})\1(\d{1,2})(?:[ t].{1,25})?", re.ASCII)
_POSTCODE = re.compile(
    r"(?:[a-z]{1,2}-)?\d{4,5}(?: cedex(?: \d\d)?)?"  # most of Europe
    r"|\d{5}-\d{4}|\d{3} \d\d|\d\d-\d{3}|\d{4}-\d{3}"  # United States, Sweden, Poland, Portugal
    r"|\d{4} ?[a-z]{2}|[a-z]\d[a-z] ?\d[a-z]\d"  # Netherlands, Canada
    r"|[a-z]{1,2}\d[a-z\d]? ?\d[a-z]{2}",  # United Kingdom
    re.ASCII,
)
_PHONE = re.compile(r"\+?[\d\s().\-/]{8,30}(?:(?:x|ext\.?|poste) ?\d{1,6})?", re.ASCII)
_WORD = re.compile(r"[^\W_]+")
_NOT_DIGIT = re.compile(r"\D+", re.ASCII)
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,20})?", re.ASCII)
_GROUPING = str.maketrans({" ": "", "\u00a0": "", "\u202f": "", "'": "", ",": ".", "%": "", "\u20ac": "", "$": ""})


# What the values of a target look like, and the share of evidence that tells.
SHAPES: dict[str, str] = {
    "LEAD_WEBSITE": "web",
    "LEAD_STATUS_DATE": "date",
    "LEAD_LOCATION_POSTCODE": "postcode",
    "LEADBAY_ID": "uuid",
    "EMAIL": "email",
    "SIREN": "siren",
    "CONTACT_EMAIL": "email",
    "CONTACT_PHONE_NUMBER": "phone",
    "CONTACT_LINKEDIN": "linkedin_person",
}
# What the values of the other targets never look like.
_NEVER = ("email", "uuid", "date", "flag")
_FOREIGN: dict[str, tuple[str, ...]] = {
    "LEAD_NAME": (*_NEVER, "web", "shared_web", "number", "phone"),
    "LEAD_STATUS": ("email", "uuid", "date", "web", "shared_web"),
    "LEAD_LOCATION": (*_NEVER, "web", "shared_web", "number"),
    "LEAD_LOCATION_STREET": (*_NEVER, "web", "shared_web", "number"),
    "LEAD_LOCATION_STREET_NUM": ("email", "uuid", "date", "web", "shared_web", "street"),
    "LEAD_LOCATION_CITY": (*_NEVER, "web", "shared_web", "number", "postcode"),
    "LEAD_SECTOR": (*_NEVER, "web", "shared_web", "number"),
    "LEAD_SIZE": ("email", "uuid", "web", "shared_web"),
    "CRM_ID": ("email", "date", "flag"),
    "DEAL_CRM_ID": ("email", "date", "flag"),
    "OWNER": ("uuid", "date", "flag", "web", "shared_web", "number"),
    "SCORE": ("email", "uuid", "date", "web", "shared_web"),
    "CONTACT_FIRST_NAME": (*_NEVER, "web", "shared_web", "number", "phone", "street"),
    "CONTACT_LAST_NAME": (*_NEVER, "web", "shared_web", "number", "phone", "street"),
    "CONTACT_TITLE": (*_NEVER, "web", "shared_web", "number", "phone"),
}
_WORDS = {
    "email": "e-mail addresses",
    "uuid": "UUIDs",
    "date": "dates",
    "flag": "yes or no",
    "web": "web addresses",
    "shared_web": "pages of a social network or directory",
    "number": "plain numbers",
    "phone": "phone numbers",
    "street": "streets",
    "address": "whole addresses",
    "postcode": "postcodes",
    "siren": "valid SIREN or SIRET numbers",
    "linkedin_person": "LinkedIn profiles of people",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen of a column: `read` cells, `filled` of them not empty, and shares (0..1) of the filled ones."""

    read: int = 0
    filled: int = 0
    email: float = 0.0
    mailbox: float = 0.0  # e-mail at a consumer's mailbox provider
    generic: float = 0.0  # e-mail to a company rather than to a person: info@, contact@, accueil@
    web: float = 0.0  # a host or URL of a company's own
    shared_web: float = 0.0  # a host or URL on a site that many share, LinkedIn included
    linkedin_person: float = 0.0
    linkedin_company: float = 0.0
    siren: float = 0.0  # a SIREN or SIRET with valid check digits
    phone: float = 0.0
    postcode: float = 0.0
    date: float = 0.0
    uuid: float = 0.0
    number: float = 0.0
    flag: float = 0.0  # yes or no, in one way or another
    street: float = 0.0  # a number and a word such as "rue" or "road"
    address: float = 0.0  # a street with a postcode: a whole address
    legal_form: float = 0.0  # a company's name with SAS, Ltd, GmbH
    distinct: float = 0.0  # different cells
    words: float = 0.0  # words a cell, on average: no share

    def count(self, share: str) -> int:
        """Turn the named share back into a number of cells."""
        return round(self.share(share) * self.filled)

    def share(self, name: str) -> float:
        """Look a share up by its name."""
        return float(getattr(self, name))

    def told(self, share: str) -> str:
        """Tell a share in plain words."""
        return f"{self.count(share)} of {self.filled} cells are {_WORDS[share]}"

    def foreign(self, target: str) -> tuple[str, float]:
        """Name the share of cells that cannot be of the target; the largest, as most of those kinds exclude others."""
        kinds = _FOREIGN.get(target, ())
        worst = max(kinds, key=self.share, default="")
        return worst, self.share(worst) if worst else 0.0


def look(cells: Sequence[str], limit: int = MAX_CELLS) -> Evidence:
    """Look at the first filled cells, `limit` at most and 200 characters of each; linear in what is looked at."""
    read, seen = _filled(cells, limit)
    filled = sum(seen.values())
    if not filled:
        return Evidence(read=read)
    hits = Counter[str]()
    words = 0
    for value, times in seen.items():
        folded = unaccented(value)
        parts = _WORD.findall(folded)
        words += len(parts) * times
        for kind in _kinds(value, folded, parts):
            hits[kind] += times
    shares = {kind: times / filled for kind, times in hits.items()}
    return Evidence(read=read, filled=filled, distinct=len(seen) / filled, words=words / filled, **shares)


def _filled(cells: Sequence[str], limit: int) -> tuple[int, Counter[str]]:
    """Count the different filled cells, cut short, and how many cells were read to find them."""
    seen = Counter[str]()
    read = filled = 0
    for cell in islice(cells, _MAX_READ):
        if filled == limit:
            break
        read += 1
        value = normalise.text(cell[:_MAX_CHARS])
        if value is not None:
            seen[value] += 1
            filled += 1
    return read, seen


def _kinds(value: str, folded: str, words: list[str]) -> list[str]:
    """Name every kind of value that the cell could be."""
    if "@" in value:
        return _mail_kinds(value)
    if folded in _FLAGS:
        return ["flag", "number"] if folded in ("0", "1") else ["flag"]
    kinds = _digit_kinds(value, folded, words) if any(map(str.isdigit, value)) else []
    if "." in value and " " not in value:
        kinds += _web_kinds(folded)
    if not _LEGAL.isdisjoint(words):
        kinds.append("legal_form")
    return kinds


def _mail_kinds(value: str) -> list[str]:
    address = normalise.email(value)
    if address is None:
        return []
    local, _, name = address.rpartition("@")
    kinds = ["email"]
    if is_shared(name):
        kinds.append("mailbox")
    if local.partition("+")[0].partition(".")[0].partition("-")[0] in _GENERIC:
        kinds.append("generic")
    return kinds


def _web_kinds(folded: str) -> list[str]:
    host = normalise.host(folded)
    if host is None:
        return []
    if not is_shared(host):
        return ["web"]
    if host == "linkedin.com" or host.endswith(".linkedin.com"):
        if "linkedin.com/in/" in folded or "linkedin.com/pub/" in folded:
            return ["shared_web", "linkedin_person"]
        if "linkedin.com/company/" in folded or "linkedin.com/school/" in folded:
            return ["shared_web", "linkedin_company"]
    return ["shared_web"]


def _digit_kinds(value: str, folded: str, words: list[str]) -> list[str]:
    kinds = [kind for kind, test in _DIGIT_KINDS.items() if test(folded)]
    if _is_date(folded, words):
        kinds.append("date")
    elif _is_phone(value):
        kinds.append("phone")
    if _is_street(words):
        kinds.append("street")
        if _has_postcode(words):
            kinds.append("address")
    return kinds


def _is_number(value: str) -> bool:
    """Tell numbers, grouped and with either decimal sign; leading zeros are those of codes and phones."""
    plain = value.translate(_GROUPING)
    return _NUMBER.fullmatch(plain) is not None and not (plain[0] == "0" and plain[1:2].isdigit())


def _is_date(folded: str, words: list[str]) -> bool:
    if found := _DAY_FIRST.fullmatch(folded):
        return 1 <= int(found[1]) <= 31 and 1 <= int(found[3]) <= 31
    if found := _YEAR_FIRST.fullmatch(folded):
        return 1 <= int(found[2]) <= 12 and 1 <= int(found[3]) <= 31
    named = any(word[:4] in _MONTHS or word[:3] in _MONTHS for word in words)
    return named and 2 <= len(words) <= 6 and any(len(word) == 4 and word.isdigit() for word in words)


def _is_phone(value: str) -> bool:
    # Excel takes the leading zero of a French number, so nine bare digits may be a phone too.
    return _PHONE.fullmatch(value) is not None and 8 <= len(_NOT_DIGIT.sub("", value)) <= 21


def _is_street(words: list[str]) -> bool:
    numbered = any(word[0].isdigit() for word in words)
    return numbered and any(word in _STREETS or word.endswith(("strasse", "straat", "gatan")) for word in words)


def _has_postcode(words: list[str]) -> bool:
    """Find a postcode after the street: five digits, or the two halves of a British, Canadian or Dutch one."""
    return any(
        (len(word) == 5 and word.isdigit()) or (place > 1 and _POSTCODE.fullmatch(f"{words[place - 1]} {word}"))
        for place, word in enumerate(words)
    )


_DIGIT_KINDS: dict[str, Callable[[str], bool]] = {
    "siren": lambda value: normalise.siren(value) is not None,
    "postcode": lambda value: _POSTCODE.fullmatch(value) is not None,
    "uuid": lambda value: normalise.lead_id(value) is not None,
    "number": _is_number,
}
