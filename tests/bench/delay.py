"""A TCP proxy that makes a near server as slow to answer as a far one; how many bytes pass is not limited."""

import argparse
import contextlib
import queue
import socket
import threading
import time

# At most 256 MiB on their way in one direction.
_PIECE_BYTES = 256 * 1024
_PIECES = 1024

# When a piece is due, and the piece; no piece means that the sender has ended.
Road = queue.Queue[tuple[float, bytes | None]]


def serve(listener: socket.socket, target: tuple[str, int], one_way: float) -> None:
    """Connect each client to the target, with `one_way` seconds of delay in both directions; never returns."""
    while True:
        near, _ = listener.accept()
        threading.Thread(target=_carry, args=(near, target, one_way), daemon=True).start()


def _carry(near: socket.socket, target: tuple[str, int], one_way: float) -> None:
    with near, contextlib.suppress(ConnectionRefusedError), socket.create_connection(target) as far:
        threads = [*_road(near, far, one_way), *_road(far, near, one_way)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _road(source: socket.socket, sink: socket.socket, one_way: float) -> list[threading.Thread]:
    sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    road: Road = queue.Queue(_PIECES)
    return [
        threading.Thread(target=_take, args=(source, road, one_way), daemon=True),
        threading.Thread(target=_give, args=(road, sink), daemon=True),
    ]


def _take(source: socket.socket, road: Road, one_way: float) -> None:
    piece: bytes | None = b""
    while piece is not None:
        try:
            piece = source.recv(_PIECE_BYTES) or None
        except OSError:
            piece = None
        road.put((time.monotonic() + one_way, piece))


def _give(road: Road, sink: socket.socket) -> None:
    """Send each piece when it is due; what a closed sink does not take is dropped, so that the road never fills up."""
    piece: bytes | None = b""
    while piece is not None:
        due, piece = road.get()
        time.sleep(max(0.0, due - time.monotonic()))
        with contextlib.suppress(OSError):
            if piece is None:
                sink.shutdown(socket.SHUT_WR)
            else:
                sink.sendall(piece)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listen", type=int, required=True, metavar="PORT")
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--one-way-ms", type=float, default=25.0)
    given = parser.parse_args()
    host, _, port = given.to.rpartition(":")
    serve(socket.create_server(("127.0.0.1", given.listen)), (host, int(port)), given.one_way_ms / 1000)


if __name__ == "__main__":
    main()
