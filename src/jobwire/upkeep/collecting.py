"""Collects kept files: what nobody holds is removed from this process' folder. store/files.py has the holds.

Mark and sweep, file by file: a file is first put and then held, so one without a holder may be about to get one. It
goes when it is also a day old; keeping the same bytes anew makes it young. Whoever dies leaves a file too many.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection

from jobwire.blobs.contract import Blobs
from jobwire.store.contract import Store
from jobwire.store.files import drop_expired, find_held, find_systems, keep_folder_id
from jobwire.store.moving.marks import read_mark

logger = logging.getLogger("jobwire.upkeep")

COLLECT_INTERVAL_S = 3_600
GRACE_S = 24 * 3_600


class Collector:
    """Collects the folder `blobs`, if it is this ledger's and all its systems are among `holders`."""

    def __init__(self, store: Store, blobs: Blobs, *, holders: Collection[str] = ()) -> None:
        self._store = store
        self._blobs = blobs
        self._holders = frozenset(holders)

    async def run(self, clock_s: Callable[[], float] = time.time) -> None:
        """Collect once an hour until cancelled; a failure is logged and tried again."""
        while True:
            try:
                if reason := await self.refuse():
                    logger.warning("kept files are not collected: %s", reason)
                elif removed := await self.collect(clock_s()):
                    logger.info("removed %d kept files that nobody holds", removed)
            except Exception:
                logger.exception("collecting kept files failed; trying again in an hour")
            await asyncio.sleep(COLLECT_INTERVAL_S)

    async def refuse(self) -> str | None:
        """Why this process must not collect: others may need what nobody holds here."""
        if unknown := await self._store.read(find_systems) - self._holders:
            return f"the system {min(unknown)} has tables here and does not say in this process which it needs"
        if mark := await self._store.read(lambda reader: read_mark(reader, "moved_to")):
            return f"this ledger was moved to {mark.address}, which has other files by now"
        folder_id = await self._store.write(keep_folder_id)
        if not await asyncio.to_thread(self._blobs.belongs_to, folder_id):
            return f"{self._blobs.place} is another ledger's; give each ledger its own (JOBWIRE_FILES)"

        return None

    async def collect(self, now_s: float) -> int:
        """Remove what nobody holds and what dead writers left, a day after it was kept; returns how many files."""
        now = await self._store.write(drop_expired)
        removed = await asyncio.to_thread(self._blobs.sweep_partial, now_s)
        for first in range(256):
            old = await asyncio.to_thread(self._blobs.find_old, first, now_s - GRACE_S)
            if old:
                held = await self._store.read(lambda reader, old=old: find_held(reader, old, now=now))  # type: ignore[misc]
                free = [address for address in old if address not in held]
                removed += await asyncio.to_thread(self._blobs.remove_old, free, now_s - GRACE_S)
        return removed
