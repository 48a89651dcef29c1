"""The fact sentence is correct in three languages, for every plural class, and never empty."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobwire.systems.rentix.fact_words import HOUSING_MARKETS, NOUNS, PAY_PERIODS, VISUAL_STATES
from jobwire.systems.rentix.facts import (
    NUMBER_MAX,
    ListingFacts,
    name_in,
    render_fact_sentence,
    render_fact_sentences,
)
from jobwire.systems.rentix.language import LANGUAGES

CHISINAU = {"ro": "Chișinău", "ru": "Кишинёв", "en": "Chișinău"}
BOTANICA = {"ro": "Botanica", "ru": "Ботаника"}
FLAT = {"announcement_type": "rent", "property_type": "residential", "property_secondary_type": "apartment"}
HOUSE = {"announcement_type": "sale", "property_type": "residential", "property_secondary_type": "house"}
FULL = FLAT | {
    "rooms": 2,
    "area_m2": 54.5,
    "floor": 3,
    "floors_total": 9,
    "price": 450,
    "currency": "EUR",
    "pay_period": "monthly",
    "place": CHISINAU,
    "sector": BOTANICA,
    "housing_market": "new-build",
    "visual_state": "euro-renovation",
}

# Attributes, then the sentence in ro, ru and en; "~" stands for the no-break space of CLDR's numbers.
EXPECTED = (
    ({}, "O proprietate imobiliară.", "Объект недвижимости.", "A property."),
    (
        FULL,
        "Se închiriază un apartament (Chișinău, Botanica), 2 camere, 54,5 m², etajul 3 din 9, construcție nouă, "
        "euroreparație, 450~EUR pe lună.",
        "Сдаётся квартира (Кишинёв, Ботаника), 2 комнаты, 54,5 м², этаж 3 из 9, новостройка, евроремонт, "
        "450~€ в месяц.",
        "For rent: an apartment (Chișinău, Botanica), 2 rooms, 54.5 m², floor 3 of 9, new build, "
        "European-standard renovation, €450 per month.",
    ),
    (
        FLAT | {"rooms": 1},
        "Se închiriază un apartament, 1 cameră.",
        "Сдаётся квартира, 1 комната.",
        "For rent: an apartment, 1 room.",
    ),
    (
        HOUSE | {"rooms": 5},
        "Se vinde o casă, 5 camere.",
        "Продаётся дом, 5 комнат.",
        "For sale: a house, 5 rooms.",
    ),
    (
        HOUSE | {"rooms": 11},
        "Se vinde o casă, 11 camere.",
        "Продаётся дом, 11 комнат.",
        "For sale: a house, 11 rooms.",
    ),
    (
        HOUSE | {"rooms": 19},
        "Se vinde o casă, 19 camere.",
        "Продаётся дом, 19 комнат.",
        "For sale: a house, 19 rooms.",
    ),
    (
        HOUSE | {"rooms": 20},
        "Se vinde o casă, 20 de camere.",
        "Продаётся дом, 20 комнат.",
        "For sale: a house, 20 rooms.",
    ),
    (
        HOUSE | {"rooms": 21},
        "Se vinde o casă, 21 de camere.",
        "Продаётся дом, 21 комната.",
        "For sale: a house, 21 rooms.",
    ),
    (
        HOUSE | {"rooms": 22},
        "Se vinde o casă, 22 de camere.",
        "Продаётся дом, 22 комнаты.",
        "For sale: a house, 22 rooms.",
    ),
    (
        HOUSE | {"rooms": 101},
        "Se vinde o casă, 101 camere.",
        "Продаётся дом, 101 комната.",
        "For sale: a house, 101 rooms.",
    ),
    (
        HOUSE | {"rooms": 112},
        "Se vinde o casă, 112 camere.",
        "Продаётся дом, 112 комнат.",
        "For sale: a house, 112 rooms.",
    ),
    (
        HOUSE | {"floors_total": 1},
        "Se vinde o casă, 1 etaj.",
        "Продаётся дом, 1 этаж.",
        "For sale: a house, 1 floor.",
    ),
    (
        HOUSE | {"floors_total": 3, "area_m2": 1234.0},
        "Se vinde o casă, 1.234 m², 3 etaje.",
        "Продаётся дом, 1~234 м², 3 этажа.",
        "For sale: a house, 1,234 m², 3 floors.",
    ),
    (
        HOUSE | {"floors_total": 25},
        "Se vinde o casă, 25 de etaje.",
        "Продаётся дом, 25 этажей.",
        "For sale: a house, 25 floors.",
    ),
    (
        FLAT | {"floor": 0},
        "Se închiriază un apartament, etajul 0.",
        "Сдаётся квартира, этаж 0.",
        "For rent: an apartment, floor 0.",
    ),
    (
        {"property_type": "commercial", "property_secondary_type": "office", "floor": -1, "floors_total": 4},
        "Un birou, etajul -1 din 4.",
        "Офис, этаж -1 из 4.",
        "An office, floor -1 of 4.",
    ),
    (
        {"announcement_type": "sale", "property_type": "commercial", "place": "Bălți", "sector": "Bălți"},
        "Se vinde un imobil comercial (Bălți).",
        "Продаётся коммерческая недвижимость (Bălți).",
        "For sale: a commercial property (Bălți).",
    ),
    (
        HOUSE | {"price": 1234567.5, "currency": "mdl", "pay_period": "monthly"},
        "Se vinde o casă, 1.234.567,50~MDL.",
        "Продаётся дом, 1~234~567,50~MDL.",
        "For sale: a house, MDL~1,234,567.50.",
    ),
    (
        {"property_secondary_type": "garage", "price": 60, "currency": "USD", "pay_period": "daily", "rooms": 1},
        "Un garaj, 60~USD pe zi.",
        "Гараж, 60~$ в сутки.",
        "A garage, $60 per day.",
    ),
    (
        {"announcement_type": "sale", "property_secondary_type": "commercial-land", "area_m2": 600, "floor": 2},
        "Se vinde un teren comercial, 600 m².",
        "Продаётся земельный участок коммерческого назначения, 600 м².",
        "For sale: a plot of commercial land, 600 m².",
    ),
    (
        {"announcement_type": "rent", "property_type": "residential", "property_secondary_type": "room", "rooms": 3},
        "Se închiriază o cameră.",
        "Сдаётся комната.",
        "For rent: a room.",
    ),
    (
        {"announcement_type": "rent", "property_type": "parking", "property_secondary_type": "underground-parking"},
        "Se închiriază un loc de parcare subteran.",
        "Сдаётся место на подземной парковке.",
        "For rent: an underground parking space.",
    ),
    (
        {"property_type": "residential", "property_secondary_type": "office", "visual_state": "white-variant"},
        "O locuință, variantă albă.",
        "Жилая недвижимость, белый вариант.",
        "A residential property, pre-finished shell.",
    ),
)


@pytest.mark.parametrize(
    ("attributes", "language", "sentence"),
    [
        (attributes, language, sentence.replace("~", "\u00a0"))
        for attributes, *sentences in EXPECTED
        for language, sentence in zip(LANGUAGES, sentences, strict=True)
    ],
)
def test_the_sentence_reads(attributes: dict[str, object], language: str, sentence: str) -> None:
    assert render_fact_sentence(ListingFacts(**attributes), language) == sentence


def test_every_secondary_type_of_the_wire_has_a_noun_of_its_own() -> None:
    wire = {
        "residential": "apartment house room residential-land other",
        "commercial": "office trade warehouse production business commercial-land other",
        "parking": "underground-parking open-parking garage covered-parking other",
    }
    assert set(NOUNS) == {(kind, secondary) for kind, names in wire.items() for secondary in names.split()}
    for language in LANGUAGES:
        nouns = [noun[language] for noun in NOUNS.values()]
        assert len(set(nouns)) == len(nouns)
        assert all(nouns)


@pytest.mark.parametrize(
    "unknown",
    [
        {"announcement_type": "auction"},
        {"property_type": "castle", "property_secondary_type": "tower"},
        {"property_secondary_type": "other"},
        {"housing_market": "some-new-slug", "visual_state": "another-slug"},
        {"price": 450.0},
        {"price": 450.0, "currency": "euro"},
        {"price": 0.0, "currency": "EUR"},
        {"price": -1.0, "currency": "EUR"},
        {"price": float("nan"), "currency": "EUR"},
        {"area_m2": float("inf")},
        {"area_m2": 0.004},
        {"rooms": 0},
        {"rooms": NUMBER_MAX + 1},
        {"floor": NUMBER_MAX + 1},
        {"place": "  ", "sector": {}},
    ],
)
def test_what_cannot_be_said_is_left_out(unknown: dict[str, object]) -> None:
    assert render_fact_sentences(ListingFacts(**unknown)) == render_fact_sentences(ListingFacts())


def test_the_largest_number_is_still_said() -> None:
    assert "1,000,000,000,000 rooms" in render_fact_sentence(ListingFacts(rooms=NUMBER_MAX), "en")
    assert "0.01 m²" in render_fact_sentence(ListingFacts(area_m2=0.01), "en")


@pytest.mark.parametrize(
    ("names", "language", "name"),
    [
        (None, "ru", ""),
        ("Orhei", "ru", "Orhei"),
        ({"ro": "Orhei", "ru": "Оргеев"}, "ru", "Оргеев"),
        ({"ro": "Orhei", "ru": "Оргеев"}, "en", "Orhei"),
        ({"ru": "Оргеев"}, "en", "Оргеев"),
        ({"ro": "  Vadul \n lui  Vodă "}, "ro", "Vadul lui Vodă"),
    ],
)
def test_a_place_has_a_name_in_every_language(names: object, language: str, name: str) -> None:
    assert name_in(names, language) == name


def test_facts_travel_as_json() -> None:
    facts = ListingFacts(**FULL)
    assert msgspec.json.decode(msgspec.json.encode(facts), type=ListingFacts) == facts


words = st.one_of(st.none(), st.text(max_size=8))
places = st.text(alphabet="aбț\u00a0 \n-", max_size=8)
numbers = st.one_of(st.none(), st.integers(), st.floats())
anything = st.builds(
    ListingFacts,
    announcement_type=st.one_of(words, st.sampled_from(["rent", "sale"])),
    property_type=st.one_of(words, st.sampled_from(["residential", "commercial", "parking"])),
    property_secondary_type=st.one_of(words, st.sampled_from([secondary for _, secondary in NOUNS])),
    rooms=st.one_of(st.none(), st.integers()),
    area_m2=numbers,
    floor=st.one_of(st.none(), st.integers()),
    floors_total=st.one_of(st.none(), st.integers()),
    price=numbers,
    currency=st.one_of(words, st.sampled_from(["EUR", "USD", "MDL", "XYZ"])),
    pay_period=st.one_of(words, st.sampled_from(list(PAY_PERIODS))),
    place=st.one_of(places, st.dictionaries(st.sampled_from(["ro", "ru", "en", "de"]), places)),
    sector=st.one_of(st.none(), places),
    housing_market=st.one_of(words, st.sampled_from(list(HOUSING_MARKETS))),
    visual_state=st.one_of(words, st.sampled_from(list(VISUAL_STATES))),
)


@given(anything)
def test_any_facts_make_a_sentence(facts: ListingFacts) -> None:
    for language, sentence in render_fact_sentences(facts).items():
        assert sentence.endswith("."), language
        assert len(sentence) >= len("Дом.")
        assert not sentence[0].islower()
        assert not [flaw for flaw in (", ,", "()", "None", "{", " .", "  ") if flaw in sentence]


@given(
    rooms=st.integers(1, 999),
    area=st.integers(1, 999),
    floor=st.integers(-5, 999),
    total=st.integers(1, 999),
    price=st.integers(1, 999),
    language=st.sampled_from(LANGUAGES),
)
def test_every_number_is_in_the_sentence_once_and_in_order(
    rooms: int, area: int, floor: int, total: int, price: int, language: str
) -> None:
    facts = ListingFacts(
        **FLAT, rooms=rooms, area_m2=area, floor=floor, floors_total=total, price=price, currency="EUR"
    )
    found = [int(digits) for digits in re.findall(r"-?\d+", render_fact_sentence(facts, language))]
    assert found == [rooms, area, floor, total, price]
