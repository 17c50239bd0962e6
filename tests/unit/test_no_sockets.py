"""The guard of the unit tests itself."""

import socket

import pytest


def test_a_unit_test_that_connects_fails() -> None:
    with socket.socket() as sock, pytest.raises(AssertionError, match="connects"):
        sock.connect(("127.0.0.1", 9))
