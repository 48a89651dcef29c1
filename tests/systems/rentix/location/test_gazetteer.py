"""The extract that the package ships."""

import importlib.util
import json
from importlib import resources
from pathlib import Path

import pytest
import tzfpy

from jobwire.systems.rentix.gazetteer import distance_km, load_gazetteer

DATA = resources.files("jobwire.systems.rentix") / "data"
SCRIPT = Path(__file__).parents[4] / "tools" / "build_gazetteer.py"
EXTRACT_BYTES_MAX = 300_000


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build_gazetteer", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_extract_is_small_and_its_licence_is_beside_it() -> None:
    assert len((DATA / "places.json").read_bytes()) <= EXTRACT_BYTES_MAX
    assert "CC BY 4.0" in (DATA / "SOURCES.md").read_text(encoding="utf-8")


def test_every_place_lies_in_the_moldovan_zone_and_in_a_known_region() -> None:
    gazetteer = load_gazetteer()
    assert len(gazetteer.places) == 94
    assert len(gazetteer.regions) == 37
    for place in gazetteer.places:
        assert tzfpy.get_tz(place.lng, place.lat) == "Europe/Chisinau", place.name
        assert place.region in gazetteer.regions


def test_a_region_is_named_after_a_seat_inside_it() -> None:
    gazetteer = load_gazetteer()
    by_id = {place.id: place for place in gazetteer.places}
    seatless = [region.code for region in gazetteer.regions.values() if region.seat is None]
    assert sorted(seatless) == ["MD-DU", "MD-GA", "MD-SN"]
    for region in gazetteer.regions.values():
        if region.seat is not None:
            assert by_id[region.seat].region == region.code
            assert by_id[region.seat].name == region.name


def test_the_sectors_lie_around_the_centre_as_described() -> None:
    sectors = {sector.code: sector for sector in load_gazetteer().sectors}
    centre = sectors["centru"]
    assert sectors["botanica"].lat < centre.lat
    assert sectors["buiucani"].lat > centre.lat and sectors["buiucani"].lng < centre.lng
    assert sectors["ciocana"].lng > centre.lng
    assert sectors["riscani"].lat == max(sector.lat for sector in sectors.values())
    assert all(distance_km(centre.lat, centre.lng, s.lat, s.lng) < 6 for s in sectors.values())


def test_every_place_is_nearest_to_its_own_point() -> None:
    gazetteer = load_gazetteer()
    for place in gazetteer.places:
        assert gazetteer.find_nearest_place(place.lat, place.lng)[0] == place


def test_a_point_in_a_sector_belongs_to_the_city_and_not_to_the_suburb_beside_it() -> None:
    place, _ = load_gazetteer().find_nearest_place(47.0360, 28.7800)  # 2.1 km from Durlești's centre
    assert place.name == "Chișinău"


def test_a_distance_agrees_with_a_known_one_and_the_antipode_does_not_fail() -> None:
    assert distance_km(47.0, 28.0, 48.0, 28.0) == pytest.approx(111.2, abs=0.1)
    assert distance_km(0.0, 0.0, 0.0, 180.0) == pytest.approx(20_015, abs=1)


def test_the_extract_is_what_the_script_builds_from_the_rows_it_came_from(builder, tmp_path: Path) -> None:
    shipped = (DATA / "places.json").read_text(encoding="utf-8")
    admin1_of = {code: admin1 for admin1, code in builder.REGIONS.items()}
    rows = {
        str(place["id"]): {
            "geonameid": place["id"],
            "name": place["name"],
            "latitude": place["lat"],
            "longitude": place["lng"],
            "population": place["population"],
            "countrycode": "MD",
            "admin1code": admin1_of[place["region"]],
            "alternatenames": [*place["aliases"], "KIV", "ke mu la ci", "Кутузов", "კიშინიოვი"],
        }
        for place in reversed(json.loads(shipped)["places"])
    }
    cities = tmp_path / "deep" / "cities500.json"
    cities.parent.mkdir()
    cities.write_text(json.dumps(rows), encoding="utf-8")
    assert builder.build(builder.find_cities(tmp_path)) == shipped


def test_the_script_stops_when_geonames_changed_or_is_missing(builder, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="found 0"):
        builder.find_cities(tmp_path)
    (tmp_path / "cities500.json").write_text("{}")
    with pytest.raises(SystemExit, match="expected 94"):
        builder.build(tmp_path / "cities500.json")
