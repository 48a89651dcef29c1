"""What fetching may reach and how much of it, in numbers. Read urls.py next."""

from dataclasses import dataclass, fields
from importlib.metadata import version
from ipaddress import IPv6Network, ip_network

from jobwire.net.guard import WEB_PORTS, AddressGuard
from jobwire.net.ranges import Network

URL_CHARS_MAX = 2048
REDIRECTS_MAX = 3
BODY_BYTES_MAX = 64 * 1024 * 1024
CONNECT_MS = 5_000
DEADLINE_MS = 60_000

_MAPPED = IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class FetchPolicy:
    """The operator's limits; no call can exceed them.

    `allow` are networks open on every port although they are not public (loopback providers, a test rig), for
    every URL the policy is used on; `ports` are the ports open on public addresses. Bytes count on the wire and
    after gzip; `connect_ms` bounds one connection attempt, `deadline_ms` a whole call with its redirects. Raises
    ValueError on numbers below 1 (redirects_max: below 0).
    """

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS
    redirects_max: int = REDIRECTS_MAX
    body_bytes_max: int = BODY_BYTES_MAX
    connect_ms: int = CONNECT_MS
    deadline_ms: int = DEADLINE_MS
    user_agent: str = f"Jobwire/{version('jobwire')}"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "redirects_max" else 1
            if isinstance(value, int) and value < least:
                raise ValueError(f"{field.name} is {value}; it must be {least} or more")
        if wrong := sorted(port for port in self.ports if not 1 <= port <= 65535):
            raise ValueError(f"ports holds {wrong[0]}; a port lies between 1 and 65535")

    @classmethod
    def from_setting(cls, allow: str) -> "FetchPolicy":
        """Read the networks to allow from a comma-separated list such as `127.0.0.0/8,::1/128`.

        An empty list allows the public internet only; a bare address is a network of one. Raises ValueError.
        """
        return cls(allow=tuple(_read_network(part.strip()) for part in allow.split(",") if part.strip()))

    @property
    def guard(self) -> AddressGuard:
        return AddressGuard(self.allow, self.ports)


def _read_network(text: str) -> Network:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(
            f"'{text}' is not a network to allow ({error}); write networks as 127.0.0.0/8 or ::1/128, "
            "separated by commas"
        ) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        raise ValueError(f"'{text}' is an IPv4 network in IPv6 clothes; write it as IPv4, for example 127.0.0.0/8")
    return network
