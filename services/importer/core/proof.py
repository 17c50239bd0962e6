"""The formats that columns prove by their own cells: one format for a whole column, or none."""

from collections.abc import Mapping, Sequence

from services.importer.core import normalise
from services.importer.core.dates import DateProof
from services.importer.core.numbers import NumberProof
from services.importer.core.record import Record

_ENOUGH_ROWS = 10_000


class Proofs:
    """Looks at every cell of the columns that need it; `needed` says by place whether they hold dates or numbers."""

    def __init__(self, needed: Mapping[int, str]) -> None:
        self._proofs: dict[int, DateProof | NumberProof] = {
            place: DateProof() if kind == "date" else NumberProof() for place, kind in needed.items()
        }
        self._rows = 0

    def see(self, records: Sequence[Record]) -> None:
        """Take so many rows; cells that are alike are looked at once."""
        self._rows += len(records)
        for place, proof in self._proofs.items():
            if not proof.contradicted():
                for text in filter(None, set(normalise.texts([record.cells[place] for record in records]))):
                    proof.see(text)

    def settled(self) -> bool:
        """Whether the others need not be asked: so many rows agree, or contradict each other for good."""
        enough = self._rows >= _ENOUGH_ROWS
        return all(proof.contradicted() or (enough and proof.proven() is not None) for proof in self._proofs.values())

    def formats(self) -> dict[int, str | None]:
        """What each column has proven, by place; None for nothing, or for cells that contradict each other."""
        return {place: proof.proven() for place, proof in self._proofs.items()}
