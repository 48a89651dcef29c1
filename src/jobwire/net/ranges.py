"""The addresses no customer may make us talk to, as data. See guard.py for who asks.

Sources: the IANA IPv4, IPv6 and multicast special-purpose registries, RFC 6890, 8190, 9602, 9637, and the
metadata addresses the cloud vendors document. The IPv6 rows end with everything outside 2000::/3, so an IPv6
address is refused unless it is global unicast. Python's `is_global` is not asked: on 3.11.7 it accepts the
NAT64, 6to4 and IPv4-compatible forms of 127.0.0.1, fec0::/10, 192.88.99.0/24, 3fff::/20 and 5f00::/16.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The first row that holds the address gives the reason: narrow rows come before the wide rows around them.
_V4_ROWS = (
    ("169.254.169.254/32", "a cloud metadata address"),
    ("169.254.170.0/23", "a cloud metadata address (container credentials)"),
    ("100.100.100.200/32", "a cloud metadata address (Alibaba)"),
    ("192.0.0.192/32", "a cloud metadata address (Oracle)"),
    ("168.63.129.16/32", "a cloud metadata address (Azure wire server)"),
    ("255.255.255.255/32", "the broadcast address"),
    ("0.0.0.0/8", "this host on this network (RFC 791)"),
    ("10.0.0.0/8", "a private network (RFC 1918)"),
    ("100.64.0.0/10", "shared carrier space (RFC 6598)"),
    ("127.0.0.0/8", "loopback (RFC 1122)"),
    ("169.254.0.0/16", "link-local (RFC 3927)"),
    ("172.16.0.0/12", "a private network (RFC 1918)"),
    ("192.0.0.0/24", "IETF protocol assignments (RFC 6890)"),
    ("192.0.2.0/24", "documentation (RFC 5737)"),
    ("192.31.196.0/24", "AS112 (RFC 7535)"),
    ("192.52.193.0/24", "AMT relays (RFC 7450)"),
    ("192.88.99.0/24", "6to4 relays (RFC 7526)"),
    ("192.168.0.0/16", "a private network (RFC 1918)"),
    ("192.175.48.0/24", "AS112 (RFC 7534)"),
    ("198.18.0.0/15", "benchmarking (RFC 2544)"),
    ("198.51.100.0/24", "documentation (RFC 5737)"),
    ("203.0.113.0/24", "documentation (RFC 5737)"),
    ("224.0.0.0/4", "multicast (RFC 5771)"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
)

_V6_ROWS = (
    ("fd00:ec2::/32", "a cloud metadata address"),
    ("fd20:ce::254/128", "a cloud metadata address (Google)"),
    ("::/128", "the unspecified address (RFC 4291)"),
    ("::1/128", "loopback (RFC 4291)"),
    ("::ffff:0:0:0/96", "IPv4-translated (RFC 2765)"),
    ("::/96", "IPv4-compatible (RFC 4291)"),
    ("64:ff9b::/96", "NAT64 (RFC 6052)"),
    ("64:ff9b:1::/48", "local NAT64 (RFC 8215)"),
    ("100::/64", "discard-only (RFC 6666)"),
    ("100:0:0:1::/64", "dummy prefix (RFC 9780)"),
    ("2001::/32", "Teredo (RFC 4380)"),
    ("2001:2::/48", "benchmarking (RFC 5180)"),
    ("2001:10::/28", "ORCHID (RFC 4843)"),
    ("2001:20::/28", "ORCHIDv2 (RFC 7343)"),
    ("2001::/23", "IETF protocol assignments (RFC 2928)"),
    ("2001:db8::/32", "documentation (RFC 3849)"),
    ("2002::/16", "6to4 (RFC 3056)"),
    ("2620:4f:8000::/48", "AS112 (RFC 7534)"),
    ("3fff::/20", "documentation (RFC 9637)"),
    ("5f00::/16", "segment routing (RFC 9602)"),
    ("fc00::/7", "a private network (RFC 4193)"),
    ("fe80::/10", "link-local (RFC 4291)"),
    ("fec0::/10", "site-local (RFC 3879)"),
    ("ff00::/8", "multicast (RFC 4291)"),
    ("::/3", "outside global unicast (RFC 4291)"),
    ("4000::/2", "outside global unicast (RFC 4291)"),
    ("8000::/1", "outside global unicast (RFC 4291)"),
)

FORBIDDEN_RANGES: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), reason) for network, reason in _V4_ROWS + _V6_ROWS
)


def unmap_address(address: Address) -> Address:
    """Return the IPv4 address a mapped one (::ffff:a.b.c.d) stands for, any other address unchanged.

    The kernel opens an IPv4 connection for the mapped form, so both must be judged alike.
    """
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def find_forbidden_reason(address: Address) -> str | None:
    """Return why `address` may not be reached, None when it is global unicast."""
    judged = unmap_address(address)
    return next((reason for network, reason in FORBIDDEN_RANGES if judged in network), None)
