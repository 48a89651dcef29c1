r"""Where a listing is: coordinates or an address to place, region, sector, timezone and cells. Next: address.py.

On one core of a shared machine 12,000 points/s, 15,000 addresses/s with a sector, 37,000/s when both are given:

    python -m timeit -s "from jobwire.systems.rentix.location import Coordinates, LocationRequest, locate" \
      "locate(LocationRequest(coordinates=Coordinates(47.03, 28.8)))"
"""

import math
from typing import Literal

import h3
import msgspec
import pygeohash
import tzfpy

from jobwire.domain.errors import JobError
from jobwire.systems.rentix.address import AddressMatch, match_address
from jobwire.systems.rentix.gazetteer import Gazetteer, Place, Region, Sector, distance_km, load_gazetteer
from jobwire.systems.rentix.geocoding import Geocoded

# Percent-encoded Cyrillic takes six characters a letter: 300 letters still fit a geocoder's URL of 2,048.
ADDRESS_CHARS_MAX = 300
GEOHASH_CHARS = 9
H3_RESOLUTION = 9
# Chișinău's municipality reaches 20 km from its centre, no other town so far.
FAR_FROM_PLACE_KM = 20.0
# The region of the nearest place is right for 83 % of the points this near (see gazetteer.py), for 72 % of all.
NEAREST_PLACE_KM = 10.0
# Sector centres are 2.3 to 5.5 km apart. Between two of them the nearest proves nothing: no sector is given.
SECTOR_CENTRE_KM = 3.0
SECTOR_CLEARNESS = 1.5

MOLDOVAN_ZONE = "Europe/Chisinau"
# The zones of tzfpy tell the countries apart: of GeoNames' places around, all 94 Moldovan ones fall into
# Europe/Chisinau and none of the 2,877 Romanian and Ukrainian ones (143 of them within 15 km of a Moldovan one).
_COUNTRY_OF_ZONE = {MOLDOVAN_ZONE: "MD", "Europe/Bucharest": "RO", "Europe/Kyiv": "UA"}

WarningCode = Literal[
    "no_match",
    "outside_moldova",
    "coordinates_swapped",
    "far_from_named_place",
    "no_place_nearby",
    "place_unlisted",
    "ambiguous_place",
]
CoordinatesSource = Literal["given", "provider", "sector", "place"]
Precision = Literal["exact", "street", "sector", "city", "region", "none"]


class Coordinates(msgspec.Struct, frozen=True):
    """A point in degrees (WGS 84)."""

    lat: float
    lng: float


class LocationRequest(msgspec.Struct, frozen=True):
    """What a listing says about its place: either field or both; the address at most ADDRESS_CHARS_MAX long."""

    coordinates: Coordinates | None = None
    address: str | None = None


class PlaceFound(msgspec.Struct, frozen=True):
    """The town or village; `id` is its geoname id, `distance_km` how far the listing's own point is from it."""

    id: int
    name: str
    name_ru: str | None
    name_en: str
    lat: float
    lng: float
    population: int
    distance_km: float | None = None


class RegionFound(msgspec.Struct, frozen=True):
    """The district, municipality or autonomous unit; `code` is ISO 3166-2."""

    code: str
    name: str
    name_ru: str
    name_en: str


class SectorFound(msgspec.Struct, frozen=True):
    """The sector of Chișinău; `basis` tells a sector named in the address from one guessed by nearest centre."""

    code: str
    name: str
    name_ru: str
    name_en: str
    basis: Literal["address", "nearest_centre"]


class Matched(msgspec.Struct, frozen=True):
    """The part of the address that decided, and how like the name it is (100 = the same sound)."""

    text: str
    score: float


class LocationWarning(msgspec.Struct, frozen=True):
    """Something a person should look at; `km` is the distance in question."""

    code: WarningCode
    message: str
    km: float | None = None


class Location(msgspec.Struct, frozen=True):
    """Where the listing is, as far as is known; `precision` says how finely `coordinates` are meant."""

    place: PlaceFound | None
    region: RegionFound | None
    sector: SectorFound | None
    country: str | None
    timezone: str | None
    geohash: str | None
    h3: str | None
    coordinates: Coordinates | None
    coordinates_source: CoordinatesSource | None
    precision: Precision
    matched: Matched | None
    warnings: tuple[LocationWarning, ...]


def locate(request: LocationRequest, *, geocoder: Geocoded | None = None) -> Location:
    """The location of a listing; never guesses silently: what is doubtful is in `warnings`.

    `geocoder` is what a street geocoder answered for the address (see geocoding.py); given coordinates win.
    Raises JobError: location_missing, address_too_long, coordinates_invalid.
    """
    given = _check_coordinates(request.coordinates)
    address = _check_address(request.address)
    if given is None and address is None:
        raise JobError("location_missing", "the listing has neither coordinates nor an address; give one of them")
    gazetteer = load_gazetteer()
    match = match_address(address) if address else AddressMatch()
    point, source, precision = _choose_point(given, geocoder, match)
    own_point = point if source in {"given", "provider"} else None
    place, region, sector = match.place, match.region, _show_sector(match.sector, "address")
    if own_point is not None and place is None and region is None:
        place, region, sector = _find_around(own_point, gazetteer)
    elif own_point is not None and sector is None and place is gazetteer.city:
        sector = _guess_sector(own_point, gazetteer)
    zone = _find_zone(point) if point else MOLDOVAN_ZONE if region else None
    return Location(
        place=_show_place(place, own_point),
        region=RegionFound(region.code, region.name, region.name_ru, region.name_en) if region else None,
        sector=sector,
        country=_COUNTRY_OF_ZONE.get(zone) if zone else None,
        timezone=zone,
        geohash=pygeohash.encode(point.lat, point.lng, precision=GEOHASH_CHARS) if point else None,
        h3=h3.latlng_to_cell(point.lat, point.lng, H3_RESOLUTION) if point else None,
        coordinates=point,
        coordinates_source=source,
        precision=precision,
        matched=Matched(match.text, match.score) if match.text else None,
        warnings=(*_warn_of_match(address, match), *_warn_of_point(own_point, zone, match.place, region)),
    )


def _check_coordinates(coordinates: Coordinates | None) -> Coordinates | None:
    if coordinates is None:
        return None
    for name, value, limit in (("lat", coordinates.lat, 90), ("lng", coordinates.lng, 180)):
        if not (math.isfinite(value) and -limit <= value <= limit):
            raise JobError(
                "coordinates_invalid",
                f"{name} {value} is not a number from -{limit} to {limit}; give degrees, like 47.0179 and 28.8413",
                details={"field": name},
            )
    return coordinates


def _check_address(address: str | None) -> str | None:
    if address is None or not address.strip():
        return None
    if len(address) > ADDRESS_CHARS_MAX:
        raise JobError(
            "address_too_long",
            f"the address has {len(address)} characters, at most {ADDRESS_CHARS_MAX} are read; shorten it",
        )
    return address


def _choose_point(
    given: Coordinates | None, geocoded: Geocoded | None, match: AddressMatch
) -> tuple[Coordinates | None, CoordinatesSource | None, Precision]:
    """The best known point with where it comes from: the customer, the provider, a sector's or town's centre."""
    if given is not None:
        return given, "given", "exact"
    if geocoded is not None:
        return Coordinates(geocoded.lat, geocoded.lng), "provider", geocoded.precision
    if match.place is None:
        return None, None, "region" if match.region else "none"
    if match.sector is not None and match.place is load_gazetteer().city:
        return Coordinates(match.sector.lat, match.sector.lng), "sector", "sector"
    return Coordinates(match.place.lat, match.place.lng), "place", "city"


def _find_around(point: Coordinates, gazetteer: Gazetteer) -> tuple[Place | None, Region | None, SectorFound | None]:
    """The place nearest to a point in Moldova, if near enough to tell something."""
    if _find_zone(point) != MOLDOVAN_ZONE:
        return None, None, None
    place, km = gazetteer.find_nearest_place(point.lat, point.lng)
    if km > NEAREST_PLACE_KM:
        return None, None, None
    sector = _guess_sector(point, gazetteer) if place is gazetteer.city else None
    return place, gazetteer.regions[place.region], sector


def _guess_sector(point: Coordinates, gazetteer: Gazetteer) -> SectorFound | None:
    (near_km, nearest), (next_km, _), *_ = gazetteer.rank_sectors(point.lat, point.lng)
    clear = near_km <= SECTOR_CENTRE_KM and next_km >= near_km * SECTOR_CLEARNESS
    return _show_sector(nearest, "nearest_centre") if clear else None


def _find_zone(point: Coordinates) -> str:
    return str(tzfpy.get_tz(point.lng, point.lat))


def _show_sector(sector: Sector | None, basis: Literal["address", "nearest_centre"]) -> SectorFound | None:
    if sector is None:
        return None
    return SectorFound(sector.code, sector.name, sector.name_ru, sector.name_en, basis)


def _show_place(place: Place | None, point: Coordinates | None) -> PlaceFound | None:
    if place is None:
        return None
    return PlaceFound(
        id=place.id,
        name=place.name,
        name_ru=place.name_ru,
        name_en=place.name_en,
        lat=place.lat,
        lng=place.lng,
        population=place.population,
        distance_km=round(distance_km(point.lat, point.lng, place.lat, place.lng), 1) if point else None,
    )


def _warn_of_match(address: str | None, match: AddressMatch) -> list[LocationWarning]:
    warnings: list[LocationWarning] = []
    if address is not None and match.text is None:
        message = "no Moldovan town, district or sector of Chișinău was recognised in the address"
        warnings.append(LocationWarning("no_match", message))
    if match.unlisted is not None:
        message = f"the village {match.unlisted!r} is not in the gazetteer; only its district is known"
        warnings.append(LocationWarning("place_unlisted", message))
    if match.namesakes and match.place is not None:
        message = f"{match.text!r} names more than one place; the largest was taken: add the district or city"
        warnings.append(LocationWarning("ambiguous_place", message))
    return warnings


def _warn_of_point(
    point: Coordinates | None, zone: str | None, named: Place | None, region: Region | None
) -> list[LocationWarning]:
    if point is None:
        return []
    warnings: list[LocationWarning] = []
    if zone != MOLDOVAN_ZONE:
        warnings.append(LocationWarning("outside_moldova", f"the point {point.lat}, {point.lng} is not in Moldova"))
        if abs(point.lng) <= 90 and _find_zone(Coordinates(point.lng, point.lat)) == MOLDOVAN_ZONE:
            message = "latitude and longitude look swapped: exchanged they are in Moldova"
            warnings.append(LocationWarning("coordinates_swapped", message))
    elif region is None:
        message = f"no place of the gazetteer lies within {NEAREST_PLACE_KM:g} km of the point"
        warnings.append(LocationWarning("no_place_nearby", message))
    km = distance_km(point.lat, point.lng, named.lat, named.lng) if named else 0.0
    if named and km > FAR_FROM_PLACE_KM:
        message = f"the point is {km:.0f} km from {named.name}, which the address names"
        warnings.append(LocationWarning("far_from_named_place", message, km=round(km, 1)))
    return warnings
