"""Records read together become what they become when each is read alone."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.importer.core.binding import Binding
from services.importer.core.mapping import Mapping, bind
from services.importer.core.record import LeadRow, Record
from services.importer.core.table import Header
from services.importer.core.targets import CustomField
from shared.mapping import COMPANY_NAME, STANDARD_FIELDS

FIELDS = {
    "1": CustomField("Tier", "TEXT"),
    "2": CustomField("Amount", "NUMBER"),
    "3": CustomField("Budget", "PRICE", currency="EUR"),
    "4": CustomField("Since", "DATE"),
    "5": CustomField("Seen", "DATETIME", format="DD/MM/YYYY HH:mm"),
    "6": CustomField("Key", "EXTERNAL_ID"),
}
CUSTOM = [f"CUSTOM.{number}" for number in FIELDS]
PIECES = [
    *("Acme", " ", "\u200b", "\u00a0", "'", "'-5", "N/A", "-", "\n", "\u00e9", "x" * 501, "y" * 2_001),
    *("https://www.acme.fr/x", "a@acme.fr", "1,5", "1.234", "03/04/2026", "31/12/2026", "732829320", "Won"),
    "0190a1b2-0000-7000-8000-000000000001",
]
CELLS = st.lists(st.sampled_from(PIECES), max_size=3).map("".join)


@st.composite
def bindings(draw: st.DrawFn) -> Binding:
    others = draw(st.lists(st.sampled_from([*STANDARD_FIELDS[1:]]), unique=True, max_size=8))
    others += draw(st.lists(st.sampled_from(CUSTOM), max_size=4))
    targets = draw(st.permutations([COMPANY_NAME, *others]))
    fields = {f"h{place}": target for place, target in enumerate(targets)}
    default = draw(st.sampled_from([None, "WANTED"]))
    found = bind(Mapping(1, fields, {"won": "WON", "-": "LOST"}, default, FIELDS), Header(1, tuple(fields)))
    assert isinstance(found, Binding)
    return found.proven({place: draw(st.sampled_from([None, ",", "DMY"])) for place in found.to_prove()})


def records(binding: Binding) -> st.SearchStrategy[list[Record]]:
    width = len(binding.lead) + len(binding.contact) + len(binding.custom)
    one = st.builds(
        Record,
        line=st.integers(1, 99),
        cells=st.tuples(*[CELLS] * width),
        flag=st.sampled_from(["", "short_row"]),
        raw=st.integers(0, 9),
    )
    return st.lists(one, max_size=8)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_record_becomes_the_same_whatever_is_read_with_it(data: Any) -> None:
    binding = data.draw(bindings())
    several = data.draw(records(binding))

    together = binding.read(several)

    assert together == [row for record in several for row in binding.read([record])]
    for record, row in zip(several, together, strict=True):
        if isinstance(row, LeadRow):
            assert (row.line, row.cells, row.raw) == (record.line, record.cells, record.raw)


def test_a_batch_may_be_of_any_length() -> None:
    binding = bind(Mapping(1, {"Company": COMPANY_NAME}, {}, None), Header(1, ("Company",)))
    assert isinstance(binding, Binding)

    assert binding.read([]) == []
    rows = binding.read([Record(number, (f"C{number}",)) for number in range(2_500)])
    assert [row.name for row in rows if isinstance(row, LeadRow)] == [f"C{number}" for number in range(2_500)]
