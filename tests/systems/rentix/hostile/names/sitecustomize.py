"""The names of the server under attack: each leads where it says, `127-0-0-1.evil.test` to 127.0.0.1.

On the path of that server only. Several addresses in one name are several answers; a name without any leads to the
tripwire on 127.0.0.1. No look-up leaves the machine.
"""

import re
import socket
from typing import Any

from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver

_ADDRESS = re.compile(r"\d{1,3}(?:-\d{1,3}){3}")


async def resolve(_: Any, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
    """The addresses that the name itself spells."""
    addresses = [found.replace("-", ".") for found in _ADDRESS.findall(host)] or ["127.0.0.1"]
    return [
        ResolveResult(
            hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=socket.AI_NUMERICHOST
        )
        for address in addresses
    ]


ThreadedResolver.resolve = resolve  # type: ignore[method-assign]
