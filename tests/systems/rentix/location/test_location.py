"""From what a listing says to where it is, with every doubt said."""

import math

import h3
import msgspec
import pygeohash
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.domain.errors import JobError
from jobwire.systems.rentix.gazetteer import distance_km, load_gazetteer
from jobwire.systems.rentix.geocoding import Geocoded
from jobwire.systems.rentix.location import (
    ADDRESS_CHARS_MAX,
    FAR_FROM_PLACE_KM,
    NEAREST_PLACE_KM,
    SECTOR_CENTRE_KM,
    Coordinates,
    Location,
    LocationRequest,
    locate,
)

KM_PER_DEGREE = 111.19
BALTI, SOROCA = (next(p for p in load_gazetteer().places if p.name == name) for name in ("Bălți", "Soroca"))


def locate_point(lat: float, lng: float, address: str | None = None) -> Location:
    return locate(LocationRequest(coordinates=Coordinates(lat, lng), address=address))


def locate_address(address: str) -> Location:
    return locate(LocationRequest(address=address))


def codes(location: Location) -> list[str]:
    return [warning.code for warning in location.warnings]


def test_an_address_in_a_sector_gives_the_sector_centre_and_its_cells() -> None:
    location = locate_address("ул. Алба Юлия 5, Буюканы, Кишинев")
    assert location.place.id == 618426
    assert (location.place.name, location.place.name_ru) == ("Chișinău", "Кишинёв")
    assert location.region.code == "MD-CU"
    assert (location.sector.code, location.sector.basis) == ("buiucani", "address")
    assert (location.precision, location.coordinates_source) == ("sector", "sector")
    assert (location.country, location.timezone) == ("MD", "Europe/Chisinau")
    assert location.matched.text == "Буюканы"
    assert location.warnings == ()
    point = location.coordinates
    assert len(location.geohash) == 9
    decoded = pygeohash.decode(location.geohash)
    assert distance_km(point.lat, point.lng, decoded.latitude, decoded.longitude) < 0.01
    assert h3.get_resolution(location.h3) == 9
    assert h3.latlng_to_cell(point.lat, point.lng, 9) == location.h3


def test_an_address_in_a_town_gives_the_town_centre() -> None:
    location = locate_address("г. Бельцы, ул. Киевская 3")
    assert location.coordinates == Coordinates(BALTI.lat, BALTI.lng)
    assert (location.precision, location.coordinates_source) == ("city", "place")


def test_a_suburb_with_a_sector_keeps_both_and_the_suburbs_own_point() -> None:
    location = locate_address("Durlești, sectorul Buiucani, mun. Chișinău")
    assert (location.place.name, location.sector.code, location.precision) == ("Durlești", "buiucani", "city")
    assert location.coordinates == Coordinates(location.place.lat, location.place.lng)


def test_a_district_alone_has_no_point_but_a_timezone() -> None:
    location = locate_address("raionul Orhei, s. Peresecina")
    assert (location.precision, location.region.code, location.place) == ("region", "MD-OR", None)
    assert (location.coordinates, location.geohash, location.h3) == (None, None, None)
    assert (location.country, location.timezone) == ("MD", "Europe/Chisinau")
    assert codes(location) == ["place_unlisted"]


def test_an_address_that_names_nothing_moldovan_says_so() -> None:
    location = locate_address("Paris, rue de Rivoli 1")
    assert location.precision == "none"
    assert (location.place, location.region, location.country, location.timezone) == (None, None, None, None)
    assert codes(location) == ["no_match"]


def test_an_ambiguous_name_is_warned_of() -> None:
    assert codes(locate_address("Rîșcani")) == ["ambiguous_place"]
    assert codes(locate_address("raionul Rîșcani, or. Rîșcani")) == []


def test_a_point_gives_the_nearest_place_with_its_distance_and_a_guessed_sector() -> None:
    stadium = locate_point(46.9803, 28.8669)  # Zimbru stadium, Botanica
    assert (stadium.place.name, stadium.sector.code, stadium.sector.basis) == (
        "Chișinău",
        "botanica",
        "nearest_centre",
    )
    assert stadium.place.distance_km == pytest.approx(3.2, abs=0.1)
    assert (stadium.precision, stadium.coordinates_source) == ("exact", "given")
    park = locate_point(47.02899, 28.81209)  # Dendrariu park, Buiucani
    assert park.sector.code == "buiucani"


def test_no_sector_is_guessed_between_two_centres() -> None:
    riscani, ciocana = (next(s for s in load_gazetteer().sectors if s.code == c) for c in ("riscani", "ciocana"))
    between = locate_point((riscani.lat + ciocana.lat) / 2, (riscani.lng + ciocana.lng) / 2)
    assert (between.place.name, between.sector) == ("Chișinău", None)


@pytest.mark.parametrize(("km", "guessed"), [(SECTOR_CENTRE_KM - 0.1, True), (SECTOR_CENTRE_KM + 0.1, False)])
def test_a_sector_is_guessed_only_near_its_centre(km: float, guessed: bool) -> None:
    botanica = next(s for s in load_gazetteer().sectors if s.code == "botanica")
    location = locate_point(botanica.lat - km / KM_PER_DEGREE, botanica.lng, "Chișinău")
    assert (location.sector is not None) is guessed


def test_the_sector_in_the_address_wins_over_a_guess() -> None:
    location = locate_point(46.9803, 28.8669, "Ciocana, Chișinău")
    assert (location.sector.code, location.sector.basis) == ("ciocana", "address")


@pytest.mark.parametrize(("km", "warned"), [(FAR_FROM_PLACE_KM - 0.2, False), (FAR_FROM_PLACE_KM + 0.2, True)])
def test_a_point_far_from_the_named_town_is_warned_of_with_its_distance(km: float, warned: bool) -> None:
    location = locate_point(BALTI.lat - km / KM_PER_DEGREE, BALTI.lng, "Bălți")
    assert (codes(location) == ["far_from_named_place"]) is warned
    assert location.place.name == "Bălți"
    assert location.place.distance_km == pytest.approx(km, abs=0.1)
    if warned:
        assert location.warnings[0].km == pytest.approx(km, abs=0.1)
        assert "20 km from Bălți" in location.warnings[0].message


@pytest.mark.parametrize(("km", "found"), [(NEAREST_PLACE_KM - 0.2, True), (NEAREST_PLACE_KM + 0.2, False)])
def test_a_point_without_a_place_nearby_names_none_and_says_so(km: float, found: bool) -> None:
    location = locate_point(SOROCA.lat - km / KM_PER_DEGREE, SOROCA.lng)
    assert (location.place is not None, location.region is not None) == (found, found)
    assert codes(location) == ([] if found else ["no_place_nearby"])
    assert location.timezone == "Europe/Chisinau"


@pytest.mark.parametrize(
    ("lat", "lng", "country"),
    [(47.1585, 27.6014, "RO"), (46.4825, 30.7233, "UA"), (48.2921, 25.9358, "UA"), (0.0, 0.0, None)],
    ids=["Iași", "Odesa", "Chernivtsi", "null island"],
)
def test_a_point_outside_moldova_is_warned_of_and_gets_no_moldovan_place(lat, lng, country) -> None:
    location = locate_point(lat, lng)
    assert codes(location) == ["outside_moldova"]
    assert (location.place, location.region, location.country) == (None, None, country)
    assert location.coordinates == Coordinates(lat, lng)


def test_a_point_outside_keeps_the_place_that_the_address_names() -> None:
    location = locate_point(47.1585, 27.6014, "Chișinău")
    assert (location.place.name, location.country) == ("Chișinău", "RO")
    assert codes(location) == ["outside_moldova", "far_from_named_place"]


def test_swapped_coordinates_are_recognised_and_not_silently_exchanged() -> None:
    location = locate_point(28.8413, 47.0179)
    assert codes(location) == ["outside_moldova", "coordinates_swapped"]
    assert location.coordinates == Coordinates(28.8413, 47.0179)


@pytest.mark.parametrize(
    ("lat", "lng", "field"),
    [(90.1, 28.0, "lat"), (-90.1, 28.0, "lat"), (47.0, 180.1, "lng"), (47.0, -180.1, "lng"),
     (math.nan, 28.0, "lat"), (47.0, math.inf, "lng")],
)  # fmt: skip
def test_impossible_coordinates_fail_the_job_for_good(lat: float, lng: float, field: str) -> None:
    with pytest.raises(JobError) as failed:
        locate_point(lat, lng)
    assert (failed.value.code, failed.value.retryable) == ("coordinates_invalid", False)
    assert failed.value.details == {"field": field}


@pytest.mark.parametrize(("lat", "lng"), [(90.0, 180.0), (-90.0, -180.0), (90.0, -180.0)])
def test_the_edges_of_the_world_are_coordinates(lat: float, lng: float) -> None:
    assert "outside_moldova" in codes(locate_point(lat, lng))


@pytest.mark.parametrize("address", [None, "", "  \n"])
def test_a_listing_without_any_place_fails(address: str | None) -> None:
    with pytest.raises(JobError) as failed:
        locate(LocationRequest(address=address))
    assert failed.value.code == "location_missing"


def test_an_address_is_read_up_to_its_limit() -> None:
    at_limit = "Chișinău".ljust(ADDRESS_CHARS_MAX, "!")
    assert locate_address(at_limit).place.name == "Chișinău"
    with pytest.raises(JobError) as failed:
        locate_address(at_limit + "!")
    assert failed.value.code == "address_too_long"


def test_a_providers_point_is_used_with_its_precision_and_given_coordinates_win_over_it() -> None:
    answer = Geocoded(lat=47.0391, lng=28.8051, display_name="Strada Alba Iulia", precision="street")
    request = LocationRequest(address="str. Alba Iulia 5, Chișinău")
    located = locate(request, geocoder=answer)
    assert (located.coordinates, located.coordinates_source) == (Coordinates(47.0391, 28.8051), "provider")
    assert (located.precision, located.place.name, located.sector.code) == ("street", "Chișinău", "buiucani")
    given = locate(LocationRequest(coordinates=Coordinates(47.0, 28.85), address="Chișinău"), geocoder=answer)
    assert (given.coordinates, given.coordinates_source) == (Coordinates(47.0, 28.85), "given")


def test_a_providers_point_far_from_the_named_town_is_warned_of() -> None:
    answer = Geocoded(lat=BALTI.lat, lng=BALTI.lng, display_name="Bălți", precision="city")
    assert codes(locate(LocationRequest(address="Chișinău"), geocoder=answer)) == ["far_from_named_place"]


@given(st.floats(-90, 90), st.floats(-180, 180), st.none() | st.text(max_size=ADDRESS_CHARS_MAX))
def test_any_point_on_earth_is_located_and_encodes_to_json(lat: float, lng: float, address: str | None) -> None:
    location = locate_point(lat, lng, address)
    assert msgspec.json.decode(msgspec.json.encode(location), type=Location) == location
    assert location.timezone
    assert (location.country == "MD") or "outside_moldova" in codes(location)
