"""Reads a remote file with many requests in flight, in order and in bounded memory.

paramiko's own prefetch either keeps the whole file in memory or, with a limit, races and falls back to one request a
round trip. This uses three of its private calls (`_async_request`, `_read_response` and the file's handle), which is
why paramiko is pinned to one minor version.
"""

import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

import paramiko
from paramiko.sftp import CMD_DATA, CMD_READ, CMD_STATUS, SFTP_EOF, int64

_REQUEST_BYTES = 32 * 1024  # what every server must answer (draft-ietf-secsh-filexfer-02, section 6.4)
_IN_FLIGHT = 32


def read_pipelined(sftp: Any, file: paramiko.SFTPFile, limit: int | None = None) -> Iterator[bytes]:
    """The file's bytes from the start to the end that the server reports, or the first `limit` of them.

    OSError on any other answer.
    """
    answers = _Answers()
    wanted: deque[tuple[int, int, int]] = deque()  # request number, offset, length
    offset, end = 0, sys.maxsize if limit is None else limit
    while True:
        while len(wanted) < _IN_FLIGHT and offset < end:
            length = min(_REQUEST_BYTES, end - offset)
            wanted.append(_ask(sftp, file, answers, offset, length))
            offset += length
        if not wanted:
            break
        number, at, length = wanted.popleft()
        while number not in answers.by_number:
            sftp._read_response()
        data = answers.take(number)
        if data is None:
            break
        if not 0 < len(data) <= length:
            raise OSError("the server sent more than was asked for, or nothing")
        if len(data) < length:
            # A short answer, or the end: ask for the rest before anything that follows.
            wanted.appendleft(_ask(sftp, file, answers, at + len(data), length - len(data)))
        yield data
    _drain(sftp, answers, wanted)


def _ask(sftp: Any, file: paramiko.SFTPFile, answers: "_Answers", at: int, length: int) -> Any:
    number = sftp._async_request(answers, CMD_READ, file.handle, int64(at), length)
    return number, at, length


def _drain(sftp: Any, answers: "_Answers", wanted: deque[tuple[int, int, int]]) -> None:
    """Take the answers that lie beyond the end, so that the next request finds the channel clean."""
    for number, _at, _length in wanted:
        while number not in answers.by_number:
            sftp._read_response()


class _Answers:
    """Collects answers by request number; paramiko calls `_async_response` for each."""

    def __init__(self) -> None:
        self.by_number: dict[int, tuple[int, Any]] = {}

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        self.by_number[number] = (kind, message)

    def take(self, number: int) -> bytes | None:
        """The data of an answer; None at the end of the file."""
        kind, message = self.by_number.pop(number)
        if kind == CMD_DATA:
            data: bytes = message.get_string()
            return data
        if kind == CMD_STATUS and message.get_int() == SFTP_EOF:
            return None
        raise OSError("the server could not read the file")
