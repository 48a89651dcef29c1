"""The worker: claims batches, runs attempts, settles them in batches: pump.py; executor.py runs one.

Each queue has its own slots and two pumps. A pump settles what has finished and claims anew in one commit; while
one pump's commit is on its way to the disk, the other's jobs run, so that the fsync is hidden behind work.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jobwire.blobs.scratch import Scratch, remove_left
from jobwire.domain.errors import RequestError
from jobwire.domain.outcome import Outcome
from jobwire.domain.settlement import Settlement
from jobwire.kinds.registry import Registry
from jobwire.store.complaints import Complaints
from jobwire.store.contract import Claim, HeldLease, ProgressReport, Wake
from jobwire.worker.attempt import Attempt, Stop, start_progress
from jobwire.worker.context import Tools
from jobwire.worker.executor import run_attempt
from jobwire.worker.pump import Pump
from jobwire.worker.stopwatch import WRITE_S, Stopwatch
from jobwire.worker.threads import HandlerThreads
from jobwire.worker.unrun import give_back, put_off

logger = logging.getLogger("jobwire.worker")

LEASE_MS = 20_000
TICK_S = 0.25
DRAIN_S = 10.0
STOP_GRACE_S = 3.0
SETTLE_S = 5.0


class Worker:
    """One worker: `slots` jobs at once for each queue of the registry's kinds, leased for `lease_ms`.

    Use: `await worker.run()` until `stop()` (drain, then give back) or `stop_now()` (give back at once).
    """

    def __init__(
        self,
        tools: Tools,
        registry: Registry,
        *,
        slots: int | Mapping[str, int] = 8,
        lease_ms: int = LEASE_MS,
        drain_s: float = DRAIN_S,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.id = f"w_{secrets.token_hex(8)}"
        self._tools = tools
        self.store = tools.store
        self._registry = registry
        self._slots = {queue: slots if isinstance(slots, int) else slots.get(queue, 0) for queue in registry.queues}
        self._lease_ms = lease_ms
        self._tick_s = min(TICK_S, lease_ms / 8000)
        self._drain_s = drain_s
        self._jitter = jitter
        self._running: dict[tuple[int, int], Attempt] = {}
        self._unknown: set[tuple[int, int]] = set()
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ledger_moved = False
        self._pumps: list[Pump] = []
        self.is_stopping = False
        self.complaints = Complaints(logger)
        self._threads = HandlerThreads()
        self._scratch = Scratch()
        self.stopwatch = Stopwatch(self.store, self.id)

    async def run(self) -> None:
        """Claim, run and settle until stopped; returns when every attempt is settled or given back."""
        await asyncio.to_thread(remove_left)
        await self._beat()
        end_listening = self.store.listen(self._hear)
        self._pumps = [
            Pump(self, queue, slots)
            for queue, total in self._slots.items()
            for slots in ((total + 1) // 2, total // 2)
            if slots
        ]
        pumps = [asyncio.create_task(pump.run()) for pump in self._pumps]
        keeping = (self._keep_heart, self._keep_limits, self._keep_run_times)
        keepers = [asyncio.create_task(keep()) for keep in keeping]
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            ended, _ = await asyncio.wait([stopping, *keepers, *pumps], return_when=asyncio.FIRST_COMPLETED)
            for task in ended - {stopping}:
                # Half a worker looks alive and is not: better none, and whoever runs it starts another.
                task.result()
            await self._drain()
            await self._settle_rest(pumps)
        finally:
            self.is_stopping = True
            end_listening()
            for attempt in list(self._running.values()):
                self.stop_attempt(attempt, Stop.SHUTDOWN)
            for task in (stopping, *keepers, *pumps):
                task.cancel()
            await asyncio.gather(stopping, *keepers, *pumps, return_exceptions=True)
            for pump in self._pumps:
                pump.leave()
            self._threads.close()
            self._scratch.close()
            await self._retire()

    async def _retire(self) -> None:
        await self.stopwatch.write({})
        try:
            await self.store.retire(self.id)
        except RequestError as error:
            logger.warning("the worker could not say that it has gone; its leases will run out: %s", error)

    def stop(self) -> None:
        """Claim no more, wait for what runs, then give the rest back; a second call gives back at once."""
        if self.is_stopping:
            self._hurry.set()
        self.is_stopping = True
        self._stopping.set()
        for pump in self._pumps:
            pump.wake()

    def stop_now(self) -> None:
        """Give everything back at once."""
        self._hurry.set()
        self.stop()

    @property
    def running(self) -> int:
        """How many attempts run now."""
        return len(self._running)

    async def _drain(self) -> None:
        hurry = asyncio.create_task(self._hurry.wait())
        try:
            await self._wait_for_attempts(hurry, timeout_s=self._drain_s)
            for attempt in list(self._running.values()):
                self.stop_attempt(attempt, Stop.SHUTDOWN)
            await self._wait_for_attempts(timeout_s=STOP_GRACE_S)
            for attempt in list(self._running.values()):
                attempt.finish(attempt, attempt.stopped_outcome())
        finally:
            hurry.cancel()

    async def _settle_rest(self, pumps: Sequence[asyncio.Task[None]]) -> None:
        """Wait until all is settled, but for a ledger that cannot be written only so long: its leases run out."""
        settled: asyncio.Future[Any] = asyncio.gather(*pumps)
        hurry: asyncio.Future[Any] = asyncio.create_task(self._hurry.wait())
        await asyncio.wait([settled, hurry], timeout=SETTLE_S, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait([settled], timeout=STOP_GRACE_S)
        hurry.cancel()
        if settled.done():
            settled.result()
            return
        settled.cancel()
        left = sum(len(pump.settling) for pump in self._pumps)
        logger.error("%d attempts are left unsettled: their jobs run again when the leases have run out", left)

    async def _wait_for_attempts(self, *others: "asyncio.Task[Any]", timeout_s: float) -> None:
        tasks = [attempt.task for attempt in self._running.values() if attempt.task is not None]
        if tasks:
            ended = asyncio.ensure_future(asyncio.wait(tasks))
            await asyncio.wait([ended, *others], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            ended.cancel()

    def start(self, claims: Sequence[Claim], pump: Pump) -> None:
        """Start an attempt for each claim."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for claim in claims:
            kind = self._registry.find(claim.kind)
            if kind is None:
                pump.settle(put_off(claim))
                continue
            deadline_at = now + kind.timeout_ms / 1000
            attempt = Attempt(claim, kind, now, deadline_at, pump.finish, progress=start_progress(claim))
            self._running[claim.number, claim.fence] = attempt
            attempt.task = loop.create_task(self._run(attempt))

    async def _run(self, attempt: Attempt) -> None:
        outcome = await run_attempt(attempt, self._tools, threads=self._threads, scratch=self._scratch)
        attempt.finish(attempt, outcome)

    def take_out(self, attempt: Attempt) -> bool:
        """Whether the attempt was still running: only the first to finish it may settle it."""
        return self._running.pop((attempt.claim.number, attempt.claim.fence), None) is not None

    def decide(self, attempt: Attempt, outcome: Outcome) -> Settlement:
        """The domain's decision on an outcome."""
        return attempt.decide(outcome, jitter=self._jitter())

    def stop_attempt(self, attempt: Attempt, stop: Stop) -> None:
        """Stop a running attempt; how it ends is decided by the reason."""
        if attempt.stop is None and attempt.task is not None:
            attempt.stop = stop
            attempt.stopped_at = asyncio.get_running_loop().time()
            attempt.task.cancel()

    # leases

    def _hear(self, wake: Wake) -> None:
        self._ledger_moved = True

    async def _keep_heart(self) -> None:
        """Renew the leases four times in their life; stop all attempts when that fails for most of it."""
        loop = asyncio.get_running_loop()
        lease_s = self._lease_ms / 1000
        beaten_at = loop.time()
        while True:
            await asyncio.sleep(self._tick_s)
            now = loop.time()
            has_news = any(attempt.has_news for attempt in self._running.values())
            is_due = now - beaten_at >= lease_s / 4
            if not (is_due or has_news or (self._ledger_moved and self._running)):
                continue
            try:
                async with asyncio.timeout(lease_s / 2):
                    await self._beat()
                beaten_at = now
            except Exception as error:
                self.complaints.say("the heartbeat failed: %s", error, error=error)
                if loop.time() - beaten_at > 0.7 * lease_s:
                    for attempt in list(self._running.values()):
                        self.stop_attempt(attempt, Stop.LOST)

    async def _keep_limits(self) -> None:
        """Enforce the time limits, whatever the ledger does meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._tick_s)
            self._enforce_limits(loop.time())

    async def _keep_run_times(self) -> None:
        """Tell the slots at once, and now and then how long attempts held them."""
        while True:
            await self.stopwatch.write(self._slots)
            await asyncio.sleep(WRITE_S)

    def _enforce_limits(self, now: float) -> None:
        """Stop what is over its time; give up on what was told to stop and does not."""
        for attempt in list(self._running.values()):
            if attempt.stop is not None and now - attempt.stopped_at > STOP_GRACE_S:
                attempt.finish(attempt, attempt.stopped_outcome())
            elif now >= attempt.deadline_at:
                self.stop_attempt(attempt, Stop.TIMEOUT)

    async def _beat(self) -> None:
        self._ledger_moved = False
        held_before = dict(self._running)
        news = [attempt for attempt in held_before.values() if attempt.has_news]
        for attempt in news:
            attempt.has_news = False
        reports = [ProgressReport(a.claim.number, a.claim.fence, a.progress_text) for a in news]
        try:
            held = await self.store.heartbeat(self.id, lease_ms=self._lease_ms, progress=reports)
        except BaseException:
            for attempt in news:
                attempt.has_news = True
            raise
        leases = {lease.number: lease for lease in held}
        for key, attempt in held_before.items():
            lease = leases.get(attempt.claim.number)
            if key not in self._running:
                continue
            if lease is None or lease.fence != attempt.claim.fence:
                self.stop_attempt(attempt, Stop.LOST)
            elif lease.cancel_requested:
                self.stop_attempt(attempt, Stop.CANCEL)
        await self._give_back_unknown(held)

    async def _give_back_unknown(self, held: Sequence[HeldLease]) -> None:
        """Leases that no attempt of ours has: an answer to a claim was lost. Twice seen, they are given back."""
        known = self._running.keys() | {lease for pump in self._pumps for lease in pump.settling}
        unknown = {(lease.number, lease.fence) for lease in held} - known
        stale = [give_back(*lease) for lease in unknown & self._unknown]
        self._unknown = unknown
        if stale:
            logger.warning("%d leases without an attempt given back", len(stale))
            await self.store.settle(stale)
