"""What an operator may set for this system; docs/settings.md lists the table."""

from dataclasses import replace
from functools import cached_property
from typing import Final, Literal, cast

from jobwire.config import Setting
from jobwire.domain.retry import RetryPolicy
from jobwire.net.fetch import FetchPolicy
from jobwire.systems.rentix.fields import LISTING_FIELDS
from jobwire.systems.rentix.translators import TranslationSettings
from jobwire.systems.settings import SystemSettings

SETTINGS: Final = (
    Setting(
        "JOBWIRE_FETCH_ALLOW", "", "Networks photos may be fetched from although they are not public (127.0.0.0/8)."
    ),
    Setting("RENTIX_PUBLIC_URL", "https://rentix.md", "Where published listings are seen; publicUrl starts with it."),
    Setting("RENTIX_MONTHLY_LISTINGS", "1000", "How many listings an agency may publish in a calendar month (UTC)."),
    Setting("RENTIX_REQUIRED_FIELDS", "", "Fields a listing needs to be published, by name, separated by commas."),
    Setting("RENTIX_ATTEMPTS", "5", "How often a publication or an import is tried before it fails for good."),
    Setting("RENTIX_RETRY_FIRST_MS", "2000", "The longest wait before the second attempt; it doubles with each one."),
    Setting("RENTIX_FETCH_DEADLINE_MS", "30000", "Milliseconds a photo's server has to deliver it whole."),
    Setting("RENTIX_LIBRETRANSLATE_URL", "", "A LibreTranslate server, the first translator that is asked."),
    Setting("RENTIX_LIBRETRANSLATE_KEY", "", "Its API key, if it wants one."),
    Setting("RENTIX_DEEPL_URL", "", "DeepL's API (https://api.deepl.com), the second translator; needs the key."),
    Setting("RENTIX_DEEPL_KEY", "", "DeepL's API key."),
    Setting("RENTIX_APERTIUM", "auto", "The local translator: auto (where installed), on or off."),
    Setting(
        "RENTIX_NOMINATIM_URL", "", "A Nominatim server that places street addresses; none: cities and sectors only."
    ),
)

_RETRY_LONGEST_MS: Final = 300_000
_APERTIUM: Final = ("auto", "on", "off")


class RentixSettings(SystemSettings):
    """The settings of one house for rentix."""

    table = SETTINGS

    @cached_property
    def fetch_policy(self) -> FetchPolicy:
        """What customers' photo URLs may reach, and for how long."""
        return replace(super().fetch_policy, deadline_ms=self._whole("RENTIX_FETCH_DEADLINE_MS", least=1))

    @property
    def public_url(self) -> str:
        """Without a trailing slash."""
        return self._text("RENTIX_PUBLIC_URL").rstrip("/")

    @property
    def monthly_listings_max(self) -> int:
        return self._whole("RENTIX_MONTHLY_LISTINGS", least=0)

    @property
    def required_fields(self) -> tuple[str, ...]:
        """The fields without which nothing is published."""
        names = tuple(name.strip() for name in self._text("RENTIX_REQUIRED_FIELDS").split(",") if name.strip())
        if unknown := [name for name in names if name not in LISTING_FIELDS]:
            raise ValueError(
                f"RENTIX_REQUIRED_FIELDS names {unknown[0]!r}; the fields are {', '.join(LISTING_FIELDS)}"
            )
        return names

    @property
    def attempts_max(self) -> int:
        return self._whole("RENTIX_ATTEMPTS", least=1)

    @property
    def retry(self) -> RetryPolicy:
        return self._retry("RENTIX_RETRY_FIRST_MS", longest_ms=_RETRY_LONGEST_MS)

    @property
    def translation(self) -> TranslationSettings:
        apertium = self._text("RENTIX_APERTIUM")
        if apertium not in _APERTIUM:
            raise ValueError(f"RENTIX_APERTIUM is {apertium!r}; set it to one of {', '.join(_APERTIUM)}")
        return TranslationSettings(
            libretranslate_url=self._text("RENTIX_LIBRETRANSLATE_URL") or None,
            libretranslate_key=self._text("RENTIX_LIBRETRANSLATE_KEY") or None,
            deepl_url=self._text("RENTIX_DEEPL_URL") or None,
            deepl_key=self._text("RENTIX_DEEPL_KEY") or None,
            apertium=cast(Literal["auto", "on", "off"], apertium),
        )

    @property
    def nominatim_url(self) -> str | None:
        return self._text("RENTIX_NOMINATIM_URL") or None
