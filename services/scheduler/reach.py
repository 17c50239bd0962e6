"""Refuses at once the hosts and ports that no fetcher would connect to."""

import queue
import socket
import threading

from services.scheduler.asked import Refusal
from shared.addresses import literal, may_connect, may_resolve
from shared.contracts import FieldProblem
from shared.errors import advice
from shared.settings import ReachSettings

# The admin waits, and so do the events behind; whatever the name service leaves open, the fetcher finds out.
_LOOKUP_SECONDS = 0.5


class Reach:
    """Says early what a fetcher would say; it is no protection, because a name can mean another address later."""

    def __init__(self, settings: ReachSettings) -> None:
        self._allowed = settings.allowed_networks
        self._refused_ports = frozenset(settings.refused_ports)

    def check(self, host: str, port: int) -> None:
        """A Refusal when the port belongs to another service or the host means a private address; 0.5 s at most."""
        if port in self._refused_ports:
            raise Refusal("invalid_fields", (_problem("port", "port_blocked"),))
        if not self._may_reach(host):
            raise Refusal("address_blocked", (_problem("host", "address_blocked"),))

    def _may_reach(self, host: str) -> bool:
        if not may_resolve(host, self._allowed):
            return False
        return all(may_connect(address, self._allowed) for address in addresses_of(host))


def addresses_of(host: str, seconds: float = _LOOKUP_SECONDS) -> list[str]:
    """The addresses that a host means; none when the name service does not know or does not answer in time."""
    address = literal(host)
    if address is not None:
        return [address]
    found: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
    # The resolver cannot be interrupted: a thread that it keeps longer is left behind.
    threading.Thread(target=lambda: found.put(_resolved(host)), name="lookup", daemon=True).start()
    try:
        return found.get(timeout=seconds)
    except queue.Empty:
        return []


def _resolved(host: str) -> list[str]:
    try:
        return [str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _problem(field: str, code: str) -> FieldProblem:
    return FieldProblem(field=field, code=code, message=advice(code).message)
