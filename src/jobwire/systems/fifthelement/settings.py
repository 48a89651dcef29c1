"""What an operator may set for this system; docs/settings.md lists the table."""

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.net.policy import FetchPolicy

SETTINGS: Final = (
    Setting("FIFTHELEMENT_ATTEMPTS", "5", "How often a job of fifthelement is tried before it fails for good."),
    Setting(
        "FIFTHELEMENT_RETRY_FIRST_MS", "2000", "The longest wait before the second attempt; it doubles each time."
    ),
    Setting(
        "FIFTHELEMENT_CRAWL_DELAY_MS",
        "250",
        "Milliseconds between two requests to one host, over all crawls, where its robots.txt wants no more.",
    ),
    Setting("FIFTHELEMENT_CRAWL_HOST_REQUESTS", "4", "How many requests to one host a process has under way."),
    Setting(
        "FIFTHELEMENT_EMBEDDING_URL", "", "A server that embeds in OpenAI's form (`https://host/v1`); none: here."
    ),
    Setting("FIFTHELEMENT_EMBEDDING_KEY", "", "Its API key, if it wants one."),
    Setting("FIFTHELEMENT_EMBEDDING_MODEL", "text-embedding-3-small", "The model that is asked of it."),
)

_DEFAULTS: Final[Mapping[str, str]] = {setting.name: setting.default for setting in SETTINGS}
_RETRY_LONGEST_MS: Final = 300_000


class FifthelementSettings:
    """The settings of one house, read when they are asked for; ValueError names what cannot work."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def check(self) -> None:
        """Read every setting once."""
        for name, value in vars(type(self)).items():
            if isinstance(value, property | cached_property):
                getattr(self, name)

    @property
    def attempts_max(self) -> int:
        return self._whole("FIFTHELEMENT_ATTEMPTS", least=1)

    @property
    def retry(self) -> RetryPolicy:
        first_ms = self._whole("FIFTHELEMENT_RETRY_FIRST_MS", least=1)
        return RetryPolicy(first_ms=first_ms, longest_ms=max(first_ms, _RETRY_LONGEST_MS))

    @property
    def crawl_delay_ms(self) -> int:
        return self._whole("FIFTHELEMENT_CRAWL_DELAY_MS", least=0)

    @property
    def crawl_host_requests(self) -> int:
        return self._whole("FIFTHELEMENT_CRAWL_HOST_REQUESTS", least=1)

    @cached_property
    def fetch_policy(self) -> FetchPolicy:
        """What customers' URLs may reach."""
        return FetchPolicy.from_setting(self._values.get("JOBWIRE_FETCH_ALLOW", ""))

    @property
    def embedding_url(self) -> str | None:
        return self._text("FIFTHELEMENT_EMBEDDING_URL") or None

    @property
    def embedding_key(self) -> str:
        return self._text("FIFTHELEMENT_EMBEDDING_KEY")

    @property
    def embedding_model(self) -> str:
        return self._text("FIFTHELEMENT_EMBEDDING_MODEL")

    def _text(self, name: str) -> str:
        return (self._values.get(name) or _DEFAULTS[name]).strip()

    def _whole(self, name: str, *, least: int) -> int:
        text = self._text(name)
        if not text.isascii() or not text.isdecimal() or int(text) < least:
            raise ValueError(f"{name} is {text!r}; it must be a whole number of {least} or more")
        return int(text)
