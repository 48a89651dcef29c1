"""An address as words with their roles: which belong to a street, which announce a town, village or sector.

Next: address.py, which looks the remaining words up.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from jobwire.systems.rentix.place_names import sound_of

# Letter groups of up to three joined by a hyphen are abbreviations (р-н, b-dul, пр-кт): one word.
_WORD = re.compile(r"[^\W\d_]{1,3}-[^\W\d_]{1,3}\b|\d+\w*|[^\W\d_]+(?:['’ʹ`][^\W\d_]+)*")
_SEGMENT_END = re.compile(r"[,;:()|/\\\n]|\s[-–—]\s")
_HOUSE_NUMBER = re.compile(r"\d{1,3}(?!\d)")
_STREET_WORDS_MAX = 3


def _keys(words: str) -> frozenset[str]:
    return frozenset(sound_of(word.replace("-", "")) for word in words.split())


STREET = _keys(
    "str strada strazii stradela str-la ul ulitsa улица улице улицы bd b-dul bul bulevard bulevardul blvd boulevard"
    " бул бульвар бульваре б-р pr pr-t pr-kt prosp prospect prospectul проспект проспекте sos soseaua шоссе per"
    " переулок пр-д проезд al aleea alee аллея calea piata p-ta площадь пл наб набережная drumul trecatoarea"
    " splaiul fundatura"
)
STREET_AFTER = _keys(
    "street st avenue ave road rd lane square blvd boulevard улица ул бульвар бул проспект пр шоссе sos"
)
TOWN = _keys("or oras orasul orasului orasel mun municipiul municipiului г гор город городе города city town")
VILLAGE = _keys("s sat satul com comuna с село селе деревня п пос поселок пгт village")
SECTOR = _keys("sec sect sector sectorul сектор секторе сектора с-р cartier cartierul мкр микрорайон zona")
REGION = _keys("r raion raionul r-n r-nul rn район районе р-н district districtul")
# One letter means a town, a village or a district only with its dot: "г. Сорока", not "Г Виеру".
_NEEDS_DOT = _keys("г s с п r")
_BOUNDARIES = (TOWN | VILLAGE | SECTOR | REGION) - _NEEDS_DOT


@dataclass(frozen=True, slots=True)
class Word:
    """A word of the address: its sound, where it stands, and the comma-separated segment it is in."""

    key: str
    start: int
    end: int
    segment: int
    dotted: bool

    @property
    def is_number(self) -> bool:
        """Whether it starts with a digit."""
        return self.key[:1].isdigit()

    @property
    def is_house_number(self) -> bool:
        """Whether it can be a house number: up to three digits, so no postcode and no year."""
        return _HOUSE_NUMBER.match(self.key) is not None

    def announces(self, role: frozenset[str]) -> bool:
        """Whether it is one of the role's words (see TOWN, VILLAGE, SECTOR, REGION)."""
        return self.key in role and (self.dotted or self.key not in _NEEDS_DOT)


@dataclass(frozen=True, slots=True)
class Street:
    """The words [first, last) of a street's name; `leads` says that the word "street" stood before it."""

    first: int
    last: int
    leads: bool


def read_words(text: str) -> list[Word]:
    """The words of an address in order."""
    words: list[Word] = []
    segment, end = 0, 0
    for found in _WORD.finditer(text):
        segment += bool(_SEGMENT_END.search(text, end, found.start()))
        end = found.end()
        key = sound_of(found[0].replace("-", ""))
        if key:
            words.append(Word(key, found.start(), end, segment, text.startswith(".", end)))
    return words


def find_streets(words: list[Word]) -> Iterator[Street]:
    """The words that name a street, by the word for "street" before or after them."""
    for at, word in enumerate(words):
        if word.key in STREET_AFTER and _ends_street(words, at):
            yield Street(_find_street_start(words, at), at, leads=False)
        elif word.key in STREET:
            yield Street(at + 1, _find_street_end(words, at), leads=True)


def _ends_street(words: list[Word], at: int) -> bool:
    """Whether a name stands before the street word and nothing but a number after it."""
    named = at > 0 and words[at - 1].segment == words[at].segment and not words[at - 1].is_number
    follower = words[at + 1] if at + 1 < len(words) else None
    return named and (follower is None or follower.segment != words[at].segment or follower.is_number)


def _find_street_start(words: list[Word], at: int) -> int:
    first = at
    while first > max(0, at - _STREET_WORDS_MAX) and _continues(words[first - 1], words[at]):
        first -= 1
    return first


def _find_street_end(words: list[Word], at: int) -> int:
    last = at + 1
    while last < len(words) and _continues(words[last], words[at], after_name=last > at + 1):
        last += 1
    return last


def _continues(word: Word, street: Word, *, after_name: bool = True) -> bool:
    """A street's name ends with its segment, a number or a new role; "31 August" and "Satul Nou" start so."""
    if word.segment != street.segment:
        return False
    return not (after_name and (word.is_number or word.key in _BOUNDARIES))
