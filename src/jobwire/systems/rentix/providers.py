"""Reaches the servers an operator has configured: translators and a geocoder, which often stand on a private net."""

from collections.abc import Mapping
from typing import Final

from jobwire.net.fetch import Fetcher, FetchPolicy, Response

# Only for URLs from the operator's settings: redirects are not followed, so no answer can lead elsewhere.
_ANYWHERE: Final = FetchPolicy.from_setting("0.0.0.0/0,::/0")


class ProviderRequests:
    """Sends each request on a connection of its own; raises JobError when no answer came."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        body_bytes_max: int,
        deadline_ms: int,
    ) -> Response:
        """The answer, whatever its status."""
        async with Fetcher(_ANYWHERE) as fetcher:
            return await fetcher.request(
                method, url, headers=headers, body=body, body_bytes_max=body_bytes_max, deadline_ms=deadline_ms
            )
