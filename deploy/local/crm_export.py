"""Makes the file that a customer's CRM would export: mostly good rows, and a few as real life has them."""

import csv
import io
from dataclasses import dataclass, replace

_NAMES = ("Atelier Moreau", "Café Lumière", "Nordwind Logistik", "Quantum Dairy", "Société Générale du Bois")
_CITIES = (("75011", "Paris"), ("09059", "Chemnitz"), ("69002", "Lyon"), ("44000", "Nantes"), ("33000", "Bordeaux"))
_STATUSES = ("Gagné", "Perdu", "En cours", "Nouveau")
_PEOPLE = (("Inès", "Durand"), ("Otto", "Krüger"), ("Maya", "Lopez"), ("Noé", "Petit"))

HEADER = ("Id CRM", "Raison sociale", "Site web", "Statut", "Code postal", "Ville", "Prénom", "Nom", "E-mail")
MAPPING = {
    "Id CRM": "CRM_ID",
    "Raison sociale": "LEAD_NAME",
    "Site web": "LEAD_WEBSITE",
    "Statut": "LEAD_STATUS",
    "Code postal": "LEAD_LOCATION_POSTCODE",
    "Ville": "LEAD_LOCATION_CITY",
    "Prénom": "CONTACT_FIRST_NAME",
    "Nom": "CONTACT_LAST_NAME",
    "E-mail": "CONTACT_EMAIL",
}
STATUSES = {"gagne": "WON", "Perdu": "LOST", "en cours": "WANTED"}


@dataclass(frozen=True)
class Company:
    """One row of the export."""

    number: int
    name: str
    status: str

    def row(self) -> tuple[str, ...]:
        """The row's cells."""
        first, last = _PEOPLE[self.number % len(_PEOPLE)]
        return (
            f"C-{self.number:05}",
            self.name,
            f"https://www.company-{self.number:05}.example.com/",
            self.status,
            *_CITIES[self.number % len(_CITIES)],
            first,
            last,
            f"{last.lower()}.{self.number}@company-{self.number:05}.example.com",
        )


def companies(count: int) -> list[Company]:
    """As many companies."""
    return [
        Company(number, f"{_NAMES[number % len(_NAMES)]} {number}", _STATUSES[number % len(_STATUSES)])
        for number in range(1, count + 1)
    ]


def with_changes(before: list[Company]) -> list[Company]:
    """The next night's export: two deals were won, one company is new."""
    changed = [replace(company, status="Gagné") if company.number in {2, 3} else company for company in before]
    return [*changed, Company(len(before) + 1, "Nouvelle Vague SARL", "Nouveau")]


def export(found: list[Company]) -> bytes:
    """The CSV as French Excel users know it: semicolons, quoted cells over two lines, and three bad rows."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(HEADER)
    for place, company in enumerate(found):
        writer.writerow(company.row())
        if place == 4:
            writer.writerow(("C-90001", "", "https://nameless.example.com", "Perdu", "", "", "", "", ""))
        if place == 9:
            writer.writerow(("C-90002", "Deux\r\nLignes SA", "", "Perdu", "13001", "Marseille", "", "", ""))
            writer.writerow(("C-90003", "Trop de cellules", "", "", "", "", "", "", "", "extra", "extra"))
        if place == 14:
            text.write('C-90004;"Guillemet ouvert;;Perdu;;;;;\r\n')
    return text.getvalue().encode("utf-8-sig")
