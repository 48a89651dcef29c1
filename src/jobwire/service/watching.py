"""Watching jobs: wait for an end, follow the events. tail.py reads the log for all; seats.py bounds how many wait."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from functools import partial
from typing import TypeAlias

from jobwire.domain.job import JobRow
from jobwire.domain.states import FINAL_EVENTS, Event
from jobwire.service.call import Principal
from jobwire.service.jobs import Jobs
from jobwire.service.seats import Seats
from jobwire.service.tail import Gone, Tail
from jobwire.store.contract import NO_LAST, EventRow, Store
from jobwire.store.event_log import find_span, skip_gap

WAITS_MAX = 20_000
WAITS_KEY_MAX = 2_000
STREAMS_MAX = 2_000
STREAMS_KEY_MAX = 100
# The log is read in pieces that take milliseconds: other requests come in between.
LOOK_ENTRIES = 5_000
EVENTS_MAX = 1_000

JobEvent: TypeAlias = EventRow
"""One thing that happened to a job, as the layers above know it."""


class Watching:
    """Who waits in this process, and how often it was asked; belongs to one event loop.

    `polls` counts status answers, `polls_final` those of them that told the end.
    """

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs
        self.tail = Tail(store)
        self.waits = Seats("waiting calls", all_max=WAITS_MAX, key_max=WAITS_KEY_MAX)
        self.streams = Seats("event streams", all_max=STREAMS_MAX, key_max=STREAMS_KEY_MAX)
        self.polls = 0
        self.polls_final = 0

    def count_poll(self, *, is_final: bool) -> None:
        """One status was answered."""
        self.polls += 1
        self.polls_final += is_final

    async def wait(
        self,
        principal: Principal,
        row: JobRow,
        *,
        wait_s: float,
        is_enough: Callable[[JobRow], bool],
        wanted: frozenset[Event] | None,
        gone: Gone,
    ) -> JobRow:
        """The job as soon as it `is_enough`, looked at after each `wanted` event (None: any), or after `wait_s`.

        RequestError rate_limited or unavailable when too many wait; what `gone` raises.
        """
        if is_enough(row) or wait_s <= 0 or self.tail.is_ended:
            return row
        until = asyncio.get_running_loop().time() + wait_s
        self.waits.take(principal.key_id)
        try:
            await self.tail.start()
            watch = self.tail.open(row.number, wanted=wanted)
            try:
                while True:
                    # Read after the watch was opened: what comes later is told.
                    row = await self._jobs.read(principal.owner, number=row.number)
                    if is_enough(row) or watch.is_cut:
                        return row
                    if not await watch.sleep(until, gone):
                        return await self._jobs.read(principal.owner, number=row.number)
                    watch.take()
            finally:
                self.tail.close(watch)
        finally:
            self.waits.leave(principal.key_id)

    async def follow(
        self, row: JobRow, after: int, *, until: float, beat_s: float, gone: Gone
    ) -> AsyncGenerator[Sequence[JobEvent], None]:
        """The job's events after log entry `after`, in order and without a gap, as they come; nothing every `beat_s`.

        Ends after the final event, at `until` in the loop's time, and when the reader falls BUFFERED_MAX events
        behind; who goes on from the last event it has seen misses none.
        """
        loop = asyncio.get_running_loop()
        await self.tail.start()
        watch = self.tail.open(row.number)
        try:
            # Who has all that the tail has told is told the rest by the tail.
            if after < self.tail.after:
                async for events in self.read_history(row, after):
                    yield events
                    after = events[-1].no
                    if events[-1].event in FINAL_EVENTS:
                        return
            while not watch.is_cut and loop.time() < until:
                if not await watch.sleep(min(until, loop.time() + beat_s), gone):
                    yield ()
                # What was told while the history was read is in both.
                elif events := [event for event in watch.take() if event.no > after]:
                    yield events
                    after = events[-1].no
                    if events[-1].event in FINAL_EVENTS:
                        return
        finally:
            self.tail.close(watch)

    async def read_history(self, row: JobRow, after: int) -> AsyncGenerator[Sequence[JobEvent], None]:
        """The job's events after entry `after` to the end of the log as it is now."""
        # An engine that takes committed events over when it is asked for some does so now.
        await self._store.events(NO_LAST, limit=1)
        first, last = await self._store.read(lambda reader: find_span(reader, row.created_at))
        start = max(after, first)
        if start > after:
            nearby = await self._store.events(start, number=row.number, limit=1, until=start + LOOK_ENTRIES)
            if not nearby or nearby[0].event != Event.SUBMITTED:
                # A clock was set back, and the times in the log are not in its order.
                start = after
        while start < last:
            end = min(start + LOOK_ENTRIES, last)
            events = await self._store.events(start, number=row.number, limit=EVENTS_MAX, until=end)
            start = end if len(events) < EVENTS_MAX else events[-1].no
            if events:
                yield events
            else:
                start = await self._store.read(partial(skip_gap, after=end))
            await asyncio.sleep(0)
