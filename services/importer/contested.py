"""Finds the deals that rows of several leads name, wherever in a file they stand."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from tempfile import TemporaryFile
from types import TracebackType

import numpy as np
import xxhash
from numpy.typing import NDArray

from services.importer.core.delta import Hashes, Places

_CLAIM = np.dtype([("deal", "<u8"), ("lead", "<u8"), ("place", "<i8")])
_AT_ONCE = 500_000


class Contested(AbstractContextManager["Contested"]):
    """Takes, on disk, which lead names which deal in which place."""

    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, deals: Sequence[str | None], leads: Hashes, places: Places) -> None:
        """Take rows: the deal that each names, if it names one."""
        found = [at for at, deal in enumerate(deals) if deal]
        claims = np.empty(len(found), _CLAIM)
        claims["deal"] = [xxhash.xxh3_64_intdigest(deals[at] or "") for at in found]
        claims["lead"], claims["place"] = leads[found], places[found]
        self._file.write(claims.tobytes())
        self._count += len(found)

    def places(self) -> Iterator[Places]:
        """The places of the rows whose deal another lead names as well."""
        parts = 1 + self._count // _AT_ONCE
        for part in range(parts):
            claims = np.concatenate([claims[claims["deal"] % parts == part] for claims in self._blocks()])
            claims = claims[np.argsort(claims["deal"], kind="stable")]
            deals, leads = claims["deal"], claims["lead"]
            torn = np.unique(deals[1:][(deals[1:] == deals[:-1]) & (leads[1:] != leads[:-1])])
            yield claims["place"][np.isin(deals, torn)]

    def _blocks(self) -> Iterator[NDArray[np.void]]:
        self._file.seek(0)
        yield np.empty(0, _CLAIM)
        while data := self._file.read(_AT_ONCE * _CLAIM.itemsize):
            yield np.frombuffer(data, _CLAIM)
