"""The public keys of issuers, fetched through the fetch guard and remembered. signatures.py reads them."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from jobwire.domain.errors import JobError, RequestError
from jobwire.net.fetch import Fetcher
from jobwire.net.policy import FetchPolicy

logger = logging.getLogger("jobwire.issuers")

FRESH_MS = 600_000
STALE_MS = 3_600_000
REFRESH_INTERVAL_MS = 60_000
RETRY_INTERVAL_MS = 10_000
FETCH_MS = 5_000
KEY_SET_BYTES_MAX = 262_144

ReadKeys = Callable[[bytes], dict[str, Any]]


@dataclass(slots=True)
class _KeySet:
    keys: dict[str, Any] = field(default_factory=dict)
    fetched_at: int | None = None
    next_at: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Key sets by their URL: fetched anew after ten minutes, or for an unknown key id at most once a minute.

    While a URL does not answer, its keys are taken for an hour after they were fetched. `clock` gives Unix ms.
    """

    def __init__(self, policy: FetchPolicy, clock: Callable[[], int]) -> None:
        self._policy = policy
        self._clock = clock
        self._sets: dict[tuple[str, str], _KeySet] = {}

    async def find(self, url: str, kid: str, *, algorithm: str, read: ReadKeys) -> Any:
        """The key of that id, None if there is none; without an id, the only key there is.

        RequestError unavailable while there are no keys at all.
        """
        known = self._sets.setdefault((url, algorithm), _KeySet())
        # One call fetches; the others wait for it only if they cannot do with what there is.
        can_do = known.lock.locked() and self._is_younger(known, STALE_MS) and _pick(known, kid) is not None
        if not can_do and self._is_due(known, kid):
            async with known.lock:
                if self._is_due(known, kid):
                    await self._fetch(known, url, read)
        if not self._is_younger(known, STALE_MS):
            message = "The keys that this credential is checked with cannot be had right now; try again in a moment."
            raise RequestError("unavailable", message, retry_after_s=RETRY_INTERVAL_MS // 1_000)
        return _pick(known, kid)

    def _is_due(self, known: _KeySet, kid: str) -> bool:
        is_wanted = not self._is_younger(known, FRESH_MS) or _pick(known, kid) is None
        return is_wanted and self._clock() >= known.next_at

    def _is_younger(self, known: _KeySet, age_ms: int) -> bool:
        return known.fetched_at is not None and 0 <= self._clock() - known.fetched_at < age_ms

    async def _fetch(self, known: _KeySet, url: str, read: ReadKeys) -> None:
        now = self._clock()
        known.next_at = now + RETRY_INTERVAL_MS
        try:
            async with Fetcher(self._policy) as fetcher:
                answer = await fetcher.request("GET", url, body_bytes_max=KEY_SET_BYTES_MAX, deadline_ms=FETCH_MS)
            known.keys = read(answer.require_success().body)
        except (JobError, ValueError) as error:
            logger.warning("the key set at %s could not be read: %s", url, error)
            return
        known.fetched_at, known.next_at = now, now + REFRESH_INTERVAL_MS


def _pick(known: _KeySet, kid: str) -> Any:
    if not kid and len(known.keys) == 1:
        return next(iter(known.keys.values()))
    return known.keys.get(kid)
