"""What an operator may set for this system; docs/settings.md lists the table."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final, cast
from urllib.parse import urlsplit

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.net.policy import FetchPolicy
from jobwire.systems.docswrite.fields import SCHEDULE_MODES, ScheduleMode
from jobwire.systems.docswrite.links import GOOGLE_DOCS_URL
from jobwire.systems.docswrite.sealing import Sealer

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

_DEFAULTS: Final[Mapping[str, str]] = {setting.name: setting.default for setting in SETTINGS}
_RETRY_LONGEST_MS: Final = 600_000


class DocswriteSettings:
    """The settings of one house, read when they are asked for; ValueError names what cannot work."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def check(self) -> None:
        """Read every setting once."""
        for name, value in vars(type(self)).items():
            if isinstance(value, property | cached_property):
                getattr(self, name)

    @cached_property
    def sealer(self) -> Sealer | None:
        """What encrypts the sites' passwords; None without a key."""
        keys = [key.strip() for key in self._text(SITES_KEY).split(",") if key.strip()]
        try:
            return Sealer(keys) if keys else None
        except ValueError as error:
            raise ValueError(f"{SITES_KEY}: {error}") from None

    @cached_property
    def fetch_policy(self) -> FetchPolicy:
        """What documents, pictures and sites may be reached."""
        return FetchPolicy.from_setting(self._values.get("JOBWIRE_FETCH_ALLOW", ""))

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
        first_ms = self._whole("DOCSWRITE_RETRY_FIRST_MS", least=1)
        return RetryPolicy(first_ms=first_ms, longest_ms=max(first_ms, _RETRY_LONGEST_MS))

    def _text(self, name: str) -> str:
        return (self._values.get(name) or _DEFAULTS[name]).strip()

    def _whole(self, name: str, *, least: int) -> int:
        text = self._text(name)
        if not text.isascii() or not text.isdecimal() or int(text) < least:
            raise ValueError(f"{name} is {text!r}; it must be a whole number of {least} or more")
        return int(text)
