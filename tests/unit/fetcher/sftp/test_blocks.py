"""Whatever the order and length of a server's answers, the bytes come out in order, once, and in bounded memory."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.sftp.blocks import SMALLEST, Blocks
from services.fetcher.sftp.messages import ProtocolError

KIB = 1024
LARGEST = 255 * KIB
CONTENT = random.Random(3).randbytes(3_000_000)


class Server:
    """Answers with as much as it is asked for, up to its cap; with dice, in any order and at any length."""

    def __init__(self, content: bytes, dice: random.Random | None = None, *, cap: int = LARGEST) -> None:
        self.content = content
        self.dice = dice
        self.cap = cap
        self.open: dict[int, tuple[int, int]] = {}
        self.asked: list[tuple[int, int]] = []
        self.most_open = 0

    def ask(self, at: int, length: int) -> int:
        self.asked.append((at, length))
        number = len(self.asked)
        self.open[number] = (at, length)
        self.most_open = max(self.most_open, len(self.open))
        return number

    def answer(self) -> tuple[int, bytes]:
        number = self.dice.choice(list(self.open)) if self.dice else min(self.open)
        at, length = self.open.pop(number)
        given = self.dice.randint(1, self.cap) if self.dice else self.cap
        return number, self.content[at : at + min(length, given)]


def read(blocks: Blocks, server: Server, *, waited: float = 0.0) -> bytes:
    out = bytearray()
    while not blocks.done:
        for block in blocks.to_ask():
            blocks.asked(server.ask(block.at, block.end - block.at), block)
        number, data = server.answer()
        if not data:
            for other in blocks.ended(number):
                del server.open[other]
        elif rest := blocks.came(number, data, waited):
            blocks.asked(server.ask(rest.at, rest.end - rest.at), rest)
        for piece in blocks.ready():
            out += piece
    return bytes(out)


@given(
    size=st.integers(0, len(CONTENT)),
    offset=st.integers(0, 200_000),
    end=st.none() | st.integers(0, len(CONTENT)),
    cap=st.sampled_from([1000, SMALLEST - 1, SMALLEST, 64 * KIB, LARGEST]),
    largest=st.sampled_from([SMALLEST, 64 * KIB, LARGEST]),
    seed=st.none() | st.integers(0, 2**32),
)
def test_the_bytes_between_offset_and_end_come_out_in_order(
    *, size: int, offset: int, end: int | None, cap: int, largest: int, seed: int | None
) -> None:
    server = Server(CONTENT[:size], None if seed is None else random.Random(seed), cap=cap)
    last = 2**60 if end is None else offset + end

    assert read(Blocks(offset, last, largest), server) == CONTENT[:size][offset:last]
    assert server.most_open <= 64
    assert all(length <= largest and at + length <= last for at, length in server.asked)


def test_blocks_grow_while_answers_come_quickly() -> None:
    server = Server(CONTENT)

    read(Blocks(0, 2**60, LARGEST), server)

    lengths = [length for _, length in server.asked]
    assert lengths[0] == SMALLEST
    assert max(lengths) == LARGEST


def test_blocks_stay_small_on_a_slow_line() -> None:
    server = Server(CONTENT)

    read(Blocks(0, 2**60, LARGEST), server, waited=5.0)

    assert max(length for _, length in server.asked) == SMALLEST


def test_a_server_that_always_gives_the_same_less_is_asked_for_no_more() -> None:
    server = Server(CONTENT, cap=20_000)

    assert read(Blocks(0, 2**60, LARGEST), server) == CONTENT

    # Those asked for at first, and what was missing of them, come before.
    assert max(length for _, length in server.asked[2 * 64 :]) == 20_000


@pytest.mark.parametrize("length", [0, SMALLEST + 1])
def test_nothing_and_too_much_are_refused(length: int) -> None:
    blocks = Blocks(0, 2**60, LARGEST)
    block = next(blocks.to_ask())
    blocks.asked(1, block)

    with pytest.raises(ProtocolError):
        blocks.came(1, bytes(length), 0.0)


def test_many_tiny_answers_to_a_late_block_are_held_as_bytes_and_no_more() -> None:
    # Given a server that never answers the first block, and the second byte by byte
    blocks = Blocks(0, 2**60, LARGEST)
    first, second = (next(asking) for asking in [blocks.to_ask()] for _ in range(2))
    blocks.asked(1, first)
    number = 2
    rest: object = second

    # When
    while rest is not None:
        blocks.asked(number, second)
        rest = blocks.came(number, b"x", 0.0)
        number += 1

    # Then
    assert list(blocks.ready()) == []
    assert isinstance(second.data, bytearray)
    assert len(second.data) == SMALLEST
