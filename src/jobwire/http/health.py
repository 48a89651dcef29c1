"""Whether the process is up, and whether its ledger can be read and written."""

import asyncio
import logging
from collections.abc import Callable

from jobwire.http.answer import Answer, json_answer
from jobwire.service.services import Services

logger = logging.getLogger(__name__)

LEDGER_MS_MAX = 2_000
KEPT_MS = 1_000

_UP = b'{"status":"ok"}'
_DOWN = b'{"status":"unavailable"}'


def answer_up() -> Answer:
    """The process answers."""
    return json_answer(200, _UP)


class Readiness:
    """Reads and writes the ledger when asked, at most once a second, so that asking cannot become a load."""

    def __init__(self, services: Services) -> None:
        self._store = services.store
        self._clock: Callable[[], int] = services.clock
        self._checked_at: int | None = None
        self._is_ready = False
        self._lock = asyncio.Lock()

    async def answer(self) -> Answer:
        """200 while a read and a committed write come back within LEDGER_MS_MAX, else 503."""
        async with self._lock:
            now = self._clock()
            if self._checked_at is None or not 0 <= now - self._checked_at < KEPT_MS:
                self._is_ready = await self._try_ledger()
                self._checked_at = now
        return json_answer(200, _UP) if self._is_ready else json_answer(503, _DOWN)

    async def _try_ledger(self) -> bool:
        try:
            async with asyncio.timeout(LEDGER_MS_MAX / 1_000):
                await self._store.read(lambda reader: reader.query("SELECT 1"))
                await self._store.write(lambda transaction: transaction.query("SELECT 1"))
        except Exception as error:
            logger.warning("the ledger is not ready: %s: %s", type(error).__name__, error)
            return False
        return True
