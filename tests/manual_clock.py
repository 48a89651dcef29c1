"""A clock that stands still until a test moves it."""

from dataclasses import dataclass


@dataclass
class ManualClock:
    """Unix milliseconds; call it for the time, `advance` it (also backwards) to move it."""

    now: int = 1_800_000_000_000

    def __call__(self) -> int:
        return self.now

    def advance(self, ms: int) -> int:
        """Move by `ms` and return the new time."""
        self.now += ms
        return self.now
