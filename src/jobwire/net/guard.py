"""Refuse forbidden addresses at the moment a socket is made for them. Next: policy.py, then fetch.py.

The rule is asked with the very address the kernel will connect to, after the only look-up of the name, so no
second DNS answer, odd notation or redirect can lead around it. A name is refused when any of its addresses is.
"""

import socket
from dataclasses import dataclass
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import AddrInfoType

from jobwire.net.ranges import Address, Network, find_forbidden_reason, unmap_address

WEB_PORTS = frozenset({80, 443})


class ForbiddenAddressError(OSError):
    """An address or port the guard refuses; `reason` names the rule and never the address.

    An OSError, because that is what a connector expects of a socket that cannot be had.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class AddressGuard:
    """Let through global unicast addresses on `ports`, and every port of an address inside `allow`."""

    allow: tuple[Network, ...] = ()
    ports: frozenset[int] = WEB_PORTS

    def check(self, address: str | Address, port: int | None = None) -> None:
        """Raise ForbiddenAddressError unless a connection to `address` (and `port`, when given) is permitted."""
        judged = unmap_address(_read_address(address))
        if any(judged in network for network in self.allow):
            return
        if reason := find_forbidden_reason(judged):
            raise ForbiddenAddressError(reason)
        if port is not None and port not in self.ports:
            raise ForbiddenAddressError(f"port {port} is not one of {', '.join(map(str, sorted(self.ports)))}")

    def open_socket(self, info: AddrInfoType) -> socket.socket:
        """Make the socket for one connection, as `TCPConnector(socket_factory=…)`: refused ones are never made."""
        family, kind, proto, _, sockaddr = info
        self.check(str(sockaddr[0]), int(sockaddr[1]))
        return socket.socket(family, kind, proto)


class GuardedResolver(AbstractResolver):
    """Look a name up once and refuse it when any of its addresses is refused.

    Closing `resolver` stays with whoever made it.
    """

    def __init__(self, guard: AddressGuard, resolver: AbstractResolver) -> None:
        self._guard = guard
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._guard.check(result["host"], result["port"])
        return found

    async def close(self) -> None:
        return None


def _read_address(address: str | Address) -> Address:
    if not isinstance(address, str):
        return address
    try:
        return ip_address(address)
    except ValueError:
        raise ForbiddenAddressError("not an IP address") from None
