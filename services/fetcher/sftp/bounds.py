"""paramiko with an end to what a hostile server can cost: a packet has a largest size, an answer a latest time."""

import struct
import time
from typing import Any

import paramiko
from paramiko.packet import Packetizer

_PACKET_BYTES = 256 * 1024  # the largest that OpenSSH makes; paramiko takes any size, and needs a multiple of it


class BoundedPacketizer(Packetizer):
    """Refuses SSH packets that no honest server sends."""

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read exactly so many bytes; SSHException when that is no size of a packet."""
        if n > _PACKET_BYTES:
            raise paramiko.SSHException("the server sends too large a packet")
        return super().read_all(n, check_rekey)


class BoundedClient(paramiko.SFTPClient):
    """Refuses answers that are too large, too slow or were never asked for; a server that drips bytes is slow."""

    def __init__(self, channel: paramiko.Channel, seconds: float) -> None:
        self._seconds = seconds
        self._answers = 0
        super().__init__(channel)

    def _read_packet(self) -> tuple[int, bytes]:
        latest = time.monotonic() + self._seconds
        (size,) = struct.unpack(">I", self._read_until(latest, 4))
        self._answers += 1
        # It counts from 1, as does the answer to the greeting.
        if self._answers > self.request_number or not 0 < size <= _PACKET_BYTES:
            raise paramiko.SFTPError("the server sends what was not asked for")
        data = self._read_until(latest, size)
        return data[0], data[1:]

    def _read_until(self, latest: float, size: int) -> bytes:
        channel: Any = self.sock
        data = bytearray()
        try:
            while len(data) < size:
                channel.settimeout(max(latest - time.monotonic(), 0.001))
                part = channel.recv(size - len(data))
                if not part:
                    raise EOFError
                data += part
        finally:
            channel.settimeout(self._seconds)
        return bytes(data)
