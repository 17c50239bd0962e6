"""A file on its way: counted and hashed while it passes."""

import hashlib
from collections.abc import Iterable, Iterator


class Download:
    """A file's bytes, counted and hashed on their way."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks
        self._digest = hashlib.sha256()
        self.received = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._digest.update(chunk)
            self.received += len(chunk)
            yield chunk

    def checksum(self) -> str:
        """The SHA-256 of what was received so far, lower-case hex."""
        return self._digest.hexdigest()
