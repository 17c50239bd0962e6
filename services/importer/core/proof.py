"""The formats that columns prove by their own cells: one format for a whole column, or none."""

from collections.abc import Mapping, Sequence

from services.importer.core import normalise
from services.importer.core.dates import DateProof
from services.importer.core.numbers import NumberProof

_ENOUGH_ROWS = 10_000


class Proofs:
    """Looks at every cell of the columns that need it; `needed` says by place whether they hold dates or numbers."""

    def __init__(self, needed: Mapping[int, str]) -> None:
        self._dates = {place: DateProof() for place, kind in needed.items() if kind == "date"}
        self._numbers = {place: NumberProof() for place, kind in needed.items() if kind == "number"}
        self._rows = 0

    def see(self, cells: Sequence[str]) -> None:
        """Take one row."""
        self._rows += 1
        for place, dates in self._dates.items():
            if cell := normalise.text(cells[place]):
                dates.see(cell)
        for place, numbers in self._numbers.items():
            if cell := normalise.text(cells[place]):
                numbers.see(cell)

    def settled(self) -> bool:
        """Whether so many rows agree that the others need not be asked."""
        return self._rows >= _ENOUGH_ROWS and None not in self.formats().values()

    def formats(self) -> dict[int, str | None]:
        """What each column has proven, by place; None for nothing, or for cells that contradict each other."""
        return {
            **{place: dates.order() for place, dates in self._dates.items()},
            **{place: numbers.decimal() for place, numbers in self._numbers.items()},
        }
