"""Rate limits: so many calls of a subject, all processes of a ledger together. Belongs to one event loop.

A call is counted in memory. What was counted is told to the ledger once a second, beside the calls, and what the
other processes counted comes back with it. A process that has counted a tenth of a limit by itself asks before it
counts on: so `n` processes serve at most n - 1 tenths of a limit more than it allows, and never twice.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice

from jobwire.store import rates
from jobwire.store.contract import Store, Transaction
from jobwire.store.pending import Pending

logger = logging.getLogger("jobwire.limits")

COUNTS_MAX = 100_000
LIMIT_COUNT_MAX = 1_000_000
LIMIT_WINDOW_S_MAX = 86_400
TOLD_INTERVAL_MS = 1_000
TOLD_ROWS_MAX = 1_000
FORGET_INTERVAL_MS = 60_000
SLICES = 10
_SWEEP = 2

TIER_SCOPE = "tier:"

Key = tuple[str, str, int]
Subject = tuple[str, "Limit"]


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls of one subject in `window_s` seconds; each limit named `name` counts by itself.

    A window begins with its first call and serves its count once. A limit that `flows` gives back one call every
    window_s / count seconds (the generic cell rate algorithm): nobody waits for the end of a window. `tiers` are the
    counts of keys of other tiers (fit_tier). `message` is what its refusal says in place of the numbers.
    """

    name: str
    count: int
    window_s: int
    flows: bool = False
    tiers: tuple[tuple[str, int], ...] = ()
    message: str | None = field(default=None, compare=False)
    slice: int = field(init=False, repr=False, compare=False)
    """How many calls one process counts before it must have asked the ledger."""
    window_us: int = field(init=False, repr=False, compare=False)
    cost_us: int = field(init=False, repr=False, compare=False)
    """By how much a call prolongs its count."""

    def __post_init__(self) -> None:
        if self.count < 1 or self.window_s < 1:
            raise ValueError(f"limit {self.name!r} allows {self.count} in {self.window_s} s; both must be 1 or more")
        window_us = self.window_s * 1_000_000
        # Worked out here once, because each poll asks for them.
        object.__setattr__(self, "slice", max(1, self.count // SLICES))
        object.__setattr__(self, "window_us", window_us)
        object.__setattr__(self, "cost_us", max(1, window_us // self.count) if self.flows else 0)


@lru_cache(maxsize=1_000)
def fit_tier(limit: Limit, scopes: frozenset[str]) -> Limit:
    """The limit of a key with these scopes: `tier:<name>` has its tier's count, `tier:<name>:<count>` its own."""
    counts = dict(limit.tiers)
    for scope in sorted(scopes):
        name, _, count = scope.removeprefix(TIER_SCOPE).partition(":")
        if scope.startswith(TIER_SCOPE) and name in counts:
            own = int(count) if count.isascii() and count.isdecimal() else counts[name]
            return replace(limit, count=max(1, min(own, LIMIT_COUNT_MAX)))
    return limit


@dataclass(frozen=True, slots=True)
class LimitState:
    """What is left of a limit: `reset_at_s` is Unix seconds; `retry_after_s` is None unless the call is refused."""

    limit: Limit
    remaining: int
    reset_at_s: int
    retry_after_s: int | None = None


@dataclass(slots=True)
class _Count:
    """`ends_us` is when the count stops to matter; `untold` calls the ledger has not answered for, `unsent` of them
    it was not told."""

    ends_us: int
    taken: int = 0
    untold: int = 0
    unsent: int = 0


class Limits:
    """Counts calls, for at most 100,000 subjects at once. `clock` gives Unix milliseconds.

    `size` is how many counts there are now. Where there would be more, one is forgotten, which lets its subject begin
    anew. Without a store this process counts for itself, and so does each while the ledger does not answer: calls are
    not refused for that.
    """

    def __init__(self, clock: Callable[[], int], store: Store | None = None) -> None:
        self._clock = clock
        self._store = store
        self._counts: dict[Key, _Count] = {}
        self._unsent: dict[Key, Limit] = {}
        self._telling: tuple[Pending[dict[tuple[str, str], rates.Told]], list[tuple[Key, Limit, int]]] | None = None
        self._told_at = 0
        self._forgot_at = 0

    @property
    def size(self) -> int:
        """How many counts there are."""
        return len(self._counts)

    def must_ask(self, wanted: Iterable[Subject]) -> bool:
        """Whether `ask` has to come before a `take` of these."""
        if self._store is None:
            return False
        self._hear()
        for subject, limit in wanted:
            count = self._counts.get(_key(subject, limit))
            if count is not None and count.untold >= limit.slice and count.ends_us > self._clock() * 1_000:
                return True
        return False

    async def ask(self, wanted: Sequence[Subject]) -> None:
        """Tell the ledger what was counted, these first, and hear what the others have."""
        for _ in range(2):
            # The first may be on its way since before the latest calls.
            self._tell(wanted)
            if self._telling is not None:
                try:
                    await self._telling[0]
                except Exception:
                    logger.debug("the ledger does not answer for limits", exc_info=True)
                self._hear()

    def take(self, subject: str, limit: Limit) -> LimitState:
        """Count one call of `subject`; a refused call costs nothing."""
        now = self._clock()
        if self._store is not None:
            self._hear()
            if not 0 <= now - self._told_at < TOLD_INTERVAL_MS:
                self._tell()
        now_us = now * 1_000
        count = self._find(subject, limit, now_us) or self._begin(subject, limit, now_us)
        remaining = _count_room(limit, count, now_us)
        if not remaining:
            return _refuse(limit, count, now_us)
        count.ends_us += limit.cost_us
        count.taken += 1
        if self._store is not None:
            count.untold += 1
            count.unsent += 1
            self._unsent[_key(subject, limit)] = limit
        return LimitState(limit, remaining - 1, -(-count.ends_us // 1_000_000))

    def look(self, subject: str, limit: Limit) -> LimitState:
        """What `subject` has left, without counting a call."""
        now_us = self._clock() * 1_000
        count = self._find(subject, limit, now_us) or _Count(now_us + (0 if limit.flows else limit.window_us))
        return LimitState(limit, _count_room(limit, count, now_us), -(-count.ends_us // 1_000_000))

    def _find(self, subject: str, limit: Limit, now_us: int) -> _Count | None:
        count = self._counts.get(_key(subject, limit))
        return count if count is not None and _matters(count, limit.window_us, now_us) else None

    def _begin(self, subject: str, limit: Limit, now_us: int) -> _Count:
        key = _key(subject, limit)
        self._drop(key)
        for _ in range(_SWEEP):
            # Two old ones are looked at for each new one: the memory follows the callers of the moment.
            oldest = next(iter(self._counts), None)
            if oldest is None:
                break
            count = self._counts.pop(oldest)
            if _matters(count, oldest[2] * 1_000_000, now_us):
                self._counts[oldest] = count
        if len(self._counts) >= COUNTS_MAX:
            self._drop(next(iter(self._counts)))
        begun = self._counts[key] = _Count(now_us + (0 if limit.flows else limit.window_us))
        return begun

    def _drop(self, key: Key) -> None:
        self._counts.pop(key, None)
        self._unsent.pop(key, None)

    def _tell(self, wanted: Sequence[Subject] = ()) -> None:
        """Send what was counted, unless something is on its way; nothing waits for it."""
        if self._store is None or self._telling is not None or not self._unsent:
            return
        now = self._told_at = self._clock()
        first = [_key(subject, limit) for subject, limit in wanted]
        keys = dict.fromkeys((*first, *islice(self._unsent, TOLD_ROWS_MAX)))
        sent: list[tuple[Key, Limit, int]] = []
        spent: list[rates.Spent] = []
        for key in keys:
            limit, count = self._unsent.pop(key, None), self._counts.get(key)
            if limit is not None and count is not None and count.ends_us > now * 1_000:
                spent.append(_spend(key, limit, count, now_us=now * 1_000))
                sent.append((key, limit, count.unsent))
                count.unsent = 0
        forgets = not 0 <= now - self._forgot_at < FORGET_INTERVAL_MS
        if forgets:
            self._forgot_at = now

        def write(tx: Transaction) -> dict[tuple[str, str], rates.Told]:
            if forgets:
                rates.forget_spent(tx)
            return rates.spend(tx, spent)

        if spent:
            self._telling = self._store.write(write), sent

    def _hear(self) -> None:
        """Take over what the ledger answered, if it has."""
        if self._telling is None or not self._telling[0].is_done:
            return
        (pending, sent), self._telling = self._telling, None
        try:
            told = pending.result()
        except Exception as error:
            logger.warning("limits are counted by each process alone, the ledger did not answer: %s", error)
            told = {}
        now_us = self._clock() * 1_000
        for key, limit, sent_count in sent:
            count, row = self._counts.get(key), told.get(key[:2])
            if count is None:
                continue
            count.untold = count.unsent
            if row is None:
                # Told with the next calls.
                count.unsent += sent_count
                self._unsent[key] = limit
            else:
                # The ledger keeps the whole debt of many processes; for an answer two windows of it are enough.
                left_us = min(row.left_us + count.unsent * limit.cost_us, 2 * limit.window_us)
                count.ends_us = now_us + left_us
                count.taken = row.taken + count.unsent


def _key(subject: str, limit: Limit) -> Key:
    return subject, limit.name, limit.window_s


def _spend(key: Key, limit: Limit, count: _Count, *, now_us: int) -> rates.Spent:
    left_us = count.ends_us - now_us
    # Of a flow, what has drained meanwhile is no debt any more.
    cost_us = min(count.unsent * limit.cost_us, left_us)
    return rates.Spent(key[0], key[1], cost_us if limit.flows else left_us, cost_us, count.unsent)


def _matters(count: _Count, window_us: int, now_us: int) -> bool:
    # A clock set back ends a count, instead of keeping its subject out until the old time has come again.
    return now_us < count.ends_us <= now_us + 2 * window_us


def _count_room(limit: Limit, count: _Count, now_us: int) -> int:
    """How many calls there is room for."""
    if limit.flows:
        return min(limit.count, max(0, (now_us + limit.window_us - count.ends_us) // limit.cost_us))
    return max(0, limit.count - count.taken)


def _refuse(limit: Limit, count: _Count, now_us: int) -> LimitState:
    """The state of a call that there is no room for, with the wait until there is."""
    room_at_us = count.ends_us + limit.cost_us - limit.window_us if limit.flows else count.ends_us
    wait_s = max(1, -(-(room_at_us - now_us) // 1_000_000))
    return LimitState(limit, 0, -(-count.ends_us // 1_000_000), retry_after_s=wait_s)
