"""Tallies how long attempts held their slots and writes it to the ledger every few seconds. loop.py starts it.

Beside the way of a job: an attempt costs an entry in a list, a batch one count of equal entries, and the ledger a
small transaction every five seconds in which something ended.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from jobwire.domain.errors import RequestError
from jobwire.domain.run_times import Tally, bucket_of
from jobwire.store.contract import Store, Transaction
from jobwire.store.estimates import RunGroup, add_runs, set_slots

logger = logging.getLogger("jobwire.worker")

WRITE_S = 5.0


# A plain tuple, and not a named one: every job makes one.
Held = tuple[str, bool, float]
"""An attempt that held a slot: its kind, whether it completed its job, and from when, in the loop's seconds."""


class Stopwatch:
    """The tallies of one worker since they were last written."""

    def __init__(self, store: Store, worker: str) -> None:
        self._store = store
        self._worker = worker
        self._tallies: dict[RunGroup, Tally] = {}
        self._told: Mapping[str, int] = {}

    def tally(self, queue: str, held: Sequence[Held], *, until: float) -> None:
        """Count attempts whose slots came free at `until`, in the loop's seconds, with the settlement on disk."""
        for (kind, is_completed, since), count in Counter(held).items():
            length_us = max(1, round((until - since) * 1_000_000))
            group = RunGroup(queue, kind, int(is_completed), bucket_of(length_us / 1_000))
            self._add(group, Tally(count, count * length_us))

    def _add(self, group: RunGroup, tally: Tally) -> None:
        runs, total_us = self._tallies.get(group, (0, 0))
        self._tallies[group] = Tally(runs + tally.runs, total_us + tally.total_us)

    async def write(self, slots: Mapping[str, int]) -> None:
        """Write the tallies and the worker's slots, if there is anything new; what fails is kept for next time."""
        if not self._tallies and slots == self._told:
            return
        tallies, self._tallies = self._tallies, {}

        def write(tx: Transaction) -> None:
            add_runs(tx, tallies)
            # Told again each time: if another process took this worker for lost, its slots were forgotten.
            set_slots(tx, self._worker, slots)

        try:
            await self._store.write(write)
            self._told = dict(slots)
        except Exception as error:
            is_bug = not isinstance(error, RequestError)
            logger.warning("run times could not be written, estimates lag behind: %s", error, exc_info=is_bug)
            for group, tally in tallies.items():
                self._add(group, tally)
