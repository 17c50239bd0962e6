"""The rejected rows as a CSV that an admin can mend and drop back: the original columns, then line, code and reason."""

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from tempfile import SpooledTemporaryFile
from types import TracebackType

from services.importer.core.formulas import neutralised
from services.importer.core.header import fold
from services.importer.core.record import Reject

_IN_MEMORY = 1024 * 1024
_MAX_CHARS = 64 * 1024 * 1024
_CHUNK = 1024 * 1024


class RejectFile(AbstractContextManager["RejectFile"]):
    """Grows while the file is read, on disk when it gets large; one row a record, the first `kept` of them."""

    def __init__(self, columns: Sequence[str], kept: int) -> None:
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - closed by __exit__
        self._kept = kept
        self._width = len(columns)
        self._written = 0
        self.count = 0
        self._write([*columns, *(_free(name, columns) for name in ("line", "code", "reason"))])

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, faults: Sequence[Reject]) -> None:
        """Keep one record with all its faults. Cells beyond the last column stand at the end, without a name."""
        if self.count >= self._kept or self._written > _MAX_CHARS:
            return
        self.count += 1
        cells = list(faults[0].cells)
        named = cells[: self._width] + [""] * (self._width - len(cells))
        codes = " ".join(dict.fromkeys(fault.code for fault in faults))
        reasons = " ".join(dict.fromkeys(fault.reason for fault in faults))
        self._write([*named, str(faults[0].line), codes, reasons, *cells[self._width :]])

    def chunks(self) -> Iterator[bytes]:
        """What was written so far, from the beginning."""
        self._file.seek(0)
        while chunk := self._file.read(_CHUNK):
            yield chunk

    def _write(self, cells: Sequence[str]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(map(neutralised, cells))
        data = text.getvalue().encode("utf-8", "replace")
        self._written += len(data)
        self._file.write(data)


def _free(name: str, columns: Sequence[str]) -> str:
    """The name, or a longer one where a column of the file has it: a name that stands twice could not be mapped."""
    taken = {fold(column) for column in columns}
    while name in taken:
        name = f"reject {name}"
    return name
