"""Seats: how many calls may wait in this process, in all and for one key."""

from jobwire.domain.errors import RequestError

RETRY_KEY_S = 5
RETRY_ALL_S = 2


class Seats:
    """At most `all_max` callers at a time, `key_max` of one key; `what` names them in a refusal."""

    def __init__(self, what: str, *, all_max: int, key_max: int) -> None:
        self._what = what
        self._all_max = all_max
        self._key_max = key_max
        self._by_key: dict[str, int] = {}
        self.taken = 0

    def take(self, key_id: str) -> None:
        """Take a seat until `leave`; RequestError rate_limited when the key has its share, else unavailable."""
        held = self._by_key.get(key_id, 0)
        if held >= self._key_max:
            raise RequestError(
                "rate_limited",
                f"This key has {held} open {self._what} and may have {self._key_max}; end some, or just poll.",
                retry_after_s=RETRY_KEY_S,
            )
        if self.taken >= self._all_max:
            raise RequestError(
                "unavailable",
                f"This server has {self.taken} open {self._what} and holds no more; poll, or ask again soon.",
                retry_after_s=RETRY_ALL_S,
            )
        self._by_key[key_id] = held + 1
        self.taken += 1

    def leave(self, key_id: str) -> None:
        """Give a seat back."""
        self.taken -= 1
        held = self._by_key[key_id] - 1
        if held:
            self._by_key[key_id] = held
        else:
            del self._by_key[key_id]
