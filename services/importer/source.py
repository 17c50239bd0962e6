"""A stored file as an import sees it: a table whose columns are tied to a mapping's."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from services.importer.core.binding import Binding
from services.importer.core.dialect import Dialect
from services.importer.core.encoding import Encoding, Survey
from services.importer.core.hand import Recall
from services.importer.core.mapping import Mapping, bind
from services.importer.core.proof import Proofs
from services.importer.core.record import Record, Refusal
from services.importer.core.rows import Limits
from services.importer.core.table import Header, Table
from services.importer.reading import Opened, open_file
from services.importer.text import FileRefused
from shared.contracts import CsvOptions, Reading

_SEEN_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was opened. Where two have one `recipe`, a line that is a record in both is the same record."""

    reading: Reading
    table: Table
    binding: Binding
    recipe: str
    survey: Survey


@dataclass(frozen=True, slots=True)
class Sources:
    """Opens a file; `read` yields its bytes, as often as it is called, and verifies them at their end."""

    read: Callable[[], Iterable[bytes]]
    csv: CsvOptions
    limits: Limits
    mapping: Mapping

    def open(self, recall_for: Callable[[str], Recall | None], *, hasty: bool = False) -> Source:
        """The file; its lines are recalled by what is given for its recipe. FileRefused where it is no table.

        In a `hasty` look neither the bytes nor their encoding are proven before the last row was read.
        """
        tied: list[tuple[Binding, str]] = []

        def recall(encoding: Encoding, dialect: Dialect, header: Header) -> Recall | None:
            binding, formats = self._tie(header, hasty=hasty)
            how = (encoding.name, dialect, header.names, header.title, self.limits)
            recipe = hashlib.sha256(repr((how, formats)).encode()).hexdigest()
            tied.append((binding, recipe))
            return recall_for(recipe)

        opened = self._open(recall, hasty=hasty)
        reading, table = opened.readable()
        binding, recipe = tied[0]
        return Source(reading, table, binding, recipe, opened.survey)

    def _open(
        self, recall: Callable[[Encoding, Dialect, Header], Recall | None] | None = None, *, hasty: bool
    ) -> Opened:
        return open_file(self.read, self.csv, self.limits, self.mapping.names(), hasty=hasty, recall=recall)

    def _tie(self, header: Header, *, hasty: bool) -> tuple[Binding, dict[int, str | None]]:
        binding = bind(self.mapping, header)
        if isinstance(binding, Refusal):
            raise FileRefused(binding)
        formats = self._formats(binding, hasty=hasty)
        return binding.proven(formats), formats

    def _formats(self, binding: Binding, *, hasty: bool) -> dict[int, str | None]:
        """The formats that columns prove, which takes a look at the whole file."""
        needed = binding.to_prove()
        if not needed:
            return {}
        proofs = Proofs(needed)
        records = (record for record in self._open(hasty=hasty).readable()[1].records if isinstance(record, Record))
        while not proofs.settled() and (batch := list(islice(records, _SEEN_AT_ONCE))):
            proofs.see(batch)
        return proofs.formats()
