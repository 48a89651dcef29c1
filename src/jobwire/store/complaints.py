"""Keeps the log short while the ledger is away: what fails many times a second is said at once, then now and then."""

import logging
import time
from collections.abc import Callable

from jobwire.domain.errors import RequestError

COMPLAIN_S = 10.0


class Complaints:
    """The complaints of one place in the program, told apart by their message before anything is filled in.

    Each is logged the first time, and then once in COMPLAIN_S seconds with how many were left out between.
    """

    def __init__(self, logger: logging.Logger, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._clock_s = clock_s
        self._said: dict[str, tuple[float, int]] = {}

    def say(self, message: str, *details: object, error: BaseException | None = None) -> None:
        """Log it as an error unless it was just said; with the traceback of what was not raised on purpose."""
        now = self._clock_s()
        said_at, left_out = self._said.get(message, (float("-inf"), 0))
        if now - said_at < COMPLAIN_S:
            self._said[message] = (said_at, left_out + 1)
            return
        self._said[message] = (now, 0)
        more = f" (and {left_out} times since it was last said)" if left_out else ""
        is_bug = error is not None and not isinstance(error, RequestError)
        self._logger.error(f"{message}%s", *details, more, exc_info=error if is_bug else None)
