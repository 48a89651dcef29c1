"""Upkeep: promotes due jobs, rescues expired leases, prunes old jobs. Safe to run in every process.

Each round is one store call whose WHERE clauses let only one of many win; a round that finds nothing writes
nothing. The rounds follow the ledger: due work is promoted at its time, not at the next tick.
"""

import asyncio
import logging
from contextlib import suppress

from jobwire.store.contract import Store, Wake

logger = logging.getLogger("jobwire.upkeep")

ROUND_MS = 1_000
SETTLE_MS = 20
PRUNE_INTERVAL_MS = 3_600_000
RETENTION_MS = 30 * 24 * 3_600_000
BATCH = 1_000


class Upkeep:
    """Runs the rounds until cancelled: rescue at least every `round_ms`, retention `retention_ms` after the end."""

    def __init__(self, store: Store, *, round_ms: int = ROUND_MS, retention_ms: int = RETENTION_MS) -> None:
        self._store = store
        self._round_ms = round_ms
        self._retention_ms = retention_ms

    async def run(self) -> None:
        """Keep the ledger healthy; a failing round is logged and tried again."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()

        def hear(_: Wake) -> None:
            loop.call_soon_threadsafe(moved.set)

        end_listening = self._store.listen(hear)
        pruned_at = -float(PRUNE_INTERVAL_MS)
        try:
            while True:
                moved.clear()
                wait_ms = float(self._round_ms)
                try:
                    wait_ms = await self.run_round()
                    if loop.time() * 1000 - pruned_at > PRUNE_INTERVAL_MS:
                        pruned_at = loop.time() * 1000
                        await self.prune()
                except Exception:
                    logger.exception("an upkeep round failed; trying again")
                await asyncio.sleep(SETTLE_MS / 1000)
                # Not wait_for: before Python 3.12 it can swallow the cancellation that ends this loop.
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, wait_ms - SETTLE_MS) / 1000):
                        await moved.wait()
        finally:
            end_listening()

    async def run_round(self) -> float:
        """Promote and rescue once; returns the milliseconds until something is due, at most a round."""
        while await self._store.rescue(BATCH) >= BATCH:
            continue
        now, next_at = await self._store.write(lambda tx: tx.now), await self._store.promote(BATCH)
        return float(self._round_ms) if next_at is None else max(0, min(self._round_ms, next_at - now))

    async def prune(self) -> None:
        """Delete what ended longer ago than the retention."""
        now = await self._store.write(lambda tx: tx.now)
        while await self._store.prune(now - self._retention_ms, BATCH) >= BATCH:
            continue
