"""Reads SSH packets with an end to their size and, where the cipher is AES-GCM, without paramiko's many copies.

It reaches into paramiko's private state, which is why paramiko is pinned to one minor version; whatever is not
AES-GCM, a compressed stream included, is left to paramiko's own code.
"""

import struct
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_IGNORE
from paramiko.packet import NeedRekeyException, Packetizer

_PACKET_BYTES = 256 * 1024  # the largest that OpenSSH makes; paramiko takes any size
_BUFFER_BYTES = 512 * 1024
_TAG_BYTES = 16
_HEAD = struct.Struct(">BII")  # kind, channel, length of the data


class Packets(Packetizer):
    """Give `deliver` a function to take a channel's data past paramiko, by the channel's number here."""

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.deliver: dict[int, Callable[[memoryview], None]] = {}
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._start = self._end = 0

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Read exactly so many bytes; SSHException when that is no size of a packet."""
        self._fill(n, check_rekey)
        return bytes(self._cut(n))

    def read_message(self) -> tuple[int, Any]:
        """The next message; data of a delivered channel is given to it, and an empty IGNORE told instead."""
        if not self._of("aead_in") or self._of("compress_engine_in"):
            return super().read_message()
        packet = self._packet()
        kind, channel, length = _HEAD.unpack_from(packet, 1) if len(packet) >= 1 + _HEAD.size else (0, 0, 0)
        if kind == MSG_CHANNEL_DATA and channel in self.deliver:
            start = 1 + _HEAD.size
            if start + length + packet[0] != len(packet):
                raise paramiko.SSHException("a packet has another length than its data")
            self.deliver[channel](memoryview(packet)[start : start + length])
            return MSG_IGNORE, None
        payload = packet[1 : len(packet) - packet[0]]
        message = paramiko.Message(payload[1:])
        message.seqno = self._of("sequence_number_in") - 1
        return payload[0], message

    def _packet(self) -> bytes:
        """One packet, opened: its padding's length, its payload, its padding (RFC 4253 section 6, RFC 5647)."""
        self._fill(4, check_rekey=True)
        (size,) = struct.unpack_from(">I", self._buffer, self._start)
        self._fill(4 + size + _TAG_BYTES, check_rekey=False)
        sealed = self._cut(4 + size + _TAG_BYTES)
        packet: bytes = self._of("block_engine_in").decrypt(self._of("iv_in"), sealed[4:], sealed[:4])
        if len(packet) < 2 + packet[0]:
            raise paramiko.SSHException("a packet without a payload")
        self._put("iv_in", self._inc_iv_counter(self._of("iv_in")))  # type: ignore[attr-defined]
        self._count(len(sealed))
        return packet

    def _fill(self, size: int, check_rekey: bool) -> None:
        """Have so many bytes in the buffer."""
        if size > _PACKET_BYTES:
            raise paramiko.SSHException("the server sends too large a packet")
        self._take_remainder()
        if self._start + size > _BUFFER_BYTES:
            left = self._end - self._start
            self._buffer[:left] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, left
        while self._end - self._start < size:
            self._receive(may_rekey=check_rekey and self._end == self._start)

    def _cut(self, size: int) -> memoryview:
        """Bytes from the buffer, good until it is filled again."""
        cut = self._buffer[self._start : self._start + size]
        self._start += size
        if self._start == self._end:
            self._start = self._end = 0
        return cut

    def _take_remainder(self) -> None:
        """What paramiko read beyond the greeting."""
        if remainder := self._of("remainder"):
            self._put("remainder", b"")
            self._buffer[self._end : self._end + len(remainder)] = remainder
            self._end += len(remainder)

    def _receive(self, may_rekey: bool) -> None:
        """Take what the socket has; return without anything after a short while, so that a stop is noticed."""
        if self.handshake_timed_out():
            raise EOFError
        try:
            received = self._of("socket").recv_into(self._buffer[self._end :])
            if not received:
                raise EOFError
            self._end += received
        except TimeoutError:
            if self.closed:
                raise EOFError from None
            if may_rekey and self.need_rekey():
                raise NeedRekeyException from None
        except OSError:
            if self.closed:
                raise EOFError from None
            raise

    def _count(self, size: int) -> None:
        """Number the packet, and ask for new keys after as many bytes as paramiko does."""
        number = (self._of("sequence_number_in") + 1) & 0xFFFFFFFF
        if number == 0 and not self._initial_kex_done:  # type: ignore[attr-defined]
            raise paramiko.SSHException("too many packets before the first key exchange")
        self._put("sequence_number_in", number)
        received = self._of("received_bytes") + size
        self._put("received_bytes", received)
        if self.need_rekey():
            late = self._of("received_bytes_overflow") + size
            self._put("received_bytes_overflow", late)
            if late >= self.REKEY_BYTES_OVERFLOW_MAX:
                raise paramiko.SSHException("the server does not change keys")
        elif received >= self.REKEY_BYTES:
            self._put("received_bytes_overflow", 0)
            self._trigger_rekey()  # type: ignore[attr-defined]

    def _of(self, name: str) -> Any:
        return getattr(self, f"_Packetizer__{name}")

    def _put(self, name: str, value: object) -> None:
        setattr(self, f"_Packetizer__{name}", value)
