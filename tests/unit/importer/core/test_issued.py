"""No key that was given out is ever taken for a new one."""

from hypothesis import given
from hypothesis import strategies as st

from services.importer.core.issued import Issued


@given(keys=st.lists(st.text(max_size=9), unique=True), others=st.lists(st.text(max_size=9), unique=True))
def test_what_was_added_is_always_found(keys: list[str], others: list[str]) -> None:
    issued = Issued()
    issued.add(keys)

    assert issued.perhaps(keys) == keys
    assert set(issued.perhaps(others)) >= set(keys) & set(others)


def test_what_was_not_added_is_hardly_ever_found() -> None:
    issued = Issued()
    issued.add([f"web:{number}.fr" for number in range(300_000)])

    assert len(issued.perhaps([f"crm:{number}" for number in range(100_000)])) < 100
