"""Every record of a file is accounted for, however odd: read = created + updated + unchanged + rejected + ignored."""

import random

import psycopg
import pytest
from psycopg_pool import ConnectionPool

from shared.contracts import NotificationPushed, SyncSucceeded
from shared.database import Db
from tests.integration.importer.builders import Imports, counts, counts_of
from tests.integration.scheduler.builders import only

ODDITIES = [
    "CRM export of 3 March,,,",
    "",
    "Company,Id,City,Website",
    "Acme,A,Lyon,acme.com",
    "",
    "Bolt,B",  # short: padded, with a warning
    "Core,C,Lille,core.fr,extra",  # too long: rejected
    '"Dune,D,Nice,dune.fr',  # its quote never closes: rejected
    "Company,Id,City,Website",  # the header once more
    ",E,Paris,",  # no name: rejected
    ",,,",
    "Acme,A,Marseille,acme.com",
    "Acme,A,,",
    '"Echo ""E"" Inc",F,"Saint-\nÉtienne",echo.fr',
    'Fox "The" Inc,G,Metz,fox.fr',  # a stray quote: a warning
    "n/a,H,Brest,",  # a placeholder is no name
    "",
    "Total,7,,",
]
CONTENT = "\r\n".join((*ODDITIES, "")).encode()


def test_a_file_full_of_oddities_is_counted_to_the_last_record(imports: Imports) -> None:
    # When it is imported, then each record has become one thing, and the table's own check agrees
    run = imports.imported(CONTENT)
    assert counts_of(run) == counts(17, created=4, updated=2, rejected=4, ignored=7)
    assert imports.names() == ["Acme", "Bolt", 'Echo "E" Inc', 'Fox "The" Inc']
    # And each that did not become a lead is told by its line, those that were left blank apart
    told = only(imports.owed(), SyncSucceeded)
    assert [(reject.line, reject.record, reject.code) for reject in told.rejects] == [
        (7, 3, "extra_cells"),
        (8, 4, "unclosed_quote"),
        (10, 5, "company_name_missing"),
        (17, 10, "company_name_missing"),
    ]
    assert {(warning.line, warning.code) for warning in told.warnings} == {
        (1, "preamble"),
        (6, "short_row"),
        (9, "repeated_header"),
        (16, "stray_quote"),
        (19, "footer"),
    }
    assert (run["warning_count"], told.warning_count) == (5, 5)
    # And the bell shows what was a row of the table
    progress = only(imports.owed(), NotificationPushed).bulk_progress
    assert (progress.total_count, progress.success_count, progress.failure_count) == (10, 6, 4)


def test_the_same_file_again_has_only_unchanged_rows(imports: Imports) -> None:
    imports.imported(CONTENT)
    run = imports.imported(CONTENT)
    assert counts_of(run) == counts(17, unchanged=6, rejected=4, ignored=7)


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_lines_and_the_batches_the_counts_add_up(
    connections: ConnectionPool[Db], imports: Imports, seed: int
) -> None:
    # Given the header, then the other lines in any order and number
    dice = random.Random(seed)
    lines = ["Company,Id,City,Website", "Gulf,J,Nancy,gulf.fr", *dice.choices(ODDITIES[3:], k=60)]
    content = "\r\n".join((*lines, "")).encode()
    small = Imports(connections, imports.folder, batch_rows=dice.randint(1, 9))
    small.save_mapping()
    # When they are imported, tried and imported again
    first = small.imported(content)
    tried = small.imported(content, dry_run=True)
    again = small.imported(content)
    # Then every record is accounted for each time, and what is no lead is the same
    assert (first["outcome"], tried["outcome"], again["outcome"]) == ("succeeded", "succeeded", "succeeded")
    assert counts_of(tried) == counts_of(again)
    for name in ("read", "rejected", "ignored"):
        assert counts_of(first)[name] == counts_of(again)[name]
    assert counts_of(first)["created"] == len(small.names())
    assert counts_of(again)["created"] == 0


def test_the_table_itself_refuses_counts_that_do_not_add_up(imports: Imports) -> None:
    imports.imported(CONTENT)
    for change in ("rows_read = rows_read + 1", "rows_ignored = 0"):
        with pytest.raises(psycopg.errors.CheckViolation):
            imports.all(f"update runs set {change}")
