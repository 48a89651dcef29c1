"""robots.txt after RFC 9309: which URLs a host leaves to us, how slowly it wants to be asked, where its sitemaps are.

Protego reads the file; it is first cut down to the groups that can concern us, so that no file costs more than its
length (its time and memory grow with user agents times rules).
"""

import re
from dataclasses import dataclass
from typing import Final

from protego import Protego

ROBOTS_BYTES_MAX: Final = 500 * 1024
"""What RFC 9309 wants read at least; the rest of a longer file does not count."""

ROBOTS_REDIRECTS_MAX: Final = 5
CRAWL_DELAY_MS_MAX: Final = 60_000
PRODUCT: Final = "jobwire"
"""The product token that a group of robots.txt names us by."""

TOO_MANY: Final = 429

_AGENT: Final = re.compile(r"\s*user[ -]?agent\s*[: ]\s*(.*)", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z_-]+")


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of one host; without a `file` everything is allowed or, where it `is_closed`, nothing."""

    file: Protego | None = None
    is_closed: bool = False

    def allows(self, url: str) -> bool:
        """Whether the URL may be visited."""
        if self.file is None:
            return not self.is_closed
        return self.file.can_fetch(url, PRODUCT)

    @property
    def delay_ms(self) -> int:
        """How long to wait between two requests, at most CRAWL_DELAY_MS_MAX; 0 where the file says nothing."""
        if self.file is None:
            return 0
        rate = self.file.request_rate(PRODUCT)
        delay_s = max(self.file.crawl_delay(PRODUCT) or 0.0, rate.seconds / rate.requests if rate else 0.0)
        return int(min(delay_s * 1000, CRAWL_DELAY_MS_MAX))

    @property
    def sitemaps(self) -> tuple[str, ...]:
        """The sitemaps that the file names."""
        return tuple(self.file.sitemaps) if self.file is not None else ()


OPEN: Final = Robots()
CLOSED: Final = Robots(is_closed=True)


def judge_robots(status: int, body: bytes) -> Robots:
    """The rules that an answer to `/robots.txt` comes to.

    2xx: those of the first ROBOTS_BYTES_MAX bytes, up to the last whole line. 429 and 5xx: nothing is allowed, until
    the host answers again. Everything else, absent files and endless redirects among it: everything is allowed.
    """
    if 200 <= status < 300:
        return Robots(read_robots(body))
    return CLOSED if status == TOO_MANY or status >= 500 else OPEN


def read_robots(body: bytes) -> Protego:
    """The rules of a robots.txt; bytes that are no text are no rules."""
    text = body[:ROBOTS_BYTES_MAX]
    if len(body) >= ROBOTS_BYTES_MAX:
        text = text[: text.rfind(b"\n") + 1]
    lines = text.decode("utf-8-sig", "replace").replace("\0", "").splitlines()
    return Protego.parse("\n".join(map(_name_agent, lines)))


def _name_agent(line: str) -> str:
    """The line; one that opens a group opens it for everyone, for us, or for the one other that stands for all."""
    found = _AGENT.match(line)
    if found is None:
        return line
    value = found[1].partition("#")[0].strip()
    token = _TOKEN.match(value)
    if value == "*":
        return line
    return f"User-agent: {PRODUCT if token and token[0].lower() == PRODUCT else 'somebody-else'}"
