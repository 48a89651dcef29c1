"""What a publication finds out about one revision of a listing, and what its parts are asked. Next: publishing.py."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from jobwire.systems.rentix.facts import ListingFacts
from jobwire.systems.rentix.gazetteer import distance_km
from jobwire.systems.rentix.location import Coordinates, Location, LocationRequest, PlaceFound, SectorFound
from jobwire.systems.rentix.photos import PhotoReport, find_duplicates
from jobwire.systems.rentix.translation import TranslationResult

PHOTO_FAR_KM: Final = 2.0
"""A phone is a few metres off in the open and some hundred between towers; beyond this the photo is of elsewhere."""

_LEADING_NUMBER = re.compile(r"[0-9]{1,3}")


class PhotoFinding(msgspec.Struct, frozen=True):
    """Pairs of files that show the same picture, and files taken elsewhere by their own GPS (never published)."""

    duplicates: list[tuple[int, int]]
    taken_elsewhere: list[int]


class Finding(msgspec.Struct, frozen=True):
    """All of it; `location` is None when the listing has neither coordinates nor an address."""

    location: Location | None
    texts: TranslationResult
    photos: PhotoFinding


def read_location_request(fields: Mapping[str, Any]) -> LocationRequest | None:
    """What the listing says about its place; None when it says nothing."""
    point, address = fields.get("propertyCoordinates"), (fields.get("propertyAddress") or "").strip()
    if point is None and not address:
        return None
    coordinates = Coordinates(lat=point["lat"], lng=point["lng"]) if point else None
    return LocationRequest(coordinates=coordinates, address=address or None)


def read_facts(fields: Mapping[str, Any], location: Location | None) -> ListingFacts:
    """The attributes that can be said in every language."""
    return ListingFacts(
        announcement_type=fields.get("announcementType"),
        property_type=fields.get("propertyType"),
        property_secondary_type=fields.get("propertySecondaryType"),
        rooms=_count_rooms(fields),
        area_m2=fields.get("propertyArea"),
        floor=_whole(fields.get("propertyFloorNumber")),
        floors_total=_whole(fields.get("propertyFloorsTotal")),
        price=fields.get("announcementValue"),
        currency=fields.get("announcementCurrency"),
        pay_period=fields.get("announcementPayPeriod"),
        place=_name(location.place) if location else None,
        sector=_name(location.sector) if location else None,
        housing_market=fields.get("propertyHousingMarket"),
        visual_state=fields.get("propertyVisualState"),
    )


def analyze_photos(reports: Mapping[int, PhotoReport], location: Location | None) -> PhotoFinding:
    """Compare the photos of one listing, given by file id, with each other and with its point."""
    files = list(reports)
    pairs = find_duplicates([report.phash for report in reports.values()])
    point = location.coordinates if location and location.precision == "exact" else None
    return PhotoFinding(
        duplicates=[(files[first], files[second]) for first, second in pairs],
        taken_elsewhere=[file for file, report in reports.items() if point and _is_far(report, point)],
    )


def _is_far(report: PhotoReport, point: Coordinates) -> bool:
    if report.exif_gps is None:
        return False
    lat, lng = report.exif_gps
    return distance_km(point.lat, point.lng, lat, lng) > PHOTO_FAR_KM


def _count_rooms(fields: Mapping[str, Any]) -> int | None:
    """The wire's size is a word such as `2-rooms`, or its own number beside `custom-value`."""
    leading = _LEADING_NUMBER.match(fields.get("propertyQuantitySize") or "")
    return int(leading[0]) if leading else _whole(fields.get("propertyQuantitySizeValue"))


def _whole(number: float | None) -> int | None:
    return int(number) if number is not None and number == int(number) else None


def _name(found: PlaceFound | SectorFound | None) -> Mapping[str, str] | None:
    if found is None:
        return None
    return {"ro": found.name, "ru": found.name_ru or found.name, "en": found.name_en}
