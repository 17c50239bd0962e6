"""A file without a mapping is told with what it holds; with one, with what that makes of it."""

from collections.abc import Iterator, Sequence

from services.importer.core.mapping import Mapping
from services.importer.core.record import Outcome, Record, Reject, Skipped
from services.importer.core.table import Header
from services.importer.proposal import Proposal, Samples, propose

HEADER = Header(1, ("Company", "Website", "Status", "Mood"))
ROWS = [("Acme", "acme.fr", "Won", "a"), ("Beta", "beta.fr", "won", "b"), ("Gamma", "", "En sommeil", "c")]


def a_mapping(fields: dict[str, str], statuses: dict[str, str] | None = None) -> Mapping:
    return Mapping(1, fields, statuses or {}, None)


def proposed(rows: Sequence[tuple[str, ...]], mapping: Mapping | None = None, header: Header = HEADER) -> Proposal:
    return propose(header, (Record(line, row) for line, row in enumerate(rows, 2)), mapping)


def targets(proposal: Proposal) -> list[str | None]:
    return [view.target for view in proposal.columns]


def test_without_a_mapping_columns_and_statuses_are_suggested_with_how_sure_that_is() -> None:
    found = proposed(ROWS)

    assert targets(found) == ["LEAD_NAME", "LEAD_WEBSITE", "LEAD_STATUS", None]
    assert [view.name for view in found.columns] == list(HEADER.names)
    assert all((view.confidence or 0) >= 50 and view.evidence for view in found.columns[:3])
    assert (found.columns[3].confidence, found.columns[3].evidence) == (None, "")
    assert {view.raw: view.status for view in found.statuses} == {"Won": "WON", "won": "WON", "En sommeil": None}


def test_with_a_mapping_its_own_targets_and_statuses_are_told() -> None:
    found = proposed(ROWS, a_mapping({"mood": "LEAD_STATUS", "Company": "LEAD_NAME"}, {"A": "WON", "b": "LOST"}))

    assert targets(found) == ["LEAD_NAME", None, None, "LEAD_STATUS"]
    assert {view.raw: (view.status, view.confidence) for view in found.statuses} == {
        "a": ("WON", None),
        "b": ("LOST", None),
        "c": (None, None),
    }


def test_a_mapping_that_does_not_fit_tells_no_targets_and_breaks_nothing() -> None:
    header = Header(1, ("Company", "Company"))

    assert targets(proposed([("a", "b")], a_mapping({"Company": "LEAD_NAME"}), header)) == [None, None]


def test_a_column_shows_a_few_different_cells_cut_short() -> None:
    rows = [(f" {number % 7} ", "", "x" * 500, "same") for number in range(30)]

    samples = [view.samples for view in proposed(rows).columns]

    assert samples == [("0", "1", "2", "3", "4"), (), ("x" * 100,), ("same",)]


def test_every_row_is_counted_and_what_is_no_row_is_not() -> None:
    outcomes: list[Outcome] = [Record(line, ROWS[0]) for line in range(2, 1_002)]
    outcomes += [Skipped(1_002), Reject(1_003, None, "extra_cells", "", cells=("x",))]

    found = propose(HEADER, outcomes)

    assert found.rows == 1_000
    assert [(view.raw, view.count) for view in found.statuses] == [("Won", 1_000)]


def test_the_commonest_statuses_are_told_and_free_text_fills_no_memory() -> None:
    rows = [("a", "b", f"Status {number}", "c") for number in range(5_000)] + [("a", "b", "Won", "c")] * 3
    mapping = a_mapping({"Status": "LEAD_STATUS"})

    found = proposed([*rows[-3:], *rows], mapping)

    assert (found.statuses[0].raw, found.statuses[0].count) == ("Won", 6)
    assert len(found.statuses) == 50


def test_blank_statuses_are_none() -> None:
    assert proposed([("a", "b", " ", "c")], a_mapping({"Status": "LEAD_STATUS"})).statuses == ()


def test_the_rows_are_gone_through_once() -> None:
    def once() -> Iterator[Outcome]:
        yield from (Record(line, ROWS[0]) for line in range(2, 500))

    assert propose(HEADER, once()).rows == 498


def test_a_file_without_rows_has_columns_all_the_same() -> None:
    found = proposed([])

    assert (found.rows, found.statuses) == (0, ())
    assert targets(found)[0] == "LEAD_NAME"


def test_samples_are_bounded_in_rows_columns_and_characters() -> None:
    samples = Samples([f"c{number}" for number in range(600)])
    for _ in range(300):
        samples.see(["x" * 1_000] * 600)

    columns = samples.columns()

    assert samples.full()
    assert (len(columns), len(columns[0].samples), len(columns[0].samples[0])) == (500, 200, 200)
