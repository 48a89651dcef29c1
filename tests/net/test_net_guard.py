"""The guard refuses every address that is not global unicast, however it is written."""

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from jobwire.net.guard import AddressGuard, ForbiddenAddressError
from jobwire.net.ranges import FORBIDDEN_RANGES, find_forbidden_reason

GUARD = AddressGuard()
V4_RANGES = [network for network, _ in FORBIDDEN_RANGES if isinstance(network, IPv4Network)]
V6_PREFIXES_EMBEDDING_V4 = ("::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::")


def addresses_in(network):
    first, last = int(network.network_address), int(network.broadcast_address)
    return st.integers(first, last).map(type(network.network_address))


forbidden_addresses = st.sampled_from([network for network, _ in FORBIDDEN_RANGES]).flatmap(addresses_in)
forbidden_v4_addresses = st.sampled_from(V4_RANGES).flatmap(addresses_in)


def assert_refused(address, guard=GUARD, port=443):
    with pytest.raises(ForbiddenAddressError):
        guard.check(address, port)


@given(forbidden_addresses)
def test_every_address_inside_a_forbidden_range_is_refused(address):
    assume(getattr(address, "ipv4_mapped", None) is None)  # judged by the address it carries, in the next test
    assert_refused(address)
    assert_refused(str(address))


@given(forbidden_v4_addresses)
def test_every_forbidden_ipv4_address_is_refused_in_mapped_form(address):
    assert_refused(IPv6Address(f"::ffff:{address}"))


@given(st.integers(0, 2**32 - 1).map(IPv4Address), st.sampled_from(V6_PREFIXES_EMBEDDING_V4))
def test_ipv4_carried_inside_a_transition_prefix_is_refused_even_when_public(address, prefix):
    assert_refused(IPv6Address(int(IPv6Address(prefix)) + int(address)))


@given(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**80 - 1))
def test_6to4_and_teredo_are_refused_whatever_they_carry(address, rest):
    assert_refused(IPv6Address((0x2002 << 112) + (int(address) << 80) + rest))
    assert_refused(IPv6Address((0x20010000 << 96) + (int(address) << 64) + rest % 2**64))


@given(st.integers(0, 2**32 - 1).map(IPv4Address) | st.integers(0, 2**128 - 1).map(IPv6Address))
def test_what_python_calls_not_global_is_refused_too(address):
    plain = getattr(address, "ipv4_mapped", None) or address
    if not plain.is_global or plain.is_multicast:
        assert_refused(address)


@given(st.integers(0, 2**128 - 1).map(IPv6Address))
def test_an_ipv6_address_outside_global_unicast_is_refused(address):
    if address not in ip_network("2000::/3") and address.ipv4_mapped is None:
        assert_refused(address)


@given(forbidden_v4_addresses)
def test_an_allowed_network_opens_its_addresses_on_every_port_and_no_other(address):
    guard = AddressGuard((ip_network(f"{address}/32"),))
    guard.check(address, 1)
    guard.check(f"::ffff:{address}", 65535)
    neighbour = IPv4Address((int(address) + 1) % 2**32)
    if find_forbidden_reason(neighbour):
        assert_refused(neighbour, guard)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:4860:4860::8888",
        "2001:200::",
        "2003::1",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "3ffe::1",
        "::ffff:8.8.8.8",
    ],
)
def test_public_addresses_pass_on_web_ports_up_to_the_edge_of_each_range(address):
    GUARD.check(address, 80)
    GUARD.check(address, 443)
    assert_refused(address, port=22)
    AddressGuard(ports=frozenset({22})).check(address, 22)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"],
)
def test_metadata_addresses_are_refused_by_name(address):
    assert "metadata" in str(find_forbidden_reason(ip_address(address)))


@pytest.mark.parametrize("address", ["", "localhost", "127.1", "0x7f000001", "2130706433", "fe80::1%eth0", "a%b"])
def test_what_is_not_a_plain_address_is_refused(address):
    assert_refused(address)


def test_every_range_carries_a_reason_and_a_row_is_never_hidden_by_an_earlier_one():
    for index, (network, reason) in enumerate(FORBIDDEN_RANGES):
        assert reason
        earlier = [other for other, _ in FORBIDDEN_RANGES[:index] if other.version == network.version]
        assert not any(network.subnet_of(other) for other in earlier), network


def test_a_refused_socket_is_never_made_and_a_permitted_one_is_not_connected(monkeypatch):
    refused = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    made = []
    monkeypatch.setattr(socket, "socket", lambda *args: made.append(args))
    with pytest.raises(ForbiddenAddressError):
        GUARD.open_socket(refused)
    assert made == []
    GUARD.open_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1111", 443, 0, 0)))
    assert made == [(socket.AF_INET6, socket.SOCK_STREAM, 6)]
