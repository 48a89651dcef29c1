"""A ledger, workers and upkeep in the test's own loop, and waiting for what they do: by events, with a deadline."""

import asyncio
import contextlib
import itertools
import secrets

import msgspec

from house_engines import new_address, open_store
from jobwire.blobs.local import LocalBlobs
from jobwire.domain.errors import JobError
from jobwire.domain.ids import RANDOM_BITS, make_key
from jobwire.domain.job import NewJob
from jobwire.domain.phases import FINAL_PHASES
from jobwire.domain.retry import RetryPolicy
from jobwire.kinds.contract import Kind
from jobwire.kinds.registry import Registry, make_kind
from jobwire.upkeep.rounds import Upkeep
from jobwire.wiring import read_clock
from jobwire.worker.children import Children
from jobwire.worker.context import Tools
from jobwire.worker.loop import Worker

DEADLINE_S = 20
AT_ONCE = RetryPolicy(first_ms=1, longest_ms=1)
ALICE, BOB = 1, 2

_moments = itertools.count(1)


def run(work):
    """Run one coroutine to its end, within the deadline."""

    async def bounded():
        async with asyncio.timeout(DEADLINE_S):
            return await work

    return asyncio.run(bounded())


def kind_of(function, **options):
    """A kind whose retries come at once."""
    return function if isinstance(function, Kind) else make_kind(function, **{"retry": AT_ONCE, **options})


class House:
    """One ledger with the kinds of a test; `start` adds workers, `running` one worker and upkeep."""

    def __init__(self, store, kinds, tools):
        self.store = store
        self.registry = Registry(kinds)
        self.tools = tools
        self.worker = None
        self._moved = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._end_listening = store.listen(lambda _: loop.call_soon_threadsafe(self._moved.set))

    async def submit(self, kind, value=None, *, owner=ALICE, **options):
        """Submit a job; its number."""
        return (await self.submit_many(1, kind, value, owner=owner, **options))[0]

    async def submit_many(self, count, kind, value=None, *, owner=ALICE, **options):
        """Submit jobs in one commit; their numbers."""
        known = self.registry.find(kind)
        options = {"queue": known.queue, "attempts_max": known.attempts_max} | options if known else options
        text = msgspec.json.encode({} if value is None else value).decode()
        keys = [make_key(next(_moments), secrets.randbits(RANDOM_BITS)) for _ in range(count)]
        jobs = [
            NewJob(key=key, owner=owner, kind=kind, input=text, **{"queue": "default", **options}) for key in keys
        ]
        return [receipt.number for receipt in await self.store.submit(jobs)]

    async def row(self, number, owner=ALICE):
        """The job as it is now."""
        return await self.store.get(owner, number=number)

    async def until(self, number, is_reached, owner=ALICE):
        """The job as soon as `is_reached(row)`; looks after each commit."""
        while True:
            self._moved.clear()
            row = await self.row(number, owner)
            if is_reached(row):
                return row
            await self._moved.wait()

    async def until_phase(self, number, phase, owner=ALICE):
        """The job as soon as it is in that phase."""
        return await self.until(number, lambda row: row.phase is phase, owner)

    async def until_final(self, number, owner=ALICE):
        """The job at its end."""
        return await self.until(number, lambda row: row.phase in FINAL_PHASES, owner)

    async def until_true(self, is_reached):
        """Return once `await is_reached()`; looks after each commit."""
        while True:
            self._moved.clear()
            if await is_reached():
                return
            await self._moved.wait()

    async def finish(self, kind, value=None, **options):
        """Submit a job and wait for its end."""
        return await self.until_final(await self.submit(kind, value, **options))

    def make_worker(self, **options):
        """A worker that retries without jitter's lottery; not yet running."""
        return Worker(self.tools, self.registry, **{"slots": 4, "jitter": lambda: 0.0, **options})

    @contextlib.asynccontextmanager
    async def running(self, worker):
        """Run one worker; given back at once at the end."""
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop_now()
            await task

    def close(self):
        """Hear no more."""
        self._end_listening()


@contextlib.asynccontextmanager
async def open_house(*kinds, path=None, files=None, with_children=False, clock=read_clock):
    """A house without a worker, on a ledger of its own unless `path` names one."""
    store = open_store(new_address() if path is None else str(path), clock)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(store.close)
        children = Children(preload=("worker_targets",), grace_ms=200)
        if with_children:
            await stack.enter_async_context(children)
        tools = Tools(store, LocalBlobs(files) if files else None, children)
        house = House(store, [kind_of(kind) for kind in kinds], tools)
        stack.callback(house.close)
        yield house


@contextlib.asynccontextmanager
async def working_house(*kinds, path=None, files=None, with_children=False, clock=read_clock, **options):
    """A house with one running worker and upkeep; `options` are the worker's."""
    async with open_house(*kinds, path=path, files=files, with_children=with_children, clock=clock) as house:
        upkeep = asyncio.create_task(Upkeep(house.store, round_ms=200).run())
        try:
            async with house.running(house.make_worker(**options)) as house.worker:
                yield house
        finally:
            upkeep.cancel()
            await asyncio.gather(upkeep, return_exceptions=True)


def finish(function, value=None, *, worker=None, **options):
    """One job of one handler from its submission to its end: the row, its attempt log and its events."""

    async def run_one():
        kind = kind_of(function, **options)
        async with working_house(kind, **(worker or {})) as house:
            row = await house.finish(kind.name, value)
            return row, await house.store.attempts(row.number), await house.store.events(0, number=row.number)

    return run(run_one())


def error_of(row):
    """The public error of a row."""
    return msgspec.json.decode(row.error)


def refuse(code="no_luck", **options):
    """A JobError."""
    return JobError(code, "No luck.", **options)


def progress_of(row):
    """The progress of a row, empty if there is none."""
    return {} if row.progress is None else msgspec.json.decode(row.progress)


class Gate:
    """A handler's stop on its way: the test learns that it came (`reached`) and lets it go on (`open`).

    Works from the loop (`await pass_()`) and from threads (`pass_in_thread()`).
    """

    def __init__(self):
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._open = asyncio.Event()
        self.count = 0

    async def reached(self, count=1):
        while self.count < count:
            self._reached.clear()
            await self._reached.wait()

    def open(self):
        self._open.set()

    async def pass_(self):
        self.count += 1
        self._reached.set()
        await self._open.wait()

    def pass_in_thread(self):
        asyncio.run_coroutine_threadsafe(self.pass_(), self._loop).result(DEADLINE_S)
