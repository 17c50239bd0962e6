"""A column's own cells prove the one format that all of them have, or none."""

from services.importer.core.proof import Proofs
from services.importer.core.record import Record


def formats(needed: dict[int, str], *rows: tuple[str, ...]) -> dict[int, str | None]:
    proofs = Proofs(needed)
    proofs.see([Record(2, row) for row in rows])
    return proofs.formats()


def test_one_telling_cell_proves_its_whole_column() -> None:
    rows = [("x", "03/04/2026", "1,234"), ("y", "31/01/2026", "1,5"), ("z", "", "N/A")]

    assert formats({1: "date", 2: "number"}, *rows) == {1: "DMY", 2: ","}


def test_cells_that_contradict_each_other_prove_nothing() -> None:
    rows = [("31/01/2026", "1,5"), ("01/31/2026", "1.5")]

    assert formats({0: "date", 1: "number"}, *rows) == {0: None, 1: None}


def test_cells_that_read_in_two_ways_prove_nothing() -> None:
    assert formats({0: "date", 1: "number"}, ("03/04/2026", "1,234")) == {0: None, 1: None}


def test_placeholders_and_marked_formulas_are_read_as_the_import_reads_them() -> None:
    assert formats({0: "number"}, ("'-1,5",), ("-",)) == {0: ","}


def test_other_columns_are_not_looked_at() -> None:
    assert formats({}, ("31/01/2026",)) == {}


def test_enough_rows_that_agree_settle_the_question_but_never_before_all_columns_have_an_answer() -> None:
    proofs = Proofs({0: "date", 1: "number"})
    proofs.see([Record(2, ("31/01/2026", "1,5"))] * 9_999)
    assert not proofs.settled()

    proofs.see([Record(2, ("31/01/2026", "1,5"))])
    assert proofs.settled()

    # What is seen all the same still counts.
    proofs.see([Record(2, ("31/12/2026", "1,234.5"))])
    assert proofs.formats() == {0: "DMY", 1: None}


def test_columns_that_contradict_themselves_are_settled_at_once() -> None:
    proofs = Proofs({0: "number"})
    proofs.see([Record(2, ("1,5",)), Record(3, ("1.5",))])

    assert proofs.settled()
    assert proofs.formats() == {0: None}
