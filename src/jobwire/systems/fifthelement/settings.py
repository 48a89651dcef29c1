"""What an operator may set for this system; docs/settings.md lists the table."""

from typing import Final

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.systems.settings import SystemSettings

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

_RETRY_LONGEST_MS: Final = 300_000


class FifthelementSettings(SystemSettings):
    """The settings of one house for fifthelement."""

    table = SETTINGS

    @property
    def attempts_max(self) -> int:
        return self._whole("FIFTHELEMENT_ATTEMPTS", least=1)

    @property
    def retry(self) -> RetryPolicy:
        return self._retry("FIFTHELEMENT_RETRY_FIRST_MS", longest_ms=_RETRY_LONGEST_MS)

    @property
    def crawl_delay_ms(self) -> int:
        return self._whole("FIFTHELEMENT_CRAWL_DELAY_MS", least=0)

    @property
    def crawl_host_requests(self) -> int:
        return self._whole("FIFTHELEMENT_CRAWL_HOST_REQUESTS", least=1)

    @property
    def embedding_url(self) -> str | None:
        return self._text("FIFTHELEMENT_EMBEDDING_URL") or None

    @property
    def embedding_key(self) -> str:
        return self._text("FIFTHELEMENT_EMBEDDING_KEY")

    @property
    def embedding_model(self) -> str:
        return self._text("FIFTHELEMENT_EMBEDDING_MODEL")
