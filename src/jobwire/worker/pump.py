"""A pump: settles what has finished in a queue and claims anew, in one commit. loop.py starts what it claims."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from jobwire.domain.errors import RequestError
from jobwire.domain.outcome import Completed, Outcome
from jobwire.domain.settlement import Settlement
from jobwire.store.contract import Claim, ClaimRequest
from jobwire.store.pending import Pending
from jobwire.worker.attempt import Attempt
from jobwire.worker.stopwatch import Held
from jobwire.worker.unrun import give_back

if TYPE_CHECKING:
    from jobwire.worker.loop import Worker

logger = logging.getLogger("jobwire.worker")

RETRY_S = 0.2


class Pump:
    """Settles and claims for one queue, up to `slots` attempts at once."""

    def __init__(self, worker: "Worker", queue: str, slots: int) -> None:
        self._worker = worker
        self._store = worker.store
        self._queue = queue
        self._slots = slots
        self._busy = 0
        self._finished: list[Settlement] = []
        self._in_flight: list[Settlement] = []
        self._held: list[Held] = []
        self._parked: Pending[list[Claim]] | None = None
        self._is_refused = False
        self._woken = asyncio.Event()

    @property
    def settling(self) -> list[tuple[int, int]]:
        """Leases of what has finished but is not yet known to be settled."""
        return [(s.lease.number, s.lease.fence) for s in self._finished + self._in_flight]

    def wake(self) -> None:
        """Look again."""
        self._woken.set()

    def settle(self, settlement: Settlement) -> None:
        """Settle this with the next exchange."""
        self._finished.append(settlement)
        self._woken.set()

    def finish(self, attempt: Attempt, outcome: Outcome | None) -> None:
        """An attempt of this pump has ended; None means that its lease is lost and there is nothing to settle."""
        if not self._worker.take_out(attempt):
            return
        if outcome is not None:
            self._held.append((attempt.kind.name, isinstance(outcome, Completed), attempt.claimed_at))
            self.settle(self._worker.decide(attempt, outcome))
            return
        logger.info("job %d: lease lost, result discarded", attempt.claim.number)
        self._busy -= 1
        self._woken.set()

    async def run(self) -> None:
        """Until the worker stops and nothing of this pump runs."""
        while True:
            self._woken.clear()
            if self._is_refused:
                self._is_refused = False
                await asyncio.sleep(RETRY_S)
            if self._finished:
                await self._exchange()
                continue
            if self._worker.is_stopping:
                if self._parked is not None:
                    self._store.withdraw(self._parked)
                elif self._busy == 0:
                    return
            elif self._parked is None and self._busy < self._slots:
                self._park()
            await self._woken.wait()

    def leave(self) -> None:
        """Take no more claims: nobody will look at them."""
        if self._parked is not None:
            self._store.withdraw(self._parked)

    def _start(self, claims: Sequence[Claim]) -> None:
        self._busy += len(claims)
        if not self._worker.is_stopping:
            self._worker.start(claims, self)
            return
        # Claimed while the stop was on its way: a job started now would be left out of the drain.
        for claim in claims:
            self.settle(give_back(claim.number, claim.fence))

    def _park(self) -> None:
        loop = asyncio.get_running_loop()

        def hear() -> None:
            with suppress(RuntimeError):
                # The loop is closed: nobody works any more.
                loop.call_soon_threadsafe(self._take_parked)

        self._parked = self._store.claim(ClaimRequest(self._worker.id, self._queue, self._slots - self._busy))
        self._parked.on_done(hear)

    def _take_parked(self) -> None:
        assert self._parked is not None
        parked, self._parked = self._parked, None
        self._woken.set()
        try:
            self._start(parked.result())
        except RequestError as error:
            self._worker.complaints.say("queue %s could not be claimed from, trying again: %s", self._queue, error)
            self._is_refused = True

    async def _exchange(self) -> None:
        """Settle what has finished and claim for the slots it frees, in one commit."""
        self._in_flight, self._finished = self._finished, []
        held, self._held = self._held, []
        free = self._slots - self._busy + len(self._in_flight)
        claim = None
        if self._parked is None and free > 0 and not self._worker.is_stopping:
            claim = ClaimRequest(self._worker.id, self._queue, free)
        try:
            settled = await self._store.settle(self._in_flight, claim)
        except Exception as error:
            said = "%d settlements could not be written, trying again: %s"
            self._worker.complaints.say(said, len(self._in_flight), error, error=error)
            self._finished = self._in_flight + self._finished
            self._held = held + self._held
            self._in_flight = []
            await asyncio.sleep(RETRY_S)
            return
        self._busy -= len(self._in_flight)
        self._in_flight = []
        self._worker.stopwatch.tally(self._queue, held, until=asyncio.get_running_loop().time())
        self._start(settled.claims)
