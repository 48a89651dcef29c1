"""The fields of a listing as a table: what each may hold. validation.py checks against it, schema.py shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

MOUNT: Final = "/api/v1"

EXTERNAL_ID_CHARS_MAX: Final = 255
DESCRIPTION_CHARS_MIN: Final = 40
DESCRIPTION_CHARS_MAX: Final = 2_000
WORD_CHARS_MAX: Final = 64
ADDRESS_CHARS_MAX: Final = 300
NAME_CHARS_MAX: Final = 255
PHONE_CHARS_MAX: Final = 32
PHOTOS_MIN: Final = 3
PHOTOS_MAX: Final = 50
NUMBER_MAX: Final = 10**12
ID_MAX: Final = 2**53 - 1

CUSTOM_SIZE: Final = "custom-value"

DRAFT: Final = "draft"
PENDING_ACTIVE: Final = "pending_active"
ACTIVE: Final = "active"
PUBLISH_FAILED: Final = "publish_failed"
CLIENT_STATUSES: Final = (DRAFT, ACTIVE, "hidden", "completed")
PUBLIC_STATUSES: Final = frozenset({ACTIVE, PENDING_ACTIVE, "expired", "completed"})


@dataclass(frozen=True, slots=True)
class Text:
    """A string of at most `chars_max` characters; a public listing needs `chars_min` if it has the field."""

    chars_max: int
    chars_min: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """A number between `lowest` and `highest`."""

    lowest: float = 0
    highest: float = NUMBER_MAX


@dataclass(frozen=True, slots=True)
class Choice:
    """One of `words`."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """An object `{lat, lng}` in degrees."""


Rule = Text | Number | Choice | Point

SECONDARY_TYPES: Final[Mapping[str, tuple[str, ...]]] = {
    "residential": ("apartment", "house", "room", "residential-land", "other"),
    "commercial": ("office", "trade", "warehouse", "production", "business", "commercial-land", "other"),
    "parking": ("underground-parking", "open-parking", "garage", "covered-parking", "other"),
}

_ALL_SECONDARY_TYPES = tuple(dict.fromkeys(chain.from_iterable(SECONDARY_TYPES.values())))

LISTING_FIELDS: Final[Mapping[str, Rule]] = {
    "announcementType": Choice(("rent", "sale")),
    "propertyType": Choice(tuple(SECONDARY_TYPES)),
    "propertySecondaryType": Choice(_ALL_SECONDARY_TYPES),
    "announcementValue": Number(),
    "announcementCurrency": Choice(("EUR", "USD", "MDL")),
    "announcementPayPeriod": Choice(("monthly", "daily")),
    "announcementDescription": Text(DESCRIPTION_CHARS_MAX, DESCRIPTION_CHARS_MIN),
    "propertyArea": Number(),
    "propertyFloorNumber": Number(lowest=-10, highest=200),
    "propertyFloorsTotal": Number(highest=200),
    "propertyQuantitySize": Text(WORD_CHARS_MAX),
    "propertyQuantitySizeValue": Number(),
    "propertyHousingMarket": Text(WORD_CHARS_MAX),
    "propertyVisualState": Text(WORD_CHARS_MAX),
    "propertyCoordinates": Point(),
    "propertyAddress": Text(ADDRESS_CHARS_MAX),
}

PUBLISHED_WITH: Final = frozenset(
    {
        "announcementType",
        "propertyType",
        "propertySecondaryType",
        "announcementDescription",
        "propertyCoordinates",
        "propertyAddress",
    }
)
"""What the texts, the place and the photos are made from: changing one of these on an active listing publishes it
again; a new price does not."""

AGENT_FIELDS: Final[Mapping[str, Rule]] = {
    "name": Text(NAME_CHARS_MAX),
    "phone": Text(PHONE_CHARS_MAX),
    "role": Text(WORD_CHARS_MAX),
}


def secondary_types(announcement_type: str | None, property_type: str) -> tuple[str, ...]:
    """The secondary types of a property type; homes for rent have no land."""
    words = SECONDARY_TYPES[property_type]
    if (announcement_type, property_type) == ("rent", "residential"):
        return tuple(word for word in words if word != "residential-land")
    return words
