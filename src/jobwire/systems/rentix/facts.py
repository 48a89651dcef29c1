"""The fact sentence: what a listing's attributes say, in correct Romanian, Russian and English.

Every clause is nominative and stands between commas, and places stand in parentheses, so no case ending depends on
what is filled in; plural forms, numbers and prices follow CLDR through Babel. The words are in fact_words.py.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import TypeGuard

import msgspec
from babel import Locale
from babel.numbers import format_currency, format_decimal, get_currency_symbol

from jobwire.systems.rentix import fact_words
from jobwire.systems.rentix.fact_words import Words
from jobwire.systems.rentix.language import LANGUAGES, Language

PlaceNames = str | Mapping[str, str]

# Above this a number is a mistake and would fill the sentence with digits.
NUMBER_MAX = 10**12

_CURRENCY_CODE = re.compile(r"[A-Z]{3}")


class ListingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The attributes the sentence knows; unknown words, impossible numbers and None are left out of it.

    `announcement_type`, `property_type`, `property_secondary_type`, `pay_period`, `housing_market` and
    `visual_state` take the wire's words. `area_m2` is in square metres, `price` in whole units of `currency`
    (three letters). `place` and `sector` are names by language, or one name for all.
    """

    announcement_type: str | None = None
    property_type: str | None = None
    property_secondary_type: str | None = None
    rooms: int | None = None
    area_m2: float | None = None
    floor: int | None = None
    floors_total: int | None = None
    price: float | None = None
    currency: str | None = None
    pay_period: str | None = None
    place: PlaceNames | None = None
    sector: PlaceNames | None = None
    housing_market: str | None = None
    visual_state: str | None = None


def render_fact_sentences(facts: ListingFacts) -> dict[Language, str]:
    """Render one sentence in each of LANGUAGES; never empty, whatever the facts lack."""
    return {language: render_fact_sentence(facts, language) for language in LANGUAGES}


def render_fact_sentence(facts: ListingFacts, language: Language) -> str:
    """Render the sentence in `language`: "Se închiriază un apartament (Bălți), 2 camere, 54 m², 300 EUR pe lună."."""
    sentence = ", ".join(filter(None, (render(facts, language) for render in _CLAUSES)))
    return f"{sentence[0].upper()}{sentence[1:]}."


def name_in(names: PlaceNames | None, language: str) -> str:
    """The name in `language`, else the Romanian one, else any; "" when there is none. Spaces become single."""
    if names is None or isinstance(names, str):
        name = names or ""
    else:
        name = names.get(language) or names.get("ro") or next(filter(None, names.values()), "")
    return " ".join(name.split())


def _announce_property(facts: ListingFacts, language: Language) -> str:
    lead = fact_words.LEADS.get(facts.announcement_type or "", fact_words.NO_LEAD)[language]
    places = dict.fromkeys(filter(None, (name_in(facts.place, language), name_in(facts.sector, language))))
    location = f" ({', '.join(places)})" if places else ""
    return lead.format(_find_noun(facts)[language]) + location


def _find_noun(facts: ListingFacts) -> Words:
    kind, secondary = facts.property_type or "", facts.property_secondary_type or ""
    if kind in fact_words.PROPERTY_TYPES:
        return fact_words.NOUNS.get((kind, secondary)) or fact_words.NOUNS[kind, "other"]
    return fact_words.NOUNS_BY_SECONDARY_TYPE.get(secondary, fact_words.PROPERTY)


def _count_rooms(facts: ListingFacts, language: Language) -> str | None:
    if facts.property_secondary_type in fact_words.WITHOUT_ROOMS or not _is_positive(facts.rooms):
        return None
    return _count(facts.rooms, fact_words.ROOMS[language], language)


def _measure_area(facts: ListingFacts, language: Language) -> str | None:
    if not _is_positive(facts.area_m2):
        return None
    return f"{format_decimal(facts.area_m2, format='#,##0.##', locale=language)} {fact_words.SQUARE_METRES[language]}"


def _name_floor(facts: ListingFacts, language: Language) -> str | None:
    if facts.property_secondary_type in fact_words.WITHOUT_FLOORS:
        return None
    total = facts.floors_total if _is_positive(facts.floors_total) else None
    if facts.floor is not None and abs(facts.floor) <= NUMBER_MAX:
        words = fact_words.FLOOR if total is None else fact_words.FLOOR_OF
        return words[language].format(floor=facts.floor, total=total)
    return _count(total, fact_words.FLOORS[language], language) if total is not None else None


def _name_housing_market(facts: ListingFacts, language: Language) -> str | None:
    return fact_words.HOUSING_MARKETS.get(facts.housing_market or "", fact_words.NOTHING)[language]


def _name_visual_state(facts: ListingFacts, language: Language) -> str | None:
    return fact_words.VISUAL_STATES.get(facts.visual_state or "", fact_words.NOTHING)[language]


def _quote_price(facts: ListingFacts, language: Language) -> str | None:
    currency = (facts.currency or "").upper()
    if not _is_positive(facts.price) or not _CURRENCY_CODE.fullmatch(currency):
        return None
    price = _format_price(facts.price, currency, language)
    period = fact_words.PAY_PERIODS.get(facts.pay_period or "", fact_words.NOTHING)[language]
    return f"{price} {period}" if period and facts.announcement_type != "sale" else price


def _format_price(price: float, currency: str, language: Language) -> str:
    digits = "#,##0.00" if round(price, 2) % 1 else "#,##0"
    pattern = fact_words.PRICE_PATTERNS[language].format(digits)
    if get_currency_symbol(currency, locale=language).isalpha():
        pattern = pattern.replace("¤#", "¤\u00a0#")  # CLDR parts a code of letters from its number
    return format_currency(price, currency, format=pattern, locale=language, currency_digits=False)


def _count(number: float, forms: Mapping[str, str], language: Language) -> str:
    form = Locale(language).plural_form(number)
    return forms[form].format(format_decimal(number, locale=language))


def _is_positive(number: float | None) -> TypeGuard[float]:
    """Whether the number is worth saying: it reads as 0.01 or more and is not above NUMBER_MAX."""
    return number is not None and math.isfinite(number) and number <= NUMBER_MAX and round(number, 2) > 0


_CLAUSES: tuple[Callable[[ListingFacts, Language], str | None], ...] = (
    _announce_property,
    _count_rooms,
    _measure_area,
    _name_floor,
    _name_housing_market,
    _name_visual_state,
    _quote_price,
)
