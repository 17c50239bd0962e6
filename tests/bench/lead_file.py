"""A CSV as a CRM exports it: one company a row with its contact, 15 columns, about 230 bytes a row, always the same."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

HEADER = (
    *("CRM id", "Company", "Website", "Status", "Street", "Postcode", "City", "Sector", "Size"),
    *("First name", "Last name", "Email", "Phone", "Job title", "Owner"),
)
FIELDS = dict(
    zip(
        HEADER,
        (
            *("CRM_ID", "LEAD_NAME", "LEAD_WEBSITE", "LEAD_STATUS", "LEAD_LOCATION_STREET", "LEAD_LOCATION_POSTCODE"),
            *("LEAD_LOCATION_CITY", "LEAD_SECTOR", "LEAD_SIZE", "CONTACT_FIRST_NAME", "CONTACT_LAST_NAME"),
            *("CONTACT_EMAIL", "CONTACT_PHONE_NUMBER", "CONTACT_TITLE", "OWNER"),
        ),
        strict=True,
    )
)
_CHANGING = ("Street", "Phone", "Job title")
STATUSES = {"Client": "WON", "Perdu": "LOST", "Prospect": "WANTED", "Nouveau": "INBOUND"}


def _listed(words: str) -> tuple[str, ...]:
    return tuple(words.split())


_WORDS = _listed(
    "Nord Sud Alpha Atlas Boréal Delta Émeraude Horizon Jura Loire Mistral Océan Pivot Quartz Rhône Soleil"
)
_TRADES = _listed("Conseil Logistique Industrie Services Distribution Énergie Bâtiment Transport Santé Formation")
_CITIES = _listed("Paris Lyon Marseille Toulouse Nice Nantes Strasbourg Montpellier Bordeaux Lille Rennes Reims")
_FIRST = _listed("Anne Benoît Camille David Élodie François Gaëlle Hugo Inès Julien Karine Louis Marie Nicolas")
_LAST = _listed("Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre")
_TITLES = ("Directeur général", "Responsable achats", "Directrice commerciale", "Gérant", "Chef de projet")


def row(number: int, version: int = 0) -> str:
    """The line of one company; another version has another street, title and phone number."""
    cells = _cells(number, random.Random(number * 1_000_003))
    if version:
        other = _cells(number, random.Random(number * 1_000_003 + version))
        pairs = zip(HEADER, cells, other, strict=True)
        cells = tuple(after if name in _CHANGING else before for name, before, after in pairs)
    return ",".join(cells) + "\r\n"


def _cells(number: int, draw: random.Random) -> tuple[str, ...]:
    name = f"{draw.choice(_WORDS)} {draw.choice(_TRADES)} {number} SAS"
    site = f"{name.split(maxsplit=1)[0].lower()}-{number}.example.fr".translate(_PLAIN)
    first, last = draw.choice(_FIRST), draw.choice(_LAST)
    return (
        f"001-{number:09d}",
        name,
        f"https://www.{site}",
        draw.choice(tuple(STATUSES)),
        f"{draw.randrange(1, 300)} rue du {draw.choice(_WORDS)} {draw.choice(_TRADES)}",
        f"{draw.randrange(1000, 95999):05d}",
        draw.choice(_CITIES),
        draw.choice(_TRADES),
        str(draw.randrange(1, 5000)),
        first,
        last,
        f"{first}.{last}@{site}".lower().translate(_PLAIN),
        f"+33 {draw.randrange(1, 10)} {draw.randrange(10**8):08d}",
        draw.choice(_TITLES),
        f"{draw.choice(_FIRST)} {draw.choice(_LAST)}",
    )


def write(path: Path, rows: int, *, changed: Callable[[int], bool] = lambda _number: False) -> None:
    """Write a file of so many rows; those that `changed` names stand in another version."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(HEADER) + "\r\n")
        file.writelines(_rows(rows, changed))


def _rows(rows: int, changed: Callable[[int], bool]) -> Iterator[str]:
    for number in range(rows):
        yield row(number, int(changed(number)))


_PLAIN = str.maketrans("éèëîïçÉ", "eeeiicE", "'")
