"""Upkeep: promotes due jobs, rescues expired leases, folds counters, runs hooks that others left, prunes what is old.

Safe in every process: each round is one store call whose WHERE clauses let only one of many win; a round that finds
nothing writes nothing. The rounds follow the ledger: due work is promoted at its time, not at the next tick.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType

from jobwire.store.complaints import Complaints
from jobwire.store.contract import Store, Wake
from jobwire.store.estimates import prune_estimates
from jobwire.store.final_hooks import find_unheard_kinds, run_left_hooks
from jobwire.store.transaction import FinalHook

logger = logging.getLogger("jobwire.upkeep")

ROUND_MS = 1_000
SETTLE_MS = 20
FOLD_INTERVAL_MS = 200
PRUNE_INTERVAL_MS = 3_600_000
RETENTION_MS = 30 * 24 * 3_600_000
BATCH = 1_000


class Upkeep:
    """Runs the rounds until cancelled: rescue at least every `round_ms`, retention `retention_ms` after the end.

    `final_hooks` are those of this process by kind: they are run for jobs that were ended by one that lacks them.
    """

    def __init__(
        self,
        store: Store,
        *,
        round_ms: int = ROUND_MS,
        retention_ms: int = RETENTION_MS,
        final_hooks: Mapping[str, FinalHook] = MappingProxyType({}),
    ) -> None:
        self._store = store
        self._final_hooks = final_hooks
        self._round_ms = round_ms
        self._retention_ms = retention_ms

    async def run(self) -> None:
        """Keep the ledger healthy; a failing round is logged and tried again."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()

        def hear(_: Wake) -> None:
            if not moved.is_set():
                loop.call_soon_threadsafe(moved.set)

        end_listening = self._store.listen(hear)
        complaints = Complaints(logger)
        pruned_at, folded_at = -float(PRUNE_INTERVAL_MS), 0.0
        try:
            while True:
                moved.clear()
                wait_ms = float(self._round_ms)
                try:
                    wait_ms = await self.run_round()
                    now = loop.time() * 1000
                    if now - folded_at > FOLD_INTERVAL_MS:
                        folded_at = now
                        await self._store.fold()
                        await self.run_left_hooks()
                    if now - pruned_at > PRUNE_INTERVAL_MS:
                        pruned_at = now
                        await self.prune()
                except Exception as error:
                    complaints.say("an upkeep round failed, trying again: %s", error, error=error)
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

    async def run_left_hooks(self) -> None:
        """Run the hooks of jobs that ended elsewhere, each once, whoever else has them too."""
        if not self._final_hooks:
            return
        for kind in await self._store.read(find_unheard_kinds) & self._final_hooks.keys():
            run = partial(run_left_hooks, kind=kind, hook=self._final_hooks[kind], limit=BATCH)
            while await self._store.write(run) >= BATCH:
                continue

    async def prune(self) -> None:
        """Delete what ended longer ago than the retention, and run times that are too old to tell anything."""
        await self._store.write(prune_estimates)
        now = await self._store.write(lambda tx: tx.now)
        while await self._store.prune(now - self._retention_ms, BATCH) >= BATCH:
            continue
