"""A customer's host name leads to the public internet, or nowhere; only the deployment can allow more."""

import json
import re
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.addresses import literal, may_connect, may_resolve

# A corpus of bad inputs may lie beside the project; without it the list below does.
CORPUS = Path(__file__).parents[3].parent / "shared" / "bad-inputs" / "bad_inputs.json"
BLOCKED = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.5", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254"),
    *("168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.0.192", "192.31.196.1"),
    *("192.52.193.1", "192.175.48.1", "192.0.2.1", "192.88.99.1", "192.168.1.1"),
    *("198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    "255.255.255.255",
    *("::", "::1", "::127.0.0.1", "::7", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "100:0:0:1::1"),
    *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:20::1", "2001:db8::1", "2002:a9fe:a9fe::1"),
    *("2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1"),
    *("2620:4f:8000::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:30::1"),
    *("ff02::1", "ff0e::1"),
]
PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.1", "100.63.255.255", "100.128.0.1", "172.15.255.255"),
    *(
        "172.32.0.1",
        "192.0.1.1",
        "168.63.129.15",
        "192.31.195.255",
        "192.167.0.1",
        "198.17.255.255",
        "198.20.0.1",
        "223.255.255.255",
    ),
    *("2001:200::1", "2001:4860:4860::8888", "2606:4700:4700::1111", "2a01:e0a::1", "::ffff:8.8.8.8"),
    *("64:ff9b::8.8.8.8", "2002:808:808::1"),
]


def literals() -> list[str]:
    """Every address that stands in the corpus as a resolver returns it."""
    if not CORPUS.exists():
        return []
    items = json.loads(CORPUS.read_text(encoding="utf-8"))
    hosts = [item for item in items if re.fullmatch("H(0[1-9]|1[0-9]|2[0-5])", item["id"])]
    words = [word for item in hosts for word in re.split(r"[\s,/`]+|and", item["input"].split("` (")[0])]
    return [word for word in words if is_address(word)]


def is_address(word: str) -> bool:
    try:
        ip_address(word.partition("%")[0])
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("address", sorted({*BLOCKED, *literals()}))
def test_a_private_or_reserved_address_is_blocked(address: str) -> None:
    assert not may_connect(address, ())


def test_the_corpus_is_read_where_there_is_one() -> None:
    assert not CORPUS.exists() or {"100.100.100.200", "fe80::1%eth0", "172.16.0.1"} <= set(literals())


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert may_connect(address, ())


@given(address=st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_every_form_that_embeds_it(address: IPv4Address) -> None:
    number = int(address)
    mapped, nat64 = IPv6Address(0xFFFF << 32 | number), IPv6Address((0x64FF9B << 96) | number)
    six_to_four = IPv6Address(0x2002 << 112 | number << 80 | 1)

    allowed = may_connect(str(address), ())

    assert [may_connect(str(form), ()) for form in (mapped, nat64, six_to_four)] == [allowed] * 3


@given(address=st.ip_addresses())
def test_what_python_calls_private_is_never_allowed(address: IPv4Address | IPv6Address) -> None:
    # Releases of Python disagree on 6to4 addresses; those are judged by the address they embed.
    six_to_four = isinstance(address, IPv6Address) and address.sixtofour is not None
    if may_connect(str(address), ()) and not six_to_four:
        assert address.is_global
        assert not address.is_loopback
        assert not address.is_link_local
        assert not address.is_multicast
        assert not address.is_unspecified


def test_the_deployment_may_allow_a_private_network() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd12::/16"), ip_network("127.0.0.1/32")]

    for address in ("10.1.2.3", "fd12::7", "fd12::7%eth0", "127.0.0.1", "8.8.8.8"):
        assert may_connect(address, allowed)
    for address in ("10.2.0.1", "fd13::7", "127.0.0.2", "169.254.169.254"):
        assert not may_connect(address, allowed)


def test_an_allowed_network_does_not_open_disguises_of_its_addresses() -> None:
    allowed = [ip_network("10.0.0.0/8")]

    for address in ("::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "2002:a00:1::1"):
        assert not may_connect(address, allowed)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433", "127.000.000.001", "1.2.3.4:22"])
def test_only_a_resolved_address_is_judged(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        may_connect(text, ())


@pytest.mark.parametrize(
    ("host", "address"),
    [
        *((host, "127.0.0.1") for host in ("127.0.0.1", "127.1", "0177.1", "017700000001", "0x7f.1", "0x7f000001")),
        *(
            (host, "127.0.0.1")
            for host in ("2130706433", "127.000.000.001", "0X7F.0.0.1", "127.0.1", "127.1.", " 127.1 ")
        ),
        *((host, "127.0.0.1") for host in ("127。0。0。1", "127．0．0．1", "１２７.0.0.1", "①②⑦.1", "127｡1")),
        *(
            (host, "169.254.169.254")
            for host in ("169.254.43518", "0xa9.254.169.254", "2852039166", "0251.0376.0251.0376")
        ),
        ("0", "0.0.0.0"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::FFFF:10.0.0.1", "::ffff:a00:1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("8.8.8.8", "8.8.8.8"),
    ],
)
def test_every_spelling_of_an_address_means_that_address(host: str, address: str) -> None:
    assert literal(host) == address


@pytest.mark.parametrize(
    "host",
    [
        *("", ".", "..", "localhost", "sftp.example.com", "1.2.3.4.5", "256.1.1.1", "0x100000000", "4294967296"),
        *("08.1", "1..1", "127.0.0.1 x", "127.0.0.1:22", "1.2.3.4.example.com", "a" * 64, "x" * 300, "\x00", "\ud800"),
        "é",
    ],
)
def test_a_name_means_no_address(host: str) -> None:
    assert literal(host) is None


@given(address=st.ip_addresses(v=4), form=st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_a_number_means_the_address_that_the_resolver_makes_of_it(address: IPv4Address, form: str) -> None:
    text = form.format(int(address))

    found = socket.getaddrinfo(text, None, family=socket.AF_INET, flags=socket.AI_NUMERICHOST)

    assert literal(text) == str(address) == found[0][4][0]


@given(host=st.text(max_size=40) | st.from_regex(r"[0-9a-fx.:%\[\]]{1,40}", fullmatch=True))
def test_whatever_is_taken_for_an_address_is_one(host: str) -> None:
    address = literal(host)
    assert address is None or str(ip_address(address)) == address


def test_what_the_resolver_takes_without_a_name_service_is_seen(corpus_hosts: list[str]) -> None:
    for host in corpus_hosts:
        address = literal(host)
        assert address is not None
        assert not may_connect(address, ())


@pytest.fixture
def corpus_hosts() -> list[str]:
    """Spellings of private addresses; those of the corpus where there is one."""
    items = json.loads(CORPUS.read_text(encoding="utf-8")) if CORPUS.exists() else []
    spelled = [item["input"].split("`")[1] for item in items if "alternative spelling" in item["input"]]
    return [*spelled, "0177.1", "2130706433"]


@pytest.mark.parametrize(
    "name",
    [
        *("postgres", "rabbitmq", "localhost", "metadata.google.internal", "METADATA.GOOGLE.INTERNAL.", ""),
        *("x.svc.cluster.local", "a.localhost", "nas.lan", "router.home.arpa", "db.corp", "internal"),
    ],
)
def test_a_name_of_a_private_network_is_resolved_only_where_such_networks_are_allowed(name: str) -> None:
    assert not may_resolve(name, ())
    assert may_resolve(name, [ip_network("10.0.0.0/8")])


@pytest.mark.parametrize(
    "name", ["sftp.example.com", "internal.example.com", "local.fr", "2130706433", "xn--acm-dma.fr"]
)
def test_any_other_name_is_resolved(name: str) -> None:
    assert may_resolve(name, ())
