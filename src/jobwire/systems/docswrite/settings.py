"""What an operator may set for this system; docs/settings.md lists the table."""

from functools import cached_property
from typing import Final, cast
from urllib.parse import urlsplit

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.systems.docswrite.fields import SCHEDULE_MODES, ScheduleMode
from jobwire.systems.docswrite.links import GOOGLE_DOCS_URL
from jobwire.systems.docswrite.sealing import Sealer
from jobwire.systems.settings import SystemSettings

SITES_KEY: Final = "DOCSWRITE_SITES_KEY"
SETTINGS: Final = (
    Setting(
        SITES_KEY,
        "",
        "What sites' passwords are encrypted with, at least 32 characters; a comma and older keys may follow it.",
    ),
    Setting("DOCSWRITE_GOOGLE_URL", GOOGLE_DOCS_URL, "Where Google's documents are exported."),
    Setting(
        "DOCSWRITE_SCHEDULE_MODE",
        "delay",
        "What a date in the future means: `delay` runs the job then, `wordpress` lets the site publish it then.",
    ),
    Setting("DOCSWRITE_ATTEMPTS", "5", "How often an export is tried before it fails for good."),
    Setting("DOCSWRITE_RETRY_FIRST_MS", "5000", "The longest wait before the second attempt; it doubles each time."),
)

_RETRY_LONGEST_MS: Final = 600_000


class DocswriteSettings(SystemSettings):
    """The settings of one house for docswrite."""

    table = SETTINGS

    @cached_property
    def sealer(self) -> Sealer | None:
        """What encrypts the sites' passwords; None without a key."""
        keys = [key.strip() for key in self._text(SITES_KEY).split(",") if key.strip()]
        try:
            return Sealer(keys) if keys else None
        except ValueError as error:
            raise ValueError(f"{SITES_KEY}: {error}") from None

    @property
    def google_url(self) -> str:
        url = self._text("DOCSWRITE_GOOGLE_URL").rstrip("/")
        if urlsplit(url).scheme not in ("http", "https"):
            raise ValueError(f"DOCSWRITE_GOOGLE_URL is {url!r}; it begins with https:// or http://")
        return url

    @property
    def schedule_mode(self) -> ScheduleMode:
        mode = self._text("DOCSWRITE_SCHEDULE_MODE")
        if mode not in SCHEDULE_MODES:
            raise ValueError(f"DOCSWRITE_SCHEDULE_MODE is {mode!r}; it is one of {', '.join(SCHEDULE_MODES)}")
        return cast(ScheduleMode, mode)

    @property
    def attempts_max(self) -> int:
        return self._whole("DOCSWRITE_ATTEMPTS", least=1)

    @property
    def retry(self) -> RetryPolicy:
        return self._retry("DOCSWRITE_RETRY_FIRST_MS", longest_ms=_RETRY_LONGEST_MS)
