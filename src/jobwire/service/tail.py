"""The tail of the event log: one reader in a process for everyone here who waits for a job, wherever it runs.

Woken by the store after commits of any process, and looking by itself once a second where that is not heard. It reads
while somebody waits and rests when nobody has for a while. Belongs to one event loop. watching.py opens watches.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from jobwire.domain.states import Event
from jobwire.store.complaints import Complaints
from jobwire.store.contract import EventRow, Store, Wake
from jobwire.store.event_log import read_last

logger = logging.getLogger("jobwire.tail")

POLL_S = 1.0
LINGER_S = 5.0
# A busy ledger commits a thousand times a second: reading takes a tenth of the time at most, and a pause is no longer
# than this. Always as long as this it was a third of a small call that is waited for.
GAP_S = 0.01
PAUSES_A_READ = 9
ENTRIES_MAX = 50
BUFFERED_MAX = 256
# Whoever is woken reads and answers; other requests come in between.
WOKEN_TOGETHER = 64

Gone = Callable[[], Awaitable[None]]
"""Waits until nobody is to be answered any more, and raises then."""


class Watch:
    """The events of one job since this was opened, at most BUFFERED_MAX that were not taken: then it `is_cut`.

    With `wanted` other events neither wake nor are kept.
    """

    __slots__ = ("_events", "_timer", "is_cut", "number", "wanted")

    def __init__(self, number: int, wanted: frozenset[Event] | None) -> None:
        self.number = number
        self.wanted = wanted
        self.is_cut = False
        self._events: list[EventRow] = []
        self._timer: asyncio.Timeout | None = None

    def tell(self, event: EventRow) -> bool:
        """Keep an event and wake the waiter; whether it was wanted."""
        if self.wanted is not None and event.event not in self.wanted:
            return False
        if len(self._events) < BUFFERED_MAX:
            self._events.append(event)
        else:
            self.is_cut = True
        self.wake()
        return True

    def wake(self) -> None:
        """End the wait of now."""
        if self._timer is not None and not self._timer.expired():
            self._timer.reschedule(0.0)
            self._timer = None

    def take(self) -> list[EventRow]:
        """What has come and was not taken yet."""
        events, self._events = self._events, []
        return events

    async def sleep(self, until: float, gone: Gone) -> bool:
        """Wait for an event until `until` in the loop's time; whether there is one. Raises what `gone` raises."""
        if not self._events and not self.is_cut:
            # One task waits for three things: an event sets the timer to now, which costs no task of its own.
            try:
                async with asyncio.timeout_at(until) as self._timer:
                    await gone()
            except TimeoutError:
                pass
            finally:
                self._timer = None
        return bool(self._events) or self.is_cut


class Tail:
    """See the module; `after` is the last entry that was told, `open_watches` is how many wait."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._complaints = Complaints(logger)
        self._watches: dict[int, list[Watch]] = {}
        self._task: asyncio.Task[None] | None = None
        self._started: asyncio.Future[None] | None = None
        self._moved = asyncio.Event()
        self.after = 0
        self.open_watches = 0
        self.is_ended = False

    async def start(self) -> None:
        """From here on no event is missed by a watch that is opened before the next await."""
        while not self.is_ended and (self._task is None or self._task.done()):
            loop = asyncio.get_running_loop()
            self._moved = asyncio.Event()
            self._started = loop.create_future()
            self._task = loop.create_task(self._run(loop, self._started), name="jobwire-tail")
            await asyncio.shield(self._started)
        if self._started is not None:
            await asyncio.shield(self._started)

    def open(self, number: int, *, wanted: frozenset[Event] | None = None) -> Watch:
        """A watch on a job's events from now on; to be closed."""
        watch = Watch(number, wanted)
        watch.is_cut = self.is_ended
        self._watches.setdefault(number, []).append(watch)
        self.open_watches += 1
        return watch

    def close(self, watch: Watch) -> None:
        """Nothing more is told."""
        beside = self._watches[watch.number]
        beside.remove(watch)
        if not beside:
            del self._watches[watch.number]
        self.open_watches -= 1

    def end(self) -> None:
        """The server stops: whoever waits is answered with what is, and nobody waits any more. From any thread."""
        self.is_ended = True
        if self._task is not None:
            with suppress(RuntimeError):
                # The loop is closed: nobody waits.
                self._task.get_loop().call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        self._moved.set()
        for beside in self._watches.values():
            for watch in beside:
                watch.is_cut = True
                watch.wake()

    async def _run(self, loop: asyncio.AbstractEventLoop, started: asyncio.Future[None]) -> None:
        def hear(wake: Wake) -> None:
            if wake.changed:
                loop.call_soon_threadsafe(self._moved.set)

        end_listening = self._store.listen(hear)
        try:
            try:
                self.after = await self._store.read(read_last)
            except Exception as error:
                started.set_exception(error)
                started.exception()
                return
            started.set_result(None)
            await self._follow(loop)
        finally:
            end_listening()

    async def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        used_at = loop.time()
        # A watch that was opened just now keeps it up, however long nobody had waited before.
        while not self.is_ended and (self._watches or loop.time() - used_at < LINGER_S):
            self._moved.clear()
            began_at = loop.time()
            try:
                await self._read_new()
            except Exception as error:
                self._say_unread(error)
            if self._watches:
                used_at = loop.time()
            await asyncio.sleep(min(GAP_S, PAUSES_A_READ * (loop.time() - began_at)))
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self._moved.wait()

    def _say_unread(self, error: Exception) -> None:
        if not self.is_ended:
            self._complaints.say("the event log cannot be read, trying again: %s", error, error=error)

    async def _read_new(self) -> None:
        """Tell what is new, to the log's end."""
        while True:
            events = await self._store.events(self.after, limit=ENTRIES_MAX)
            if events:
                self.after = events[-1].no
                await self._tell(events)
            if len({event.no for event in events}) < ENTRIES_MAX:
                return
            await asyncio.sleep(0)

    async def _tell(self, events: Sequence[EventRow]) -> None:
        woken = 0
        for event in events:
            for watch in tuple(self._watches.get(event.number, ())):
                woken += watch.tell(event)
                if woken >= WOKEN_TOGETHER:
                    woken = 0
                    await asyncio.sleep(0)
