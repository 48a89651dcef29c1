"""An optional street geocoder: any server with Nominatim's search API. Its answer goes into location.locate()."""

import math
from collections.abc import Mapping
from typing import Literal, Protocol
from urllib.parse import urlencode

import msgspec

from jobwire.domain.errors import JobError

GeocodedPrecision = Literal["exact", "street", "sector", "city", "region"]

ANSWER_BYTES_MAX = 262_144
DEADLINE_MS = 5_000

# Nominatim's place_rank: the smallest rank of each precision, finest first (houses 30, streets 26, suburbs and
# quarters 17, towns and villages 13; everything coarser is a region).
_RANKS: tuple[tuple[int, GeocodedPrecision], ...] = (
    (30, "exact"),
    (26, "street"),
    (17, "sector"),
    (13, "city"),
    (0, "region"),
)


class Geocoded(msgspec.Struct, frozen=True):
    """Where a provider puts an address, in degrees, and how finely it knows."""

    lat: float
    lng: float
    display_name: str
    precision: GeocodedPrecision


class Response(Protocol):
    """What a fetcher returns."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class Fetcher(Protocol):
    """How the geocoder reaches its server (jobwire.net.fetch.Fetcher); raises JobError when that fails."""

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body_bytes_max: int, deadline_ms: int
    ) -> Response: ...


class _Hit(msgspec.Struct, frozen=True):
    lat: str
    lon: str
    display_name: str
    place_rank: int = 13


class NominatimGeocoder:
    """Asks a Nominatim server for Moldovan addresses, one request a call, never more than `deadline_ms`.

    `url` is the server's root (`https://nominatim.example`); `user_agent` names the operator, which public
    servers require. Keep to the server's own rate limit: the public one allows one request a second.
    """

    def __init__(
        self, fetcher: Fetcher, url: str, *, user_agent: str = "jobwire", deadline_ms: int = DEADLINE_MS
    ) -> None:
        self._fetcher = fetcher
        self._url = url.rstrip("/")
        self._headers = {"accept": "application/json", "user-agent": user_agent}
        self._deadline_ms = deadline_ms

    async def geocode(self, address: str) -> Geocoded | None:
        """The server's best hit in Moldova, None when it knows none.

        Raises JobError: geocoder_unavailable (5xx) and geocoder_busy (429), both retryable, geocoder_refused,
        geocoder_answer_invalid, and the fetcher's own (time-outs and lost connections are retryable).
        """
        query = urlencode({"format": "jsonv2", "q": address, "countrycodes": "md", "limit": 1})
        response = await self._fetcher.request(
            "GET",
            f"{self._url}/search?{query}",
            headers=self._headers,
            body_bytes_max=ANSWER_BYTES_MAX,
            deadline_ms=self._deadline_ms,
        )
        _check_status(response)
        return _read_hit(response.body)


def _check_status(response: Response) -> None:
    status = response.status
    if status == 429:
        raise JobError(
            "geocoder_busy",
            "the address service limits its requests; the job will be tried again",
            retryable=True,
            retry_after_ms=_read_retry_after_ms(response.headers),
        )
    if status >= 500:
        raise JobError("geocoder_unavailable", f"the address service answered with status {status}", retryable=True)
    if status != 200:
        raise JobError(
            "geocoder_refused",
            f"the address service refused the request with status {status}; check its URL and key",
        )


def _read_retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """Retry-After in milliseconds; its date form is left to the retry policy."""
    value = next((v for name, v in headers.items() if name.lower() == "retry-after"), "").strip()
    return int(value) * 1_000 if value.isascii() and value.isdigit() and len(value) <= 6 else None


def _read_hit(body: bytes) -> Geocoded | None:
    try:
        hits = msgspec.json.decode(body, type=list[_Hit])
        if not hits:
            return None
        hit = hits[0]
        lat, lng = float(hit.lat), float(hit.lon)
    except (msgspec.DecodeError, ValueError) as error:
        raise JobError(
            "geocoder_answer_invalid", "the address service did not answer with Nominatim's jsonv2 format"
        ) from error
    if not (math.isfinite(lat) and math.isfinite(lng) and abs(lat) <= 90 and abs(lng) <= 180):
        raise JobError("geocoder_answer_invalid", f"the address service answered with the point {lat}, {lng}")
    precision = next(precision for rank, precision in _RANKS if hit.place_rank >= rank)
    return Geocoded(lat=lat, lng=lng, display_name=hit.display_name, precision=precision)
