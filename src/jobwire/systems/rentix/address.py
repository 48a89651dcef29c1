r"""Which place, region and sector an address names; streets named after towns do not count as those towns.

Exact look-up of the sound of one to four words first, then rapidfuzz. Next: location.py.

24,000 addresses/s on one core of a shared machine, over the 249 addresses of the test's table; the ones that need
rapidfuzz 11,000/s; 6 ms for the longest address without a town:

    python -m timeit -s "import json; from jobwire.systems.rentix.address import match_address as match" \
      -s "rows = json.load(open('tests/systems/rentix/location/addresses.json'))" \
      "for row in rows: match(row['address'])"
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rapidfuzz import fuzz, process

from jobwire.systems.rentix.address_words import (
    REGION,
    SECTOR,
    TOWN,
    VILLAGE,
    Street,
    Word,
    find_streets,
    read_words,
)
from jobwire.systems.rentix.gazetteer import CHISINAU_REGION, Gazetteer, Place, Region, Sector, load_gazetteer

# Of 1,880 names with one random typo (94 Romanian and Russian names) found / of 2,831 Romanian and Ukrainian
# villages wrongly taken for a Moldovan place: 80: 98 % / 12 %, 82: 97 / 7, 85: 90 / 4, 86: 83 / 2, 88: 72 / 2.
# 1 % of the typos lead to a wrong place at any of these.
FUZZY_CUTOFF = 85.0
ADJECTIVE_STEM_MIN = 4
# A town is looked for in the words of a street ("str. Ismail Chișinău") only from this size on: smaller ones
# are surnames of people whom streets are named after (Cantemir, Dancu).
TAIL_POPULATION_MIN = 10_000
_NAME_WORDS_MAX = 4
_FUZZY_WORDS_MAX = 3
_EXACT = 100.0
# What Russian puts after the stem of a district's name: "Оргеевский район", "в Единецком районе".
_ADJECTIVE_ENDINGS = tuple(suffix + case for suffix in ("s", "", "evs") for case in ("ki", "kogo", "komu", "kom"))


@dataclass(frozen=True, slots=True)
class Mention:
    """A name found in the address at words [first, last) and all that bear it."""

    first: int
    last: int
    score: float = _EXACT
    places: tuple[Place, ...] = ()
    sectors: tuple[Sector, ...] = ()
    weak_sectors: tuple[Sector, ...] = ()
    regions: tuple[Region, ...] = ()
    announced: bool = False
    before_number: bool = False


@dataclass(frozen=True, slots=True)
class AddressMatch:
    """What an address names. `unlisted` is a village it names that the gazetteer lacks; `namesakes` says that
    the name alone could also mean another place or sector."""

    place: Place | None = None
    region: Region | None = None
    sector: Sector | None = None
    text: str | None = None
    score: float = 0.0
    unlisted: str | None = None
    namesakes: bool = False


def match_address(text: str) -> AddressMatch:
    """The most specific place, region and sector that `text` names; an empty match when it names none."""
    gazetteer = load_gazetteer()
    words = read_words(text)
    streets = list(find_streets(words))
    in_street = {at for street in streets for at in range(street.first, street.last)}
    mentions = list(_find_mentions(words, in_street, gazetteer))
    if not any(m.places or m.sectors or m.regions for m in mentions):
        mentions += _find_last_resort(words, streets, in_street, gazetteer)
    mentions += _find_misspelt_sector(words, in_street, mentions, gazetteer)
    village = _find_unlisted_village(words, in_street, mentions)
    if village is not None:
        others = set(range(len(words))) - {village}
        misspelt = _find_nearly(words, others, gazetteer.fuzzy_keys, gazetteer)
        mentions, village = ([*mentions, misspelt], None) if misspelt else (mentions, village)
    return _resolve(text, words, mentions, village, gazetteer)


def _find_mentions(words: list[Word], in_street: set[int], gazetteer: Gazetteer) -> Iterator[Mention]:
    """The exact names outside streets, longest first, left to right."""
    at = 0
    while at < len(words):
        mention = None if at in in_street else _look_up_longest(words, at, in_street, gazetteer)
        if mention is not None:
            yield mention
        at = mention.last if mention else at + 1


def _look_up_longest(words: list[Word], at: int, in_street: set[int], gazetteer: Gazetteer) -> Mention | None:
    keys = [words[at].key]
    for last in range(at + 1, min(at + _NAME_WORDS_MAX, len(words))):
        if words[last].segment != words[at].segment or last in in_street:
            break
        keys.append(words[last].key)
    for count in range(len(keys), 0, -1):
        mention = _look_up(words, at, at + count, " ".join(keys[:count]), gazetteer)
        if mention:
            return mention
    return None


def _look_up(words: list[Word], first: int, last: int, key: str, gazetteer: Gazetteer) -> Mention | None:
    before = words[first - 1] if first and words[first - 1].segment == words[first].segment else None
    after = words[last] if last < len(words) and words[last].segment == words[first].segment else None
    mention = Mention(
        first,
        last,
        places=gazetteer.place_index.get(key, ()),
        sectors=gazetteer.sector_index.get(key, ()),
        weak_sectors=gazetteer.weak_sector_index.get(key, ()),
        before_number=after is not None and after.is_house_number,
    )
    if before is not None and before.announces(SECTOR) and mention.weak_sectors:
        return replace(mention, places=(), sectors=mention.weak_sectors, weak_sectors=())
    if _names_region(words, before, after, last) and not mention.sectors:
        regions = gazetteer.region_index.get(key, ()) or _find_adjective_region(key, gazetteer)
        return replace(mention, places=(), regions=regions) if regions else None
    if before is not None and (before.announces(TOWN) or before.announces(VILLAGE)):
        mention = replace(mention, weak_sectors=(), announced=True)
    if not (mention.places or mention.sectors or mention.weak_sectors):
        regions = gazetteer.region_index.get(key, ())
        return replace(mention, regions=regions) if regions else None
    return mention


def _names_region(words: list[Word], before: Word | None, after: Word | None, last: int) -> bool:
    """Whether "district" stands before the name, or after it with no other name following."""
    if before is not None and before.announces(REGION):
        return True
    if after is None or not after.announces(REGION):
        return False
    follower = words[last + 1] if last + 1 < len(words) else None
    return follower is None or follower.segment != after.segment or follower.is_number


def _find_adjective_region(key: str, gazetteer: Gazetteer) -> tuple[Region, ...]:
    for ending in filter(key.endswith, _ADJECTIVE_ENDINGS):
        stem = key.removesuffix(ending).rstrip("i")
        bearers = {r.code: r for name, rs in gazetteer.region_index.items() if name.startswith(stem) for r in rs}
        if len(stem) >= ADJECTIVE_STEM_MIN and len(bearers) == 1:
            return tuple(bearers.values())
    return ()


def _find_last_resort(
    words: list[Word], streets: list[Street], in_street: set[int], gazetteer: Gazetteer
) -> list[Mention]:
    """A town written with the street without a comma, else the name that sounds nearly right."""
    tails = [mention for street in streets for mention in _find_in_street(words, street, gazetteer)]
    if tails:
        return tails
    nearest = _find_nearly(words, in_street, gazetteer.fuzzy_keys, gazetteer)
    return [nearest] if nearest else []


def _find_in_street(words: list[Word], street: Street, gazetteer: Gazetteer) -> Iterator[Mention]:
    """The towns and sectors among a street's words, unless those words are the street's own name."""
    if " ".join(word.key for word in words[street.first : street.last]) in gazetteer.place_index:
        return
    own_name = street.first if street.leads else street.last - 1
    for first in range(street.first, street.last):
        for last in range(first + 1, min(first + _NAME_WORDS_MAX, street.last) + 1):
            key = " ".join(word.key for word in words[first:last])
            places = gazetteer.place_index.get(key, ())
            towns = tuple(place for place in places if place.population >= TAIL_POPULATION_MIN)
            sectors = gazetteer.sector_index.get(key, ())
            if (towns or sectors) and own_name not in range(first, last):
                yield Mention(first, last, places=towns, sectors=sectors)


def _find_nearly(words: list[Word], skipped: set[int], keys: Sequence[str], gazetteer: Gazetteer) -> Mention | None:
    """Of `keys`, the one most like one to three neighbouring words, at least FUZZY_CUTOFF of 100 alike."""
    best: Mention | None = None
    for first in range(len(words)):
        for last in range(first + 1, min(first + _FUZZY_WORDS_MAX, len(words)) + 1):
            if not _may_be_misspelt(words, first, last, skipped):
                break
            key = " ".join(word.key for word in words[first:last])
            floor = best.score if best else FUZZY_CUTOFF
            found = process.extractOne(key, keys, scorer=fuzz.ratio, score_cutoff=floor)
            if found and (best is None or found[1] > best.score):
                places, sectors = gazetteer.place_index.get(found[0], ()), gazetteer.sector_index.get(found[0], ())
                best = Mention(first, last, score=found[1], places=places, sectors=sectors)
    return best


def _find_misspelt_sector(
    words: list[Word], in_street: set[int], mentions: Sequence[Mention], gazetteer: Gazetteer
) -> list[Mention]:
    """A sector with a spelling mistake beside the city's name."""
    in_city = any(gazetteer.city in m.places for m in mentions)
    if not in_city or any(m.sectors or m.weak_sectors for m in mentions):
        return []
    taken = {at for mention in mentions for at in range(mention.first, mention.last)}
    nearest = _find_nearly(words, in_street | taken, gazetteer.fuzzy_sector_keys, gazetteer)
    return [nearest] if nearest else []


def _may_be_misspelt(words: list[Word], first: int, last: int, skipped: set[int]) -> bool:
    word = words[last - 1]
    return not (word.is_number or last - 1 in skipped or word.segment != words[first].segment)


def _find_unlisted_village(words: list[Word], in_street: set[int], mentions: Sequence[Mention]) -> int | None:
    """Where "village" is followed by a name (so not by an initial) that is in no mention."""
    named = {at for mention in mentions for at in range(mention.first, mention.last)}
    for at in range(1, len(words)):
        announced = words[at - 1].announces(VILLAGE) and words[at - 1].segment == words[at].segment
        if announced and at not in named | in_street and words[at].key.isalpha() and len(words[at].key) > 2:
            return at
    return None


def _resolve(
    text: str, words: list[Word], mentions: Sequence[Mention], village: int | None, gazetteer: Gazetteer
) -> AddressMatch:
    region_mention = next((m for m in mentions if m.regions), None)
    region = region_mention.regions[0] if region_mention else None
    sector_mention = _choose_sector(mentions, gazetteer)
    in_sector = range(sector_mention.first, sector_mention.last) if sector_mention else range(0)
    towns = [m for m in mentions if m.places and m.first not in in_sector]
    place_mention, place, namesakes = _choose_place(towns, region, gazetteer)
    if place is None and sector_mention is not None:
        place = gazetteer.city
    elsewhere = region is not None and place is not None and place.region != region.code
    unlisted = words[village] if village is not None else None
    if elsewhere and place is not None and not gazetteer.is_seat(place) and place_mention is not None:
        unlisted, place, place_mention = words[place_mention.first], None, None
    elif place is not None:
        region = gazetteer.regions[place.region]
    shown = sector_mention or place_mention or region_mention
    return AddressMatch(
        place=None if unlisted else place,
        region=region,
        sector=(sector_mention.sectors or sector_mention.weak_sectors)[0] if sector_mention else None,
        text=text[words[shown.first].start : words[shown.last - 1].end] if shown else None,
        score=round(shown.score, 1) if shown else 0.0,
        unlisted=text[unlisted.start : unlisted.end] if unlisted else None,
        namesakes=namesakes,
    )


def _choose_sector(mentions: Sequence[Mention], gazetteer: Gazetteer) -> Mention | None:
    """The mention of a sector, if the address is not about another town's quarter of that name."""
    in_city = any(gazetteer.city in m.places for m in mentions)
    towns = [m for m in mentions if m.places and not (in_city and m.weak_sectors)]
    if any(place.region != CHISINAU_REGION for m in towns for place in m.places) and not in_city:
        return None
    certain = next((m for m in mentions if m.sectors), None)
    return certain or next((m for m in mentions if in_city and m.weak_sectors), None)


def _choose_place(
    towns: Sequence[Mention], region: Region | None, gazetteer: Gazetteer
) -> tuple[Mention | None, Place | None, bool]:
    """The town meant: the most specific of one region, else the one announced, else the largest.

    A name before a house number is a street without the word for it: it only counts when nothing else does.
    """
    named = [(m, *_choose_namesake(m.places, region, gazetteer), bool(m.weak_sectors)) for m in towns]
    seats = {place.region for _, place, _, _ in named if gazetteer.is_seat(place)}

    def rank(entry: tuple[Mention, Place, bool, bool]) -> tuple[bool, bool, bool, int]:
        mention, place, _, _ = entry
        within = place.region in seats and not gazetteer.is_seat(place)
        house = mention.before_number and not mention.announced
        return (not house, within, mention.announced, place.population)

    best = max(named, key=rank, default=None)
    return (best[0], best[1], best[2] or best[3]) if best else (None, None, False)


def _choose_namesake(places: Sequence[Place], region: Region | None, gazetteer: Gazetteer) -> tuple[Place, bool]:
    """The bearer of the name in the named region, else the seat of a region, else the largest."""
    inside = [place for place in places if region is not None and place.region == region.code]
    if inside:
        return max(inside, key=lambda place: place.population), False
    best = max(places, key=lambda place: (gazetteer.is_seat(place), place.population))
    return best, len(places) > 1 and not gazetteer.is_seat(best)
