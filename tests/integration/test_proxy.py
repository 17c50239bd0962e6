"""The proxy of the tests does what it says, in front of a server that echoes."""

import contextlib
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from deploy.local.servers.ports import free_port
from tests.integration.amqp import wait_until
from tests.proxy import Proxy, Way

KB = 1_000
DATA = bytes(range(256)) * 400


class Echo(socketserver.BaseRequestHandler):
    """Sends back each piece, and ends when its client has ended."""

    def handle(self) -> None:
        sizes: list[int] = self.server.sizes  # type: ignore[attr-defined]
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(64 * 1024):
                sizes.append(len(data))
                self.request.sendall(data)
        self.server.ended += 1  # type: ignore[attr-defined]


class EchoServer(socketserver.ThreadingTCPServer):
    """`sizes` are those of the pieces in which its clients' bytes came."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Echo)
        self.sizes: list[int] = []
        self.ended = 0


@pytest.fixture
def echo() -> Iterator[EchoServer]:
    with EchoServer() as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield server
        server.shutdown()
        serving.join()


@pytest.fixture
def proxy(echo: EchoServer) -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", echo.server_address[1])) as made:
        yield made


def connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def received(sock: socket.socket, size: int) -> bytes:
    """So many bytes; fewer when the other side ends before."""
    got = b""
    while len(got) < size and (data := sock.recv(size - len(got))):
        got += data
    return got


def echoed(sock: socket.socket, data: bytes) -> float:
    """Send it, get it back, and say how long that took."""
    begun = time.monotonic()
    sending = threading.Thread(target=sock.sendall, args=(data,))
    sending.start()
    assert received(sock, len(data)) == data
    sending.join()
    return time.monotonic() - begun


def silent(sock: socket.socket, seconds: float = 0.2) -> bool:
    """Whether nothing comes, not even an end."""
    sock.settimeout(seconds)
    try:
        sock.recv(1)
    except TimeoutError:
        return True
    finally:
        sock.settimeout(5)
    return False


def test_a_proxy_without_settings_changes_nothing(proxy: Proxy) -> None:
    with connected(proxy) as sock:
        assert echoed(sock, DATA * 100) < 5
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""

    assert proxy.connections == 1
    assert proxy.to_server.passed == proxy.to_client.passed == len(DATA) * 100


def test_one_side_that_ended_is_still_told_the_rest(proxy: Proxy) -> None:
    proxy.to_client.delay = 0.2

    with connected(proxy) as sock:
        sock.sendall(DATA)
        sock.shutdown(socket.SHUT_WR)

        assert received(sock, len(DATA) + 1) == DATA


def test_a_delay_makes_each_byte_late_and_none_slower(proxy: Proxy) -> None:
    proxy.to_server.delay = 0.2

    with connected(proxy) as sock:
        assert 0.2 <= echoed(sock, b"1") < 0.4
        assert 0.2 <= echoed(sock, DATA * 10) < 0.8

        proxy.both(delay=0.1)
        assert 0.2 <= echoed(sock, b"1") < 0.4

        proxy.heal()
        assert echoed(sock, b"1") < 0.1


def test_a_bandwidth_limits_how_much_passes_in_a_second(proxy: Proxy) -> None:
    proxy.to_client.bandwidth = 100 * KB

    with connected(proxy) as sock:
        assert 0.4 <= echoed(sock, bytes(50 * KB)) < 1.0

        proxy.to_client.bandwidth = 1_000 * KB
        assert echoed(sock, bytes(50 * KB)) < 0.3


def test_a_slice_takes_bytes_apart(proxy: Proxy, echo: EchoServer) -> None:
    proxy.to_server.slice = 7
    proxy.to_server.bandwidth = 280

    with connected(proxy) as sock:
        echoed(sock, bytes(70))

    assert min(echo.sizes) == 7
    assert len(echo.sizes) > 5


def test_a_cut_lets_so_many_bytes_through_and_then_ends_both_sides(proxy: Proxy) -> None:
    proxy.to_client.cut_after = 10 * KB + 1

    with connected(proxy) as sock:
        sock.sendall(DATA)

        assert received(sock, len(DATA)) == DATA[: 10 * KB + 1]
        assert sock.recv(1) == b""


def test_a_cut_does_not_take_back_what_passed_before_it(proxy: Proxy) -> None:
    # Given a client that takes in little at a time, and sends on after the cut
    proxy.to_client.cut_after = 30 * KB
    with socket.socket() as sock:
        sock.settimeout(5)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KB)
        sock.connect(("127.0.0.1", proxy.port))
        sock.sendall(DATA)
        wait_until(lambda: proxy.to_client.passed == 30 * KB)

        sock.sendall(b"late")

        assert received(sock, len(DATA)) == DATA[: 30 * KB]


def test_a_cut_counts_for_its_own_way_alone(proxy: Proxy, echo: EchoServer) -> None:
    proxy.to_server.cut_after = 5

    with connected(proxy) as sock:
        sock.sendall(b"1234")
        assert received(sock, 4) == b"1234"
        sock.sendall(b"5678")
        wait_until(lambda: sum(echo.sizes) == 5)
        sock.recv(1)
        assert received(sock, 1) == b""


def test_cuts_are_those_of_the_first_connections(echo: EchoServer) -> None:
    with Proxy(("127.0.0.1", echo.server_address[1]), cuts=[0, 3]) as proxy:
        got = []
        for _ in range(3):
            with connected(proxy) as sock:
                sock.sendall(b"12345")
                sock.shutdown(socket.SHUT_WR)
                got.append(received(sock, 6))

    assert got == [b"", b"123", b"12345"]
    assert proxy.connections == 3


def test_a_reset_is_none_of_the_polite_ends(proxy: Proxy) -> None:
    proxy.to_client.reset_after = 3

    with connected(proxy) as sock:
        sock.sendall(b"12345")
        with pytest.raises(ConnectionResetError):
            received(sock, 6)


@pytest.mark.parametrize("end", [Proxy.cut, Proxy.reset])
def test_every_connection_can_be_ended_at_once(proxy: Proxy, end: Callable[[Proxy], None]) -> None:
    with connected(proxy) as one, connected(proxy) as two:
        for sock in (one, two):
            echoed(sock, DATA)

        end(proxy)

        for sock in (one, two):
            if end is Proxy.cut:
                assert sock.recv(1) == b""
            else:
                with pytest.raises(ConnectionResetError):
                    sock.recv(1)
    with connected(proxy) as another:
        echoed(another, DATA)


@pytest.mark.parametrize("by_proxy", [True, False])
def test_a_reset_reaches_the_server_too(by_proxy: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, Proxy(server.getsockname()) as proxy:
        sock = connected(proxy)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(5)
            if by_proxy:
                proxy.reset()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
            with pytest.raises(ConnectionResetError):
                accepted.recv(1)


def test_in_a_black_hole_nothing_passes_and_nothing_ends(proxy: Proxy, echo: EchoServer) -> None:
    with connected(proxy) as sock:
        echoed(sock, b"1")

        proxy.both(blackhole=True)
        sock.sendall(b"2")
        sock.shutdown(socket.SHUT_WR)
        assert silent(sock)
        assert echo.sizes == [1]
        with connected(proxy) as another:
            another.shutdown(socket.SHUT_WR)
            assert silent(another)
            assert echo.ended == 0

        proxy.heal()
        assert received(sock, 2) == b"2"
        wait_until(lambda: echo.ended == 2)


def test_a_black_hole_of_one_way_lets_the_other_pass(proxy: Proxy, echo: EchoServer) -> None:
    proxy.to_client.blackhole = True

    with connected(proxy) as sock:
        sock.sendall(b"1")

        wait_until(lambda: echo.sizes == [1])
        assert silent(sock)


def test_a_refused_connection_is_one_that_nobody_listens_for(proxy: Proxy) -> None:
    with connected(proxy) as sock:
        proxy.refuse = True

        with pytest.raises(ConnectionRefusedError):
            connected(proxy)
        echoed(sock, b"what is open stays open")

    proxy.refuse = False
    with connected(proxy) as sock:
        echoed(sock, b"1")

    proxy.refuse = True
    proxy.heal()
    with connected(proxy) as sock:
        echoed(sock, b"1")


def test_what_comes_after_so_many_bytes_is_held_until_it_is_released(echo: EchoServer) -> None:
    with Proxy(("127.0.0.1", echo.server_address[1]), hold_after=3) as proxy, connected(proxy) as sock:
        assert not proxy.holding.is_set()
        sock.sendall(b"12345")
        assert received(sock, 3) == b"123"
        assert proxy.holding.wait(5)
        assert silent(sock)

        proxy.release()

        assert received(sock, 2) == b"45"


def test_a_server_that_is_away_resets_the_client_until_it_is_there(proxy: Proxy) -> None:
    there, proxy.upstream = proxy.upstream, ("127.0.0.1", free_port())
    with pytest.raises(ConnectionResetError), connected(proxy) as sock:
        sock.recv(1)

    proxy.upstream = there

    with connected(proxy) as sock:
        echoed(sock, b"1")


def test_a_hundred_connections_pass_at_the_same_time(proxy: Proxy) -> None:
    proxy.both(delay=0.1)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(proxy)) for _ in range(100)]
        begun = time.monotonic()

        for sock in socks:
            sock.sendall(b"12345")
        for sock in socks:
            assert received(sock, 5) == b"12345"

        assert 0.2 <= time.monotonic() - begun < 2
    assert proxy.connections == 100


def test_leaving_ends_what_is_held_or_lost_at_once(echo: EchoServer) -> None:
    with Proxy(("127.0.0.1", echo.server_address[1]), hold_after=0) as proxy:
        sock = connected(proxy)
        sock.sendall(b"1")
        assert proxy.holding.wait(5)
        proxy.both(blackhole=True)
        begun = time.monotonic()

    assert time.monotonic() - begun < 0.5
    with sock:
        assert sock.recv(1) == b""


def test_a_setting_that_does_not_exist_is_no_setting(proxy: Proxy) -> None:
    with pytest.raises(AttributeError):
        proxy.both(dealy=1)


def test_healed_is_as_new(proxy: Proxy) -> None:
    proxy.both(delay=1, bandwidth=1, slice=1, hold_after=1, cut_after=1, reset_after=1, blackhole=True)

    proxy.heal()

    assert proxy.to_server == proxy.to_client == Way()
