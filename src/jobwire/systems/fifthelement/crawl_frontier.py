"""Which pages of a crawl are known, and which comes next: by depth, then in the order they were found. Pure.

The ledger has the same rows (crawl_records.py); whoever writes them takes what is new from here.
"""

import heapq
from collections.abc import Iterable
from typing import Final, NamedTuple

URLS_KNOWN_MAX: Final = 50_000
"""Pages one crawl remembers; links found after that are not followed. A calendar without end stops here at last."""


class Target(NamedTuple):
    """A page to visit: `depth` links from the start, `hops` redirects from where it was found."""

    place: int
    url: str
    depth: int
    hops: int = 0


class Frontier:
    """The known pages of one crawl; `pages_max` bounds visits, `depth_max` how far links are followed."""

    def __init__(self, pages_max: int, depth_max: int, *, known_max: int = URLS_KNOWN_MAX) -> None:
        self.pages_max = pages_max
        self.depth_max = depth_max
        self._known_max = known_max
        self._known: set[str] = set()
        self._waiting: list[tuple[int, int, Target]] = []
        self._visited = 0

    @property
    def total(self) -> int:
        """Visits there will be, as far as is known."""
        return min(self.pages_max, self._visited + len(self._waiting))

    def restore(self, target: Target, *, is_waiting: bool, is_visited: bool) -> None:
        """Take up a page that an earlier attempt knew."""
        self._known.add(target.url)
        self._visited += is_visited
        if is_waiting:
            self.put_back(target)

    def add(self, urls: Iterable[str], *, depth: int, hops: int = 0) -> list[Target]:
        """The pages among `urls` that were not known, now waiting; none beyond the limits."""
        new: list[Target] = []
        for url in urls if depth <= self.depth_max else ():
            if len(self._known) >= self._known_max:
                break
            if url not in self._known:
                target = Target(len(self._known), url, depth, hops)
                self._known.add(url)
                self.put_back(target)
                new.append(target)
        return new

    def put_back(self, target: Target) -> None:
        """A page that waits (again)."""
        heapq.heappush(self._waiting, (target.depth, target.place, target))

    @property
    def has_waiting(self) -> bool:
        """Whether there is a page to take."""
        return bool(self._waiting) and self._visited < self.pages_max

    def take(self, *, depth_max: int | None = None) -> Target | None:
        """The next page to visit, which counts as a visit; None when none waits so near or no visit is left."""
        if not self.has_waiting or (depth_max is not None and self._waiting[0][0] > depth_max):
            return None
        self._visited += 1
        return heapq.heappop(self._waiting)[2]

    def forget_visit(self) -> None:
        """A page that was taken and not asked for: another may be visited in its place."""
        self._visited -= 1
