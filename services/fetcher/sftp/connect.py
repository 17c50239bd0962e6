"""From a host name to a socket: resolve once, check every address, connect to a checked one."""

import queue
import socket
import threading
import time
from collections.abc import Collection, Iterable, Sequence

from services.fetcher.sftp.failure import LookFailed
from shared.addresses import Network, literal, may_connect, may_resolve

# A name service that hangs keeps a thread each; no more of them wait at once.
_lookups = threading.BoundedSemaphore(16)

_ADDRESSES = 8  # of a name are tried; its owner may give it thousands

_Found = list[str] | Exception


def connect(
    host: str,
    port: int,
    *,
    seconds: float,
    allowed_networks: Sequence[Network] = (),
    refused_ports: Collection[int] = (),
) -> tuple[socket.socket, str]:
    """A connection to an address that was checked, and that address; LookFailed when there is none.

    The name is resolved once, so its answer cannot change in between. Both steps may take `seconds`.
    """
    if port in refused_ports:
        raise LookFailed("address", "port_blocked")
    addresses = _addresses(host, seconds, allowed_networks)
    if not all(may_connect(address, allowed_networks) for address in addresses):
        raise LookFailed("address", "address_blocked")
    sock = first_that_answers(list(dict.fromkeys(addresses))[:_ADDRESSES], port, seconds)
    try:
        return sock, checked_peer(sock, allowed_networks)
    except BaseException:
        sock.close()
        raise


def first_that_answers(addresses: Iterable[str], port: int, seconds: float) -> socket.socket:
    """Connect to the addresses in the resolver's order, all within the time; the last one's fault is told."""
    deadline = time.monotonic() + seconds
    failed = LookFailed("connect", "connect_timeout")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=max(0.1, deadline - time.monotonic()))
        except TimeoutError:
            failed = LookFailed("connect", "connect_timeout")
        except ConnectionRefusedError:
            failed = LookFailed("connect", "connection_refused")
        except ConnectionError:  # taken and reset at once
            failed = LookFailed("connect", "too_many_sessions")
        except OSError as error:
            failed = LookFailed("connect", "connect_timeout", f"network error {error.errno}")
    raise failed


def checked_peer(sock: socket.socket, allowed_networks: Sequence[Network]) -> str:
    """The address at the other end; LookFailed when it must not be connected to, whatever led there."""
    try:
        address = str(sock.getpeername()[0])
        # Without it each login waits 40 ms for a delayed acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:  # reset already
        raise LookFailed("connect", "too_many_sessions") from None
    if not may_connect(address, allowed_networks):
        raise LookFailed("address", "address_blocked")
    return address


def _addresses(host: str, seconds: float, allowed_networks: Sequence[Network]) -> list[str]:
    if not may_resolve(host, allowed_networks):
        raise LookFailed("address", "address_blocked", "the name is one of a private network")
    address = literal(host)
    return [address] if address is not None else _resolve(host, seconds)


def _resolve(host: str, seconds: float) -> list[str]:
    """Ask the name service in a thread of its own, because nothing else ends a question to one that hangs."""
    begun = time.monotonic()
    if not _lookups.acquire(timeout=seconds):
        raise LookFailed("address", "dns_failed", "the name service does not answer")
    answer: queue.SimpleQueue[_Found] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, answer), daemon=True, name="look-up").start()
    try:
        found = answer.get(timeout=max(0.0, begun + seconds - time.monotonic()))
    except queue.Empty:
        raise LookFailed("address", "dns_failed", "the name service did not answer in time") from None
    if isinstance(found, Exception):
        raise LookFailed("address", "dns_failed")
    return found


def _look_up(host: str, answer: queue.SimpleQueue[_Found]) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        answer.put([str(entry[4][0]) for entry in found])
    except (OSError, ValueError) as error:  # ValueError: a label that IDNA refuses, a NUL
        answer.put(error)
    finally:
        _lookups.release()
