"""What an operator may set for this system; docs/settings.md lists the table."""

from collections.abc import Sequence
from functools import cached_property
from typing import Final, Literal, cast
from urllib.parse import urlsplit

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.systems.docswrite.fields import SCHEDULE_MODES, ScheduleMode
from jobwire.systems.docswrite.links import GOOGLE_DOCS_URL
from jobwire.systems.docswrite.sealing import Sealer
from jobwire.systems.settings import SystemSettings

EpochUnit = Literal["ms", "s"]
EPOCH_UNITS: Final = ("ms", "s")

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
    Setting("DOCSWRITE_EPOCH_UNIT", "ms", "What the times of a job's status count: `ms`, or `s` for seconds."),
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
        return cast(ScheduleMode, self._word("DOCSWRITE_SCHEDULE_MODE", SCHEDULE_MODES))

    @property
    def epoch_unit(self) -> EpochUnit:
        return cast(EpochUnit, self._word("DOCSWRITE_EPOCH_UNIT", EPOCH_UNITS))

    @property
    def attempts_max(self) -> int:
        return self._whole("DOCSWRITE_ATTEMPTS", least=1)

    @property
    def retry(self) -> RetryPolicy:
        return self._retry("DOCSWRITE_RETRY_FIRST_MS", longest_ms=_RETRY_LONGEST_MS)

    def _word(self, name: str, words: Sequence[str]) -> str:
        word = self._text(name)
        if word not in words:
            raise ValueError(f"{name} is {word!r}; it is one of {', '.join(words)}")
        return word
