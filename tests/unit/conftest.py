"""Unit tests speak to nobody."""

import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from hypothesis import settings

# A busy machine is no reason to fail; tests about speed measure it themselves.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


@pytest.fixture(autouse=True, scope="module")
def no_sockets() -> Iterator[None]:
    """Every attempt to connect fails the test; one that needs a server belongs in tests/integration."""

    def refuse(_sock: socket.socket, address: Any) -> NoReturn:
        raise AssertionError(f"a unit test connects to {address}")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket.socket, "connect_ex", refuse)
        yield
