"""What a publication concludes from a listing's fields and photos, and which settings cannot work."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rentix_house import FLAT

from jobwire.systems.rentix.finding import PHOTO_FAR_KM, analyze_photos, read_facts, read_location_request
from jobwire.systems.rentix.location import Coordinates, LocationRequest, locate
from jobwire.systems.rentix.photos import PhotoFile, PhotoReport
from jobwire.systems.rentix.records import month_of
from jobwire.systems.rentix.settings import SETTINGS, RentixSettings

CENTRE = Coordinates(47.0245, 28.8322)
KM_IN_DEGREES = 1 / 111.2


def report(phash: str, gps: tuple[float, float] | None = None) -> PhotoReport:
    file = PhotoFile("original", "a.jpg", "0" * 64, 100, 100, 1, "image/jpeg")
    return PhotoReport(100, 100, "jpeg", 1, [], file, "", 1.0, 1.0, 1.0, phash, [], gps, False)


def test_photos_of_the_same_picture_are_named_by_their_files() -> None:
    reports = {7: report("0" * 16), 9: report("f" * 16), 12: report("0" * 15 + "1")}
    assert analyze_photos(reports, None).duplicates == [(7, 12)]


def test_a_photo_taken_elsewhere_is_noticed_on_both_sides_of_the_limit() -> None:
    here = locate(LocationRequest(coordinates=CENTRE))
    near = (CENTRE.lat + (PHOTO_FAR_KM - 0.1) * KM_IN_DEGREES, CENTRE.lng)
    far = (CENTRE.lat + (PHOTO_FAR_KM + 0.1) * KM_IN_DEGREES, CENTRE.lng)
    reports = {1: report("0" * 16, near), 2: report("f" * 16, far), 3: report("a" * 16)}
    assert analyze_photos(reports, here).taken_elsewhere == [2]
    assert analyze_photos(reports, None).taken_elsewhere == []
    in_town = locate(LocationRequest(address="Chișinău"))
    assert analyze_photos(reports, in_town).taken_elsewhere == [], "a town's centre is no listing's own point"


@pytest.mark.parametrize(
    ("fields", "rooms"),
    [
        ({"propertyQuantitySize": "2-rooms"}, 2),
        ({"propertyQuantitySize": "custom-value", "propertyQuantitySizeValue": 7}, 7),
        ({"propertyQuantitySize": "studio"}, None),
        ({"propertyQuantitySizeValue": 1.5}, None),
        ({}, None),
    ],
)
def test_rooms_are_read_from_the_size(fields: dict[str, object], rooms: int | None) -> None:
    assert read_facts(fields, None).rooms == rooms


def test_facts_name_place_and_sector_in_three_languages() -> None:
    request = read_location_request(FLAT)
    assert request is not None and request.coordinates is None
    facts = read_facts(FLAT, locate(request))
    assert (facts.place or {})["ro"] == "Chișinău"  # type: ignore[index]
    assert (facts.sector or {})["ro"] == "Buiucani"  # type: ignore[index]


def test_a_listing_that_says_nothing_of_its_place_asks_for_none() -> None:
    assert read_location_request({}) is None
    assert read_location_request({"propertyAddress": "  "}) is None
    assert read_location_request({"propertyCoordinates": {"lat": 47, "lng": 28}}) is not None


@given(st.integers(min_value=0, max_value=4_102_444_800_000))
def test_a_month_is_year_and_month_in_utc(at: int) -> None:
    year, month = month_of(at).split("-")
    assert 1970 <= int(year) <= 2100 and 1 <= int(month) <= 12


def test_a_month_changes_at_midnight_utc() -> None:
    assert (month_of(1_932_767_999_999), month_of(1_932_768_000_000)) == ("2031-03", "2031-04")


def test_the_defaults_of_all_settings_work() -> None:
    RentixSettings({}).check()
    assert RentixSettings({"RENTIX_MONTHLY_LISTINGS": ""}).monthly_listings_max == 1000
    assert all(setting.meaning.endswith(".") for setting in SETTINGS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RENTIX_MONTHLY_LISTINGS", "many"),
        ("RENTIX_MONTHLY_LISTINGS", "-1"),
        ("RENTIX_ATTEMPTS", "0"),
        ("RENTIX_RETRY_FIRST_MS", "0"),
        ("RENTIX_REQUIRED_FIELDS", "price"),
        ("RENTIX_APERTIUM", "maybe"),
        ("JOBWIRE_FETCH_ALLOW", "everything"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=value):
        RentixSettings({name: value}).check()


def test_a_photo_report_survives_the_way_through_the_ledger() -> None:
    kept = msgspec.json.encode(report("0" * 16, (47.0, 28.0)))
    assert msgspec.json.decode(kept, type=PhotoReport) == report("0" * 16, (47.0, 28.0))
