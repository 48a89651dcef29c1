"""Makes the messages of webhooks: hears the event log, and sees that jobs send what waits. Safe in every process.

sending.py is those jobs' work, domain/webhooks.py has the rules, store/webhook_hearing.py and webhook_senders.py the
statements. Where no endpoint is, nothing runs but one read a second.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Protocol, TypeVar

from jobwire.kinds.contract import Kind
from jobwire.net.fetch import Fetcher, FetchPolicy
from jobwire.net.webhook_signing import Keyring
from jobwire.store.complaints import Complaints
from jobwire.store.contract import NO_LAST, Reader, Store, Transaction, Wake
from jobwire.store.webhook_deliveries import prune_deliveries
from jobwire.store.webhook_hearing import hear_events, record_heard
from jobwire.store.webhook_senders import REMOVED_MAX, find_misplaced, place_senders, prune_senders
from jobwire.store.webhooks import has_endpoints, prune_endpoints
from jobwire.upkeep.sending import Sender

T = TypeVar("T")

logger = logging.getLogger("jobwire.webhooks")

ROUND_MS = 1_000
HEAR_MS = 20
LAG_EVENTS_MAX = 10_000
PRUNE_INTERVAL_MS = 3_600_000
KEPT_MS = 7 * 24 * 3_600_000
SENDER_PRUNE_INTERVAL_MS = 60_000
SENDER_KEPT_MS = 600_000


class Runner(Protocol):
    """What runs jobs of a kind: a worker with slots of its own, so that slow receivers take none of a customer's."""

    async def run(self) -> None:
        """Run jobs until stopped."""

    def stop(self) -> None:
        """Claim no more and wait for what runs."""

    def stop_now(self) -> None:
        """Give everything back at once."""


class Deliverer:
    """Hears the log, and runs jobs that send, until stopped; `hire` gives what runs jobs of a kind."""

    def __init__(
        self, store: Store, keyring: Keyring, policy: FetchPolicy, *, hire: Callable[[Kind], Runner]
    ) -> None:
        self._store = store
        self._keyring = keyring
        self._policy = policy
        self._hire = hire
        self._complaints = Complaints(logger)
        self._sender: Sender | None = None
        self._runner: Runner | None = None
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="jobwire-webhooks")
        self._seen = 0
        self._placed_at = self._pruned_at = self._cleared_at = -float(PRUNE_INTERVAL_MS)

    def make_sender(self, fetcher: Fetcher) -> Sender:
        """What sends, with this process's keys."""
        return Sender(self._store, self._keyring, fetcher)

    def stop(self) -> None:
        """Hear no more; what is being sent is waited for as other jobs are."""
        self._stopping.set()
        self._woken.set()
        if self._sender is not None:
            self._sender.stop()
        if self._runner is not None:
            self._runner.stop()

    def stop_now(self) -> None:
        """Break off what is being sent: it is sent again by another process."""
        self.stop()
        if self._runner is not None:
            self._runner.stop_now()

    async def run(self) -> None:
        """Until stopped; a failing round is logged and tried again."""
        loop = asyncio.get_running_loop()

        def hear(wake: Wake) -> None:
            if wake.changed and not self._woken.is_set():
                with suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._woken.set)

        end_listening = self._store.listen(hear)
        try:
            while not (self._stopping.is_set() or await self._has_endpoints()):
                await _wait_for(self._stopping, ROUND_MS)
            async with Fetcher(self._policy) as fetcher:
                if self._stopping.is_set():
                    return
                self._sender = self.make_sender(fetcher)
                self._runner = self._hire(self._sender.kind)
                running = asyncio.create_task(self._runner.run())
                try:
                    await self._run_rounds(running)
                except BaseException:
                    running.cancel()
                    raise
                finally:
                    await asyncio.gather(running, return_exceptions=True)
        finally:
            end_listening()
            self._reader.shutdown()

    async def _run_rounds(self, running: "asyncio.Task[None]") -> None:
        while not self._stopping.is_set():
            if running.done():
                # Half of it looks alive and is not: better none, and whoever runs it starts another.
                running.result()
            self._woken.clear()
            is_behind = False
            try:
                is_behind = await self.run_round()
            except Exception as error:
                self._complaints.say("a round of webhooks failed, trying again: %s", error, error=error)
            await _wait_for(self._stopping, HEAR_MS)
            if not is_behind:
                await _wait_for(self._woken, ROUND_MS - HEAR_MS)

    async def _has_endpoints(self) -> bool:
        """Whether there is any; where there is none, commits wake nobody."""
        try:
            return await self._read(has_endpoints)
        except Exception as error:
            self._complaints.say("the webhooks cannot be looked for, trying again: %s", error, error=error)
            return False

    async def run_round(self) -> bool:
        """Hear, and place the jobs that are missing; whether there is more to be heard at once."""
        is_behind = await self._hear_more()
        now = time.monotonic() * 1_000
        if now - self._placed_at >= ROUND_MS:
            self._placed_at = now
            await self.place()
        if now - self._cleared_at >= SENDER_PRUNE_INTERVAL_MS:
            self._cleared_at = now
            while await self._store.write(lambda tx: prune_senders(tx, tx.now - SENDER_KEPT_MS)) >= REMOVED_MAX:
                continue
        if now - self._pruned_at >= PRUNE_INTERVAL_MS:
            self._pruned_at = now
            await self._store.write(_prune)
        return is_behind

    async def place(self) -> None:
        """Whoever was called has a job from now on, also if the one before died."""
        if await self._read(find_misplaced):
            await self._store.write(place_senders)

    async def _hear_more(self) -> bool:
        """Make deliveries of what happened; whether there is more to be heard at once."""
        # An engine may have events that are not yet in the log: to ask for them brings them there.
        await self._store.events(NO_LAST, limit=1)
        heard = await self._read(partial(hear_events, seen=self._seen))
        if heard is None:
            return False
        is_behind = heard.until > max(heard.since, self._seen)
        is_wanted = bool(heard.deliveries) or heard.until - heard.since >= LAG_EVENTS_MAX
        if is_wanted and not await self._store.write(lambda tx: record_heard(tx, heard)):
            # Another process was first, maybe with less: read again from where it came to.
            self._seen = 0
            return True
        self._seen = heard.until
        return is_behind

    async def _read(self, work: Callable[[Reader], T]) -> T:
        """Reads in a thread of its own: the log of a busy ledger takes milliseconds."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._reader, lambda: self._store.read(work).result())


async def _wait_for(event: asyncio.Event, wait_ms: float) -> None:
    # Not wait_for: before Python 3.12 it can swallow the cancellation that ends this loop.
    with suppress(TimeoutError):
        async with asyncio.timeout(wait_ms / 1_000):
            await event.wait()


def _prune(tx: Transaction) -> None:
    prune_deliveries(tx, tx.now - KEPT_MS)
    prune_endpoints(tx)
