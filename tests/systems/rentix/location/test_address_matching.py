"""Which town and sector an address names, on a table labelled by hand."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz import fuzz

from jobwire.systems.rentix.address import FUZZY_CUTOFF, TAIL_POPULATION_MIN, match_address
from jobwire.systems.rentix.gazetteer import NEARLY_LETTERS_MIN, load_gazetteer
from jobwire.systems.rentix.place_names import sound_of

ACCURACY_MIN = 0.98
PLACES = load_gazetteer().places


class Labelled(msgspec.Struct, frozen=True):
    address: str
    place: str | None
    region: str | None
    sector: str | None
    must: bool


TABLE = msgspec.json.decode((Path(__file__).parent / "addresses.json").read_bytes(), type=tuple[Labelled, ...])


def named_in(address: str) -> tuple[str | None, str | None, str | None]:
    match = match_address(address)
    return (
        match.place.name if match.place else None,
        match.region.code if match.region else None,
        match.sector.code if match.sector else None,
    )


@pytest.mark.parametrize("row", [row for row in TABLE if row.must], ids=lambda row: row.address)
def test_every_address_of_the_requirement_is_found_exactly(row: Labelled) -> None:
    assert named_in(row.address) == (row.place, row.region, row.sector)


def test_the_labelled_table_is_matched_at_the_promised_accuracy() -> None:
    wrong = {
        row.address: named_in(row.address)
        for row in TABLE
        if named_in(row.address) != (row.place, row.region, row.sector)
    }
    assert len(TABLE) >= 240
    assert 1 - len(wrong) / len(TABLE) >= ACCURACY_MIN, wrong


def test_every_place_is_found_by_each_of_its_names_with_its_district() -> None:
    regions = load_gazetteer().regions
    named = [
        (f"{name}, raionul {regions[place.region].name}", place)
        for place in PLACES
        for name in filter(None, (place.name, place.name_ru, place.name_en))
    ]
    assert len(named) >= len(PLACES) > 90
    assert [address for address, place in named if match_address(address).place != place] == []


@pytest.mark.parametrize("street", ["str. {}, Soroca", "ул. {} 12, Сорока", "{} street 5, Soroca", "{} 5, Soroca"])
def test_a_street_named_after_a_place_does_not_win_over_the_city(street) -> None:
    addresses = [street.format(place.name) for place in PLACES]
    assert [address for address in addresses if named_in(address)[0] != "Soroca"] == []


def test_a_street_named_after_a_place_is_no_place_without_a_city() -> None:
    addresses = [f"str. {place.name} 7" for place in PLACES]
    assert [address for address in addresses if match_address(address).place is not None] == []


@pytest.mark.parametrize("sector", load_gazetteer().sectors, ids=lambda sector: sector.code)
def test_a_sector_is_found_by_every_spelling_beside_the_city_and_after_the_word_sector(sector) -> None:
    for name in (sector.name, sector.name_ru, *sector.aliases, *sector.weak_aliases):
        for address in (f"Chișinău, {name}, str. Ismail 3", f"{name}, Кишинёв", f"sectorul {name}", f"сектор {name}"):
            assert match_address(address).sector == sector, address
            assert match_address(address).place.name == "Chișinău", address


@pytest.mark.parametrize("address", ["Bălți, Centru", "or. Soroca, cartierul Botanica", "Бельцы, центр"])
def test_a_quarter_of_another_town_is_no_sector_of_chisinau(address: str) -> None:
    assert match_address(address).sector is None
    assert match_address(address).place.name in {"Bălți", "Soroca"}


def test_riscani_alone_is_the_town_and_said_to_be_ambiguous() -> None:
    match = match_address("Rîșcani")
    assert (match.place.region, match.sector, match.namesakes) == ("MD-RI", None, True)


def test_a_namesake_is_chosen_by_the_district_named() -> None:
    assert match_address("s. Briceni, r-nul Dondușeni").place.region == "MD-DO"
    assert match_address("Briceni").place.region == "MD-BR"


def test_a_village_that_the_gazetteer_lacks_leaves_its_district() -> None:
    match = match_address("s. Trușeni, mun. Chișinău")
    assert (match.place, match.region.code, match.unlisted) == (None, "MD-CU", "Trușeni")


def test_a_known_name_in_another_district_is_a_village_that_the_gazetteer_lacks() -> None:
    match = match_address("s. Palanca, r-nul Călărași")
    assert (match.place, match.region.code, match.unlisted) == (None, "MD-CL", "Palanca")


def test_a_company_form_or_an_initial_is_no_village() -> None:
    assert match_address("Chișinău, S.R.L. Vlad").place.name == "Chișinău"


def test_a_misspelt_village_is_still_found() -> None:
    assert match_address("s. Cocierii, r-nul Dubăsari").place.name == "Cocieri"


def test_a_town_behind_a_street_counts_only_when_it_is_large() -> None:
    assert match_address("str. Mihai Viteazul Orhei").place.name == "Orhei"
    cantemir = next(place for place in PLACES if place.name == "Cantemir")
    assert cantemir.population < TAIL_POPULATION_MIN
    assert match_address("str. Dimitrie Cantemir").place is None


def test_a_name_is_taken_with_a_mistake_only_from_the_cut_off_on() -> None:
    near, far = "Chisianu", "Chisunia"
    assert fuzz.ratio(sound_of(near), sound_of("Chișinău")) >= FUZZY_CUTOFF
    assert fuzz.ratio(sound_of(far), sound_of("Chișinău")) < FUZZY_CUTOFF
    assert FUZZY_CUTOFF <= match_address(near).score < 100
    assert match_address(near).place.name == "Chișinău"
    assert match_address(far).place is None


def test_short_names_are_not_looked_for_with_mistakes() -> None:
    assert all(len(key) >= NEARLY_LETTERS_MIN for key in load_gazetteer().fuzzy_keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Chișinău", "Chişinău"), ("Rîșcani", "Râșcani"), ("Хынчешты", "Hîncești"), ("Кишинёв", "Кишинев"),
     ("Kishinev", "Кишинев"), ("Buyukany", "Буюканы"), ("Bel'tsy", "Бельцы")],
)  # fmt: skip
def test_spellings_that_sound_alike_have_one_key(one: str, other: str) -> None:
    assert sound_of(one) == sound_of(other)


@given(st.text(max_size=300))
def test_any_text_is_matched_without_an_error(text: str) -> None:
    match = match_address(text)
    assert match.text is None or match.text in text
    assert (match.score > 0) == (match.text is not None)


WORDS = ("str", "ул", "or", "sec", "r-nul", "с.", "Chișinău", "Рышканы", "Centru", "12", ",", "район")


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_order_of_address_words_is_matched_without_an_error(words: list[str]) -> None:
    match = match_address(" ".join(words))
    assert match.place is None or match.region is not None
