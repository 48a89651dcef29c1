"""Rate limits: so many calls of a subject in a window that begins with its first call. Belongs to one event loop."""

from collections.abc import Callable
from dataclasses import dataclass

WINDOWS_MAX = 100_000
_SWEEP = 2


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` calls of one subject in `window_s` seconds; each limit named `name` counts by itself."""

    name: str
    count: int
    window_s: int

    def __post_init__(self) -> None:
        if self.count < 1 or self.window_s < 1:
            raise ValueError(f"limit {self.name!r} allows {self.count} in {self.window_s} s; both must be 1 or more")


@dataclass(frozen=True, slots=True)
class LimitState:
    """What is left of a limit: `reset_at_s` is Unix seconds; `retry_after_s` is None unless the call is refused."""

    limit: Limit
    remaining: int
    reset_at_s: int
    retry_after_s: int | None = None


@dataclass(slots=True)
class _Window:
    start: int
    taken: int = 0


class Limits:
    """Counts calls in memory, for at most 100,000 windows at once. `clock` gives Unix milliseconds.

    `size` is how many windows there are now. Where there would be more, the oldest is forgotten, which lets its
    subject begin a new one early.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        # One group for each length, in the order of their starts: the first window is the first to end.
        self._groups: dict[int, dict[tuple[str, str], _Window]] = {}
        self.size = 0

    def take(self, subject: str, limit: Limit) -> LimitState:
        """Count one call of `subject`; a refused call costs nothing."""
        now = self._clock()
        window = self._find(subject, limit, now) or self._begin(subject, limit, now)
        if window.taken >= limit.count:
            wait_ms = window.start + limit.window_s * 1_000 - now
            return LimitState(limit, 0, _reset_at_s(window, limit), retry_after_s=-(-wait_ms // 1_000))
        window.taken += 1
        return LimitState(limit, limit.count - window.taken, _reset_at_s(window, limit))

    def look(self, subject: str, limit: Limit) -> LimitState:
        """What `subject` has left, without counting a call."""
        now = self._clock()
        window = self._find(subject, limit, now) or _Window(now)
        return LimitState(limit, max(0, limit.count - window.taken), _reset_at_s(window, limit))

    def _find(self, subject: str, limit: Limit, now: int) -> _Window | None:
        window = self._groups.get(limit.window_s, {}).get((subject, limit.name))
        return window if window is not None and _is_open(window, limit.window_s, now) else None

    def _begin(self, subject: str, limit: Limit, now: int) -> _Window:
        group = self._groups.setdefault(limit.window_s, {})
        self.size -= group.pop((subject, limit.name), None) is not None
        self._drop_ended(group, limit.window_s, now)
        if self.size >= WINDOWS_MAX:
            _drop_first(max(self._groups.values(), key=len))
            self.size -= 1
        window = group[subject, limit.name] = _Window(now)
        self.size += 1
        return window

    def _drop_ended(self, group: dict[tuple[str, str], _Window], window_s: int, now: int) -> None:
        """Forget up to two ended windows for each one begun: the memory follows the callers of one window."""
        for _ in range(_SWEEP):
            if not group or _is_open(next(iter(group.values())), window_s, now):
                return
            _drop_first(group)
            self.size -= 1


def _is_open(window: _Window, window_s: int, now: int) -> bool:
    # A clock set back ends the window, instead of keeping its subject out until the old time has come again.
    return window.start <= now < window.start + window_s * 1_000


def _reset_at_s(window: _Window, limit: Limit) -> int:
    return -(-(window.start + limit.window_s * 1_000) // 1_000)


def _drop_first(group: dict[tuple[str, str], _Window]) -> None:
    del group[next(iter(group))]
