"""Which addresses a customer's host name may lead to: public ones, and what the deployment allows besides."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# Python's `is_global` accepts these, though each leads to a private or special place (IANA special-purpose registries).
_RESERVED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100:0:0:1::/64",
        "2001::/23",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
        "ff00::/8",
    )
)
# All that was ever assigned for the public internet (RFC 4291, IANA).
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def may_connect(address: str, allowed: Sequence[Network]) -> bool:
    """Whether a resolved address may be connected to."""
    ip = ip_address(address.partition("%")[0])
    if any(ip in network for network in allowed):
        return True
    return all(_public(form) for form in _forms(ip))


def _public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and ip not in _GLOBAL_UNICAST and ip not in _NAT64:
        return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _RESERVED)


def _forms(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address and every IPv4 address that it embeds: a translator on the way would unwrap it."""
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    forms: list[IPv4Address | IPv6Address] = [ip]
    if ip.sixtofour is not None:
        forms.append(ip.sixtofour)
    if ip in _NAT64:
        forms.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return forms
