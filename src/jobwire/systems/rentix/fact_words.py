"""The words of the fact sentence in three languages, keyed by the wire's words. Read facts.py for their order."""

from jobwire.systems.rentix.language import Language

Words = dict[Language, str]


def _words(ro: str, ru: str, en: str) -> Words:
    return {"ro": ro, "ru": ru, "en": en}


NOTHING = _words("", "", "")

LEADS = {
    "rent": _words("se închiriază {}", "сдаётся {}", "for rent: {}"),
    "sale": _words("se vinde {}", "продаётся {}", "for sale: {}"),
}
NO_LEAD = _words("{}", "{}", "{}")

PROPERTY = _words("o proprietate imobiliară", "объект недвижимости", "a property")

# Singular nouns with their article, so that gender and agreement are settled here.
NOUNS = {
    ("residential", "apartment"): _words("un apartament", "квартира", "an apartment"),
    ("residential", "house"): _words("o casă", "дом", "a house"),
    ("residential", "room"): _words("o cameră", "комната", "a room"),
    ("residential", "residential-land"): _words(
        "un teren pentru locuințe", "земельный участок под жилую застройку", "a plot of residential land"
    ),
    ("residential", "other"): _words("o locuință", "жилая недвижимость", "a residential property"),
    ("commercial", "office"): _words("un birou", "офис", "an office"),
    ("commercial", "trade"): _words("un spațiu comercial", "торговое помещение", "a retail space"),
    ("commercial", "warehouse"): _words("un depozit", "склад", "a warehouse"),
    ("commercial", "production"): _words(
        "un spațiu de producție", "производственное помещение", "a production space"
    ),
    ("commercial", "business"): _words("o afacere", "готовый бизнес", "a business"),
    ("commercial", "commercial-land"): _words(
        "un teren comercial", "земельный участок коммерческого назначения", "a plot of commercial land"
    ),
    ("commercial", "other"): _words("un imobil comercial", "коммерческая недвижимость", "a commercial property"),
    ("parking", "underground-parking"): _words(
        "un loc de parcare subteran", "место на подземной парковке", "an underground parking space"
    ),
    ("parking", "open-parking"): _words(
        "un loc de parcare în aer liber", "место на открытой парковке", "an open-air parking space"
    ),
    ("parking", "garage"): _words("un garaj", "гараж", "a garage"),
    ("parking", "covered-parking"): _words(
        "un loc de parcare acoperit", "место на крытой парковке", "a covered parking space"
    ),
    ("parking", "other"): _words("un loc de parcare", "парковочное место", "a parking space"),
}
PROPERTY_TYPES = frozenset(kind for kind, _ in NOUNS)
NOUNS_BY_SECONDARY_TYPE = {secondary: noun for (_, secondary), noun in NOUNS.items() if secondary != "other"}

_LAND = frozenset({"residential-land", "commercial-land"})
_PARKING = frozenset({"underground-parking", "open-parking", "garage", "covered-parking"})
WITHOUT_ROOMS = _LAND | _PARKING | {"room"}
WITHOUT_FLOORS = _LAND

# Keyed by CLDR plural class; Russian "other" is the fraction, which a count never is.
ROOMS: dict[Language, dict[str, str]] = {
    "ro": {"one": "{} cameră", "few": "{} camere", "other": "{} de camere"},
    "ru": {"one": "{} комната", "few": "{} комнаты", "many": "{} комнат"},
    "en": {"one": "{} room", "other": "{} rooms"},
}
FLOORS: dict[Language, dict[str, str]] = {
    "ro": {"one": "{} etaj", "few": "{} etaje", "other": "{} de etaje"},
    "ru": {"one": "{} этаж", "few": "{} этажа", "many": "{} этажей"},
    "en": {"one": "{} floor", "other": "{} floors"},
}
FLOOR = _words("etajul {floor}", "этаж {floor}", "floor {floor}")
FLOOR_OF = _words("etajul {floor} din {total}", "этаж {floor} из {total}", "floor {floor} of {total}")
SQUARE_METRES = _words("m²", "м²", "m²")

PRICE_PATTERNS = _words("{}\u00a0¤", "{}\u00a0¤", "¤{}")
PAY_PERIODS = {
    "daily": _words("pe zi", "в сутки", "per day"),
    "weekly": _words("pe săptămână", "в неделю", "per week"),
    "monthly": _words("pe lună", "в месяц", "per month"),
    "yearly": _words("pe an", "в год", "per year"),
}

HOUSING_MARKETS = {
    "new-build": _words("construcție nouă", "новостройка", "new build"),
    "secondary": _words("piața secundară", "вторичный рынок", "secondary market"),
}
VISUAL_STATES = {
    "euro-renovation": _words("euroreparație", "евроремонт", "European-standard renovation"),
    "cosmetic-renovation": _words("reparație cosmetică", "косметический ремонт", "cosmetic renovation"),
    "designer-renovation": _words("design individual", "дизайнерский ремонт", "designer renovation"),
    "without-renovation": _words("fără reparație", "без ремонта", "not renovated"),
    "needs-renovation": _words("necesită reparație", "требует ремонта", "needs renovation"),
    "white-variant": _words("variantă albă", "белый вариант", "pre-finished shell"),
    "gray-variant": _words("variantă sură", "серый вариант", "bare shell"),
}
