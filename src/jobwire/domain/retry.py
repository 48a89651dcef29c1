"""When a failed attempt is tried again: exponential backoff with full jitter, all in integers of milliseconds."""

from dataclasses import dataclass

ATTEMPTS_MAX_LIMIT = 100
RETRY_AFTER_MS_MAX = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The n-th failure waits a random time below `first_ms` * 2^(n-1), at most `longest_ms`.

    Full jitter spreads the retries of jobs that failed together over the whole interval, which empties a
    struggling service's queue with the fewest collisions.
    """

    first_ms: int = 1_000
    longest_ms: int = 300_000

    def __post_init__(self) -> None:
        if not 0 < self.first_ms <= self.longest_ms:
            raise ValueError(
                f"a retry policy needs 0 < first_ms <= longest_ms, got {self.first_ms} and {self.longest_ms}"
            )


def backoff_ms(policy: RetryPolicy, *, attempt: int, jitter: float, retry_after_ms: int | None = None) -> int:
    """Milliseconds to wait after failed attempt number `attempt` (1 is the first); `jitter` is in [0, 1).

    A handler's own `retry_after_ms` is the earliest time, up to a day; jitter is added on top of it.
    """
    ceiling = min(policy.longest_ms, policy.first_ms * 2 ** min(attempt - 1, 40))
    wait = 1 + int(jitter * ceiling)
    if retry_after_ms is None:
        return wait
    return max(0, min(retry_after_ms, RETRY_AFTER_MS_MAX)) + wait
