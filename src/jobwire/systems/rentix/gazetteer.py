"""Moldova's places, regions and Chișinău's sectors, loaded once from data/. Next: address.py, location.py."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import TypeVar

import msgspec

from jobwire.systems.rentix.place_names import sounds_of, spell_cases

CHISINAU_REGION = "MD-CU"
# Shorter names are like too many words to be looked for with spelling mistakes.
NEARLY_LETTERS_MIN = 5

_EARTH_DIAMETER_KM = 12_742.0
# Distances are divided by population ** this when the nearest place is chosen, so that a city reaches further
# than the suburb beside it. Region right within 10 km for 2,000 random Moldovan points, against district
# outlines that may not be shipped: 80 % unweighted, 83 % with 0.25, 84 % with 0.5 (which loses small towns).
_REACH_EXPONENT = 0.25
_POPULATION_MIN = 1_000


class Place(msgspec.Struct, frozen=True):
    """A populated place of GeoNames: `id` is its geoname id, `region` its ISO 3166-2 code."""

    id: int
    name: str
    name_ru: str | None
    name_en: str
    lat: float
    lng: float
    population: int
    region: str
    aliases: tuple[str, ...] = ()


class Region(msgspec.Struct, frozen=True):
    """A first-level division: `code` is ISO 3166-2, `seat` the geoname id of the town it is named after."""

    code: str
    name: str
    name_ru: str
    name_en: str
    seat: int | None = None
    aliases: tuple[str, ...] = ()


class Sector(msgspec.Struct, frozen=True):
    """One of Chișinău's five sectors; `weak_aliases` name it only beside the city or the word "sector"."""

    code: str
    name: str
    name_ru: str
    name_en: str
    lat: float
    lng: float
    aliases: tuple[str, ...] = ()
    weak_aliases: tuple[str, ...] = ()


Named = TypeVar("Named", Place, Region, Sector)


class _PlacesFile(msgspec.Struct, frozen=True):
    source: str
    regions: tuple[Region, ...]
    places: tuple[Place, ...]


class _SectorsFile(msgspec.Struct, frozen=True):
    source: str
    city: int
    sectors: tuple[Sector, ...]


class Gazetteer(msgspec.Struct, frozen=True):
    """The extract and its indexes from the sound of a name (see place_names.py) to what bears it."""

    places: tuple[Place, ...]
    regions: Mapping[str, Region]
    sectors: tuple[Sector, ...]
    city: Place
    place_index: Mapping[str, tuple[Place, ...]]
    region_index: Mapping[str, tuple[Region, ...]]
    sector_index: Mapping[str, tuple[Sector, ...]]
    weak_sector_index: Mapping[str, tuple[Sector, ...]]
    fuzzy_keys: tuple[str, ...]
    fuzzy_sector_keys: tuple[str, ...]

    def is_seat(self, place: Place) -> bool:
        """Whether the place gives its region the name."""
        return self.regions[place.region].seat == place.id

    def find_nearest_place(self, lat: float, lng: float) -> tuple[Place, float]:
        """The place a point most likely belongs to, and its distance in km; big places reach further."""
        return min(
            ((place, distance_km(lat, lng, place.lat, place.lng)) for place in self.places),
            key=lambda found: self._weigh_distance(found, lat, lng),
        )

    def rank_sectors(self, lat: float, lng: float) -> list[tuple[float, Sector]]:
        """The sectors with the distance of their centres in km, nearest first."""
        ranked = [(distance_km(lat, lng, sector.lat, sector.lng), sector) for sector in self.sectors]
        return sorted(ranked, key=lambda found: found[0])

    def _weigh_distance(self, found: tuple[Place, float], lat: float, lng: float) -> float:
        place, km = found
        if place is self.city:  # one point is too few for a city 20 km wide: its sector centres count as it
            km = min(km, self.rank_sectors(lat, lng)[0][0])
        return km / math.pow(max(place.population, _POPULATION_MIN), _REACH_EXPONENT)


@cache
def load_gazetteer() -> Gazetteer:
    """The gazetteer of this package, read on the first call (about 15 ms)."""
    data = resources.files("jobwire.systems.rentix") / "data"
    file = msgspec.json.decode((data / "places.json").read_bytes(), type=_PlacesFile)
    hand = msgspec.json.decode((data / "sectors.json").read_bytes(), type=_SectorsFile)
    by_id = {place.id: place for place in file.places}
    place_index = _index_names((place, _names_of(place)) for place in file.places)
    sector_index = _index_names((sector, sector.aliases) for sector in hand.sectors)
    return Gazetteer(
        places=file.places,
        regions={region.code: region for region in file.regions},
        sectors=hand.sectors,
        city=by_id[hand.city],
        place_index=place_index,
        region_index=_index_names((r, _names_of_region(r, by_id)) for r in file.regions),
        sector_index=sector_index,
        weak_sector_index=_index_names((sector, sector.weak_aliases) for sector in hand.sectors),
        fuzzy_keys=tuple(key for key in {**place_index, **sector_index} if len(key) >= NEARLY_LETTERS_MIN),
        fuzzy_sector_keys=tuple(sector_index),
    )


def distance_km(lat_a: float, lng_a: float, lat_b: float, lng_b: float) -> float:
    """The great-circle distance in km between two points in degrees."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    half_lat, half_lng = (phi_b - phi_a) / 2, math.radians(lng_b - lng_a) / 2
    chord = math.sin(half_lat) ** 2 + math.cos(phi_a) * math.cos(phi_b) * math.sin(half_lng) ** 2
    return _EARTH_DIAMETER_KM * math.asin(math.sqrt(min(chord, 1.0)))


def _names_of(named: Place | Region) -> tuple[str, ...]:
    return (named.name, named.name_en, *((named.name_ru,) if named.name_ru else ()), *named.aliases)


def _names_of_region(region: Region, places: Mapping[int, Place]) -> tuple[str, ...]:
    seat_names = _names_of(places[region.seat]) if region.seat is not None else ()
    return (*_names_of(region), *seat_names)


def _index_names(named: Iterable[tuple[Named, Iterable[str]]]) -> Mapping[str, tuple[Named, ...]]:
    index: defaultdict[str, dict[int, Named]] = defaultdict(dict)
    for bearer, names in named:
        for name in names:
            for spelling in spell_cases(name):
                words = sounds_of(spelling)
                index[" ".join(words)][id(bearer)] = bearer
                index["".join(words)][id(bearer)] = bearer
    return {key: tuple(bearers.values()) for key, bearers in index.items()}
