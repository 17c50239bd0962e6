"""Which addresses a customer's host name may lead to: public ones, and what the deployment allows besides.

The lists are our own, from the IANA special-purpose registries: what `ipaddress` calls global differs from one
release of Python to the next, and in some of them takes in private places.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

_NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # a public address that leads to the host of a machine on Azure
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# All that was ever assigned for the public internet (RFC 4291), and what within it is not public.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20"))
_NAT64 = IPv6Network("64:ff9b::/96")
# Ends of names that are nobody's on the internet, or that lead into the network of whoever asks.
_PRIVATE_NAMES = ("internal", "local", "localhost", "localdomain", "lan", "home.arpa", "intranet", "corp", "private")


def may_connect(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a resolved address may be connected to; ValueError when it is none."""
    ip = ip_address(address.partition("%")[0])
    return any(ip in network for network in allowed) or _public(_meant(ip))


def may_resolve(host: str, allowed: Sequence[Network]) -> bool:
    """Whether a name may be asked for: one without a dot, or of a private network, only where such a one is allowed."""
    name = host.rstrip(".").lower()
    private = "." not in name or any(name.endswith(f".{end}") for end in _PRIVATE_NAMES)
    return bool(allowed) or literal(host) is not None or not private


def literal(host: str) -> str | None:
    """The address that a host text means without any name service, in whatever spelling a resolver takes; else None."""
    text = host.strip().strip("[]").partition("%")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    try:
        # IDNA turns full-width digits and dots into plain ones; inet_aton knows the short, octal and hex forms.
        plain = text.encode("idna").decode("ascii").rstrip(".")
        return None if any(char.isspace() for char in plain) else socket.inet_ntoa(socket.inet_aton(plain))
    except (ValueError, OSError):
        return None


def _public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_IPV4)
    return ip in _GLOBAL_UNICAST and not any(ip in network for network in _NOT_PUBLIC_IPV6)


def _meant(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a mapped, 6to4 or NAT64 form embeds, because a translator on the way unwraps it."""
    if isinstance(ip, IPv4Address):
        return ip
    if ip in _NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip
