"""Random bits for ids, drawn from the system many at a time.

Asking the system lets go of the interpreter's lock: a thread that made 500 ids beside a busy loop waited for it a
third of its time.
"""

import os
import threading
from collections.abc import Callable

from jobwire.domain.ids import RANDOM_BITS

_BYTES = (RANDOM_BITS + 7) // 8
_SPARE_BITS = 8 * _BYTES - RANDOM_BITS
_DRAWN = 512


class RandomBits:
    """Gives integers below 2**RANDOM_BITS, each used once; thread-safe, and apart in a forked process."""

    def __init__(self, draw: Callable[[int], bytes] = os.urandom) -> None:
        self._draw = draw
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._block = b""
        self._used = 0

    def take(self) -> int:
        """The next one."""
        with self._lock:
            if self._used == len(self._block):
                self._block, self._used = self._draw(_BYTES * _DRAWN), 0
            start = self._used
            self._used = start + _BYTES
            return int.from_bytes(self._block[start : self._used], "big") >> _SPARE_BITS


random_bits = RandomBits().take
