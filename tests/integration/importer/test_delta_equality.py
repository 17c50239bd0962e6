"""An import of what changed leaves and tells the same as an import of the whole file, whatever changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg_pool import ConnectionPool

from shared.database import Db
from tests.bench import lead_file
from tests.integration.importer.builders import csv_of
from tests.integration.importer.customer_file import COLUMNS, CsvFile, Edit, edits, files
from tests.integration.importer.pairs import Pair

Rows = Sequence[Mapping[str, str]]

ACME = {"Company": "Acme", "Id": "A"}
BOLT = {"Company": "Bolt", "Id": "B"}
CORE = {"Company": "Core", "Id": "C"}
LYON, PARIS, NICE = {"City": "Lyon"}, {"City": "Paris"}, {"City": "Nice"}
WON, LOST = {"Status": "Customer"}, {"Status": "Lost"}
DEAL, OTHER_DEAL = {"Deal": "D-1"}, {"Deal": "D-2"}
ANN, BOB = {"First name": "Ann", "Email": "ann@acme.com"}, {"First name": "Bob", "Email": "bob@acme.com"}
SITE = {"Website": "acme.com"}
NAMELESS = {"Company": "", "Id": "A"}
SIRENS = ({"Siren": "732829320"}, {"Siren": "552100554"}, {"Siren": "443061841"})


@pytest.fixture
def pair(connections: ConnectionPool[Db], tmp_path: Path) -> Pair:
    """Two organisations that map every key; one of them reads each file whole."""
    return Pair(connections, tmp_path / "blobs", COLUMNS)


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=files,
    versions=st.lists(st.lists(edits, min_size=1, max_size=4), min_size=1, max_size=3),
    default_status=st.sampled_from([None, "INBOUND"]),
)
def test_whatever_happens_to_a_file(
    connections: ConnectionPool[Db],
    tmp_path: Path,
    file: CsvFile,
    versions: list[list[Edit]],
    default_status: str | None,
) -> None:
    pair = Pair(connections, tmp_path / "blobs", COLUMNS, default_status=default_status)
    pair.bring(bytes(file))
    for version in versions:
        for edit in version:
            file = edit(file)
        pair.bring(bytes(file))


SEVERAL_ROWS_OF_A_COMPANY: dict[str, list[Rows]] = {
    "in another order": [[ACME | LYON, ACME | PARIS, BOLT], [ACME | PARIS, ACME | LYON, BOLT]],
    "and others between them": [[ACME | LYON, ACME | PARIS], [ACME | LYON, BOLT, CORE, ACME | PARIS]],
    "the last of them vanishes": [[ACME | LYON, ACME | PARIS, BOLT], [ACME | LYON, BOLT]],
    "the last of them is rejected": [[ACME | LYON, ACME | PARIS, BOLT], [ACME | LYON, NAMELESS | PARIS, BOLT]],
    "the last of them is rejected no more": [[ACME | LYON, NAMELESS | PARIS, BOLT], [ACME | LYON, ACME | PARIS, BOLT]],
    "the first of them changes what the last one says": [
        [ACME | LYON | WON, ACME | PARIS | LOST],
        [ACME | NICE | LOST, ACME | PARIS | LOST],
    ],
    "one stands there twice and then once": [
        [ACME | LYON, ACME | PARIS, ACME | LYON],
        [ACME | LYON, ACME | PARIS],
        [ACME | PARIS, ACME | LYON, ACME | PARIS],
    ],
    "one goes over to another company": [[ACME | LYON, ACME | PARIS, BOLT], [ACME | LYON, BOLT | PARIS, BOLT]],
    "one becomes a company of its own": [[ACME | SITE, CORE | SITE | {"Id": ""}, BOLT], [ACME | SITE, CORE, BOLT]],
    "a new one comes first": [[ACME | PARIS, BOLT], [ACME | NICE, BOLT, ACME | PARIS]],
    "they come back": [[ACME | LYON, BOLT, ACME | PARIS], [BOLT], [ACME | LYON, BOLT, ACME | PARIS]],
    "a status goes to another and back": [
        [ACME | WON | {"Since": "2026-01-31"}, BOLT],
        [ACME | LOST, ACME | WON, BOLT],
    ],
    "people of theirs change places": [
        [ACME | ANN | {"Title": "CEO"}, ACME | BOB, ACME | ANN | {"Title": "CFO"}],
        [ACME | ANN | {"Title": "CFO"}, ACME | BOB, ACME | ANN | {"Title": "CEO"}],
    ],
}
KEYS: dict[str, list[Rows]] = {
    "two companies swap their ids": [
        [ACME | LYON, BOLT | PARIS],
        [ACME | LYON | {"Id": "B"}, BOLT | PARIS | {"Id": "A"}],
    ],
    "a website moves to another company": [[ACME | SITE, BOLT], [ACME, BOLT | SITE], [ACME | NICE, BOLT | SITE]],
    "a company known by its website gets an id": [
        [{"Company": "Acme"} | SITE, BOLT],
        [ACME | SITE, BOLT],
        [ACME, BOLT, {"Company": "Acme"} | SITE | NICE],
    ],
    "shops of a chain get their own numbers": [
        [CORE | {"Id": ""} | SITE | LYON, CORE | {"Id": ""} | SITE | NICE],
        [CORE | {"Id": ""} | SITE | LYON | SIRENS[0], CORE | {"Id": ""} | SITE | NICE | SIRENS[1]],
        [CORE | {"Id": ""} | SITE | LYON | SIRENS[0], CORE | {"Id": ""} | SITE | PARIS],
    ],
    "a row names two companies, and goes on to": [
        [ACME, BOLT | {"Id": ""} | SITE | LYON, CORE],
        [ACME | SITE, BOLT | {"Id": ""} | SITE | LYON, CORE],
        [ACME | SITE, BOLT | {"Id": ""} | SITE | LYON, CORE | NICE],
    ],
    "a place moves, and with it a name": [
        [{"Company": "Acme"} | LYON, {"Company": "Acme"} | NICE],
        [{"Company": "Acme"} | NICE, {"Company": "Acme"} | PARIS],
    ],
}
DEALS: dict[str, list[Rows]] = {
    "the first of two that name a deal changes": [
        [ACME | DEAL | WON, BOLT | DEAL | LOST],
        [ACME | DEAL | WON | NICE, BOLT | DEAL | LOST],
    ],
    "the second of two that name a deal lets it go": [
        [ACME | DEAL | WON, BOLT | DEAL | LOST],
        [ACME | DEAL | WON, BOLT],
    ],
    "the second of two that name a deal vanishes": [[ACME | DEAL | WON, BOLT | DEAL | LOST], [ACME | DEAL | WON]],
    "the second of two that name a deal is rejected": [
        [ACME | DEAL | WON, BOLT | DEAL | LOST],
        [ACME | DEAL | WON, NAMELESS | DEAL | LOST],
    ],
    "an earlier company claims a deal": [[ACME, BOLT | DEAL | LOST], [ACME | DEAL | WON, BOLT | DEAL | LOST]],
    "a new company claims a deal, above its own": [
        [BOLT | DEAL | LOST],
        [ACME | DEAL | WON | {"Since": "2026-01-31"}, BOLT | DEAL | LOST],
    ],
    "two that name a deal change places": [
        [ACME | DEAL | WON, BOLT | DEAL | LOST],
        [BOLT | DEAL | LOST, ACME | DEAL | WON],
    ],
    "a second company names a deal for a while": [
        [ACME | DEAL | WON, BOLT],
        [ACME | DEAL | WON, BOLT | DEAL | LOST],
        [ACME | DEAL | WON, BOLT],
    ],
    "a company without a deal of its own stays between": [
        [ACME | DEAL | WON, BOLT | DEAL, CORE],
        [ACME | DEAL | WON, BOLT | DEAL, CORE | NICE],
        [CORE | NICE, ACME | DEAL | WON, BOLT | PARIS],
    ],
    "deals swap their companies": [[ACME | DEAL, BOLT | OTHER_DEAL], [ACME | OTHER_DEAL, BOLT | DEAL]],
    "three pass a deal on": [
        [ACME | DEAL, BOLT | DEAL, CORE | DEAL],
        [ACME | DEAL, BOLT | DEAL | WON, CORE],
        [ACME | DEAL | NICE, BOLT, CORE],
    ],
    "a company without a word of its own status": [
        [ACME | DEAL | WON | {"Since": "2026-01-31"}, BOLT | DEAL],
        [ACME | DEAL | LOST, BOLT | DEAL],
        [ACME | DEAL | LOST, BOLT | DEAL | {"Since": "2026-02-28"}],
    ],
}
FORMATS: dict[str, list[Rows]] = {
    "a new row proves how dates are written": [
        [ACME | {"Since": "03/04/2026"}, BOLT],
        [ACME | {"Since": "03/04/2026"}, BOLT | {"Since": "31/01/2026"}],
    ],
    "the row that proved it vanishes": [
        [ACME | {"Since": "03/04/2026"}, BOLT | {"Since": "31/01/2026"}],
        [ACME | {"Since": "03/04/2026"}, CORE],
    ],
    "another row proves the opposite": [
        [ACME | {"Since": "03/04/2026"}, BOLT | {"Since": "31/01/2026"}],
        [ACME | {"Since": "03/04/2026"}, BOLT | {"Since": "01/31/2026"}],
    ],
}
TOLD: dict[str, list[Rows]] = {
    "warnings": [[ACME | {"Website": "no site"}, BOLT], [ACME | {"Website": "no site"}, BOLT | NICE]],
    "unknown statuses": [[ACME | {"Status": "Odd"}, BOLT], [CORE, ACME | {"Status": "Odd"}, BOLT | NICE]],
    "rejects": [[ACME, NAMELESS, BOLT, NAMELESS], [CORE, ACME, NAMELESS, BOLT | NICE, NAMELESS]],
}
ALL = SEVERAL_ROWS_OF_A_COMPANY | KEYS | DEALS | FORMATS | TOLD


@pytest.mark.parametrize("versions", ALL.values(), ids=ALL)
def test_rows(pair: Pair, versions: list[Rows]) -> None:
    for rows in [*versions, [*versions[-1], {"Company": "Last"}]]:
        pair.bring(csv_of(rows, tuple(COLUMNS)))


@pytest.mark.parametrize("versions", DEALS.values(), ids=DEALS)
def test_deals_that_are_named_in_several_batches(
    connections: ConnectionPool[Db], tmp_path: Path, versions: list[Rows]
) -> None:
    # Given batches of one row
    pair = Pair(connections, tmp_path / "blobs", COLUMNS, batch_rows=1)
    # Then the leads are the same; how a row is counted depends on those that are merged with it
    for rows in [*versions, [*versions[-1], {"Company": "Last"}]]:
        one, other = pair.brought(csv_of(rows, tuple(COLUMNS)))
        assert one["leads"] == other["leads"]


def test_a_header_that_changes_its_blanks(pair: Pair) -> None:
    # Given a row that is like the header of the next version
    rows = [f"Company{number},{number},Lyon" for number in range(30)]
    rows.insert(9, "Company ,Id,City")
    # Then it repeats the header from then on
    for title in ("Company,Id,City", "Company ,Id,City", "Company,Id,City"):
        pair.bring("\n".join([title, *rows, ""]).encode())


TABLE = "Company,Id,City\nAcme,A,Lyon\nBolt,B,Paris\nCore,C,Nice\n"
LINES: dict[str, list[str]] = {
    "a total at the end becomes a row": [TABLE + "Total,7,\n", TABLE + "Total,7,\nDune,D,Metz\n"],
    "a row becomes a total at the end": [TABLE + "Total,7,\nDune,D,Metz\n", TABLE + "Total,7,\n"],
    "rows become notes below a blank line": [TABLE + "\nEcho,,\nFox,F,Brest\n", TABLE + "\nEcho,,\n"],
    "notes below a blank line become rows": [TABLE + "\nEcho,,\n", TABLE + "\nEcho,,\nFox,F,Brest\n"],
    "a row becomes part of a cell": [
        "Company,Id\nAcme,A\nBolt,B\nCore,C\nDune,D\nEcho,E\n",
        'Company,Id\nAcme,A\n"Hold\nBolt,B\n",H\nCore,C\nDune,D\nEcho,E\n',
        "Company,Id\nAcme,A\nBolt,B\nCore,C\nDune,D\nEcho,F\n",
    ],
    "a row of one column becomes part of a cell": [
        "Company\nAcme\nBolt\nCore\n",
        'Company\nAcme\n"Dune\nBolt\nEcho"\nCore\n',
        "Company\nAcme\nBolt\nFox\n",
    ],
    "a quote opens and swallows rows that are known": [
        TABLE + "Dune,D,Metz\nEcho,E,Brest\n",
        TABLE.replace("Acme", '"Acme') + 'Dune,D,Metz\nEcho,E,"Brest"\n',
    ],
    "a quote that never closed is closed": [
        TABLE + '"Dune,D,Metz\nEcho,E,Brest\n',
        TABLE + '"Dune",D,Metz\nEcho,E,Brest\n',
    ],
    "the header is repeated among known rows": [TABLE, TABLE + TABLE],
    "a preamble appears and goes": [TABLE, "Export of 3 March\n\n" + TABLE, TABLE.replace("Nice", "Metz")],
    "all rows go, and come back": [TABLE, "Company,Id,City\n", TABLE],
    "the last line has no end": [TABLE, TABLE.replace("Lyon", "Metz").rstrip("\n"), TABLE],
    "a row gets shorter, and longer": [
        TABLE,
        TABLE.replace("Bolt,B,Paris", "Bolt,B"),
        TABLE.replace("Bolt,B,Paris", "Bolt,B,Paris,x"),
        TABLE,
    ],
    "lines end in three ways": [TABLE, TABLE.replace("A,Lyon\n", "A,Lyon\r\n"), TABLE.replace("\n", "\r")],
    "blank lines come and go": [TABLE.replace("Bolt", "\n\nBolt"), TABLE.replace("Core", "\n\n\nCore")],
    "a column is named otherwise": [TABLE, TABLE.replace("City", "Town"), TABLE.replace("City", " CITY ")],
    "the file ends as in DOS": [TABLE, TABLE.replace("Nice", "Metz") + "\x1a"],
}


@pytest.mark.parametrize("versions", LINES.values(), ids=LINES)
def test_lines(pair: Pair, versions: list[str]) -> None:
    for text in versions:
        pair.bring(text.encode())


def test_a_file_of_several_blocks_and_batches(connections: ConnectionPool[Db], tmp_path: Path) -> None:
    # Given more than a mebibyte and more rows than one batch has
    pair = Pair(connections, tmp_path / "blobs", lead_file.FIELDS, statuses=lead_file.STATUSES)
    path = tmp_path / "leads.csv"
    lead_file.write(path, 5_200)
    pair.bring(path.read_bytes())
    # When rows change, vanish, appear and move at both ends and in the middle
    header, *rows = path.read_bytes().splitlines(keepends=True)
    changed = [
        lead_file.row(number, 1).encode() if number in (0, 2_999, 5_199) else row for number, row in enumerate(rows)
    ]
    pair.bring(b"".join([header, *changed]))
    pair.bring(b"".join([header, *changed[1:3_000], *changed[4_000:], *changed[3_010:4_000]]))
    pair.bring(b"".join([header, lead_file.row(6_000).encode(), *changed]))
