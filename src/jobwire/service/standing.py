"""Ends open calls, waits and event streams, whose credential has ended: at once here, within a second elsewhere.

Whoever changes what a credential may do marks that in the ledger (store/accounts.py). While calls are open, a process
looks at the mark twice a second and judges their credentials anew when it has moved. Belongs to one event loop.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from jobwire.domain.errors import RequestError
from jobwire.service.call import Principal
from jobwire.store import accounts
from jobwire.store.complaints import Complaints
from jobwire.store.contract import Store

logger = logging.getLogger("jobwire.standing")

LOOK_S = 0.5
JUDGED_TOGETHER = 32


class _Seat:
    """One open call: `check` raises for a principal that may not make it."""

    __slots__ = ("check", "refusal", "timer")

    def __init__(self, check: Callable[[Principal], Awaitable[None]]) -> None:
        self.check = check
        self.refusal: RequestError | None = None
        self.timer = asyncio.timeout(None)

    def end(self, refusal: RequestError) -> None:
        """Wake the call, to be refused."""
        if self.refusal is None:
            self.refusal = refusal
            self.timer.reschedule(0.0)


class Standing:
    """The open calls of a process by their credentials.

    `judge` tells who a token belongs to, from memory or from the ledger; `forget` empties that memory.
    """

    def __init__(
        self, store: Store, *, judge: Callable[[str], Awaitable[Principal]], forget: Callable[[], None]
    ) -> None:
        self._store = store
        self._judge = judge
        self._forget = forget
        self._complaints = Complaints(logger)
        self._seats: dict[str, set[_Seat]] = {}
        self._task: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def keep(
        self, token: str, check: Callable[[Principal], Awaitable[None]], *, gone: Callable[[], Awaitable[None]]
    ) -> None:
        """Wait in `gone` while the token may make the call; RequestError, its own or that of `check`, when it may not
        any more. Raises what `gone` raises."""
        await check(await self._judge(token))
        seat = _Seat(check)
        beside = self._seats.setdefault(token, set())
        beside.add(seat)
        self._start()
        try:
            async with seat.timer:
                await gone()
        except TimeoutError:
            if seat.refusal is not None:
                raise seat.refusal from None
            raise
        finally:
            beside.discard(seat)
            if not beside:
                del self._seats[token]

    def look(self) -> None:
        """Look at the mark now. From any thread."""
        if self._task is not None:
            with suppress(RuntimeError):
                # The loop is closed: no call is open.
                self._task.get_loop().call_soon_threadsafe(self._moved.set)

    async def end(self) -> None:
        """Look no more: the calls of this process are over."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _start(self) -> None:
        if self._task is None or self._task.done():
            self._moved = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._run(), name="jobwire-standing")

    async def _run(self) -> None:
        # No mark is like this one: whoever was judged before the first look is judged once more.
        mark: str | None = None
        while self._seats:
            self._moved.clear()
            try:
                found = await self._store.read(accounts.read_mark)
                if found != mark:
                    await self._judge_all()
                    mark = found
            except Exception as error:
                self._complaints.say("open calls could not be judged, trying again: %s", error, error=error)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._moved.wait()

    async def _judge_all(self) -> None:
        self._forget()
        tokens = list(self._seats)
        for start in range(0, len(tokens), JUDGED_TOGETHER):
            await asyncio.gather(*map(self._review, tokens[start : start + JUDGED_TOGETHER]))

    async def _review(self, token: str) -> None:
        """End the token's calls that it may not make; RequestError unavailable where nobody can tell."""
        refusal: RequestError | None = None
        try:
            principal = await self._judge(token)
        except RequestError as error:
            if error.code == "unavailable":
                raise
            refusal = error
        for seat in tuple(self._seats.get(token, ())):
            try:
                if refusal is not None:
                    raise refusal
                await seat.check(principal)
            except RequestError as error:
                seat.end(error)
