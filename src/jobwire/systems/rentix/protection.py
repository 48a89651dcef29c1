"""Numbers, prices, phones, addresses on the net and proper names that a translation must not change.

They are replaced by placeholders such as `ZQ0Z` before the text goes to an engine and put back afterwards. The
shape was tried on Apertium, which hands an unknown word of capitals through untouched; other engines are not
trusted to do so: a translation that lost, doubled or invented a value is refused.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count, product
from unicodedata import combining, normalize

Names = Mapping[str, str]

_PLACEHOLDER_LETTERS = "ZQXJW"

# International unit signs read the same in every language and stay with their number; words do not.
_SIGN = r"(?:m²|m2|м²|м2|km|cm|mm|kg|kW|%|€|\$|£|EUR\b|USD\b|MDL\b)"
_UNIT_WORD = r"(?:mp\b|m\.p|ari\b|ha\b|lei\b|euro|dolar|sq|кв|м\b|сот|га\b|лей|леев|евро|долл|тыс|mii\b|mln|млн)"
_GAP = r"[ \u00a0\u202f]?"
_TOP_LEVEL = r"(?:md|com|net|org|ro|ru|eu|info|io|ua)"
_PATTERNS = (
    r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]",
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+",
    r"(?<![\w@])@\w{3,64}",
    rf"(?<![\w.-])(?:[\w-]+\.)+{_TOP_LEVEL}\b(?:/[^\s<>\"]*[^\s<>\".,;:!?)\]])?",
    # A phone: 6 to 15 digits, spaced as people like.
    r"(?<!\w)(?:\+|\()?[0-9](?:[ \u00a0().-]{0,3}[0-9]){5,14}(?![\w])",
    # A number that is a price, a date, a range, long, or has a sign or unit; "2" of "2 rooms" is left to grammar.
    rf"(?<!\w)(?:[€$£]{_GAP})?[0-9]+(?:[.,:/–-][0-9]+|[ \u00a0\u202f][0-9]{{3}}(?![0-9]))*{_GAP}{_SIGN}",
    rf"(?<!\w)[€$£]{_GAP}[0-9]+(?:[.,][0-9]+|[ \u00a0\u202f][0-9]{{3}}(?![0-9]))*",
    r"(?<!\w)[0-9]+(?:[.,:/–-][0-9]+|[ \u00a0\u202f][0-9]{3}(?![0-9]))+",
    r"[0-9]{3,}",
    rf"(?<!\w)[0-9]{{1,2}}(?={_GAP}{_UNIT_WORD})",
)
_VALUES = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class ProtectedText:
    """A text whose values are placeholders: `masked` goes to an engine, `prose` (without them) to detection."""

    masked: str
    prose: str
    values: tuple[str, ...]
    names: Mapping[str, Names]
    placeholder: re.Pattern[str]

    def restore(self, translation: str, language: str) -> str | None:
        """Put the values back, names in their form for `language`; None unless each came back exactly once.

        Short numbers are left to the engine, which may spell them out or write words as digits; one that became
        another refuses the translation as well.
        """
        found = sorted(int(index) for index in self.placeholder.findall(translation))
        if found != list(range(len(self.values))):
            return None
        before, after = self._visible_numbers(self.masked), self._visible_numbers(translation)
        if before - after and after - before:
            return None
        return self.placeholder.sub(lambda match: self._render_value(int(match[1]), language), translation)

    def _visible_numbers(self, text: str) -> Counter[str]:
        return Counter(_DIGITS.findall(self.placeholder.sub(" ", text)))

    def _render_value(self, index: int, language: str) -> str:
        value = self.values[index]
        return self.names.get(_fold(value), {}).get(language, value)


def protect_values(text: str, names: Iterable[Names] = ()) -> ProtectedText:
    """Replace the values of `text` and each known name (given by language) by placeholders that `text` lacks."""
    by_spelling = {
        _fold(spelling): name for name in names for spelling in name.values() if any(map(str.isalpha, spelling))
    }
    stem = _find_free_stem(text)
    values: list[str] = []
    prose: list[str] = []
    masked: list[str] = []
    end = 0
    for start, stop in _find_spans(text, by_spelling):
        prose.append(text[end:start])
        masked += (text[end:start], f"{stem}{len(values)}{stem[0]}")
        values.append(text[start:stop])
        end = stop
    return ProtectedText(
        masked="".join((*masked, text[end:])),
        prose=" ".join((*prose, text[end:])),
        values=tuple(values),
        names=by_spelling,
        placeholder=re.compile(f"{stem}([0-9]{{1,9}}){stem[0]}", re.IGNORECASE),
    )


def _find_spans(text: str, by_spelling: Mapping[str, Names]) -> list[tuple[int, int]]:
    """The protected stretches from left to right; where a name and a value overlap, the earlier start wins."""
    spans = [match.span() for match in _VALUES.finditer(text)]
    if by_spelling:
        folded, origins = _fold_with_origins(text)
        spellings = "|".join(map(re.escape, sorted(by_spelling, key=len, reverse=True)))
        for match in re.finditer(rf"(?<!\w)(?:{spellings})(?!\w)", folded):
            start = origins[match.start()]
            if not text[start].islower():  # "în centru" is no mention of the sector Centru
                spans.append((start, origins[match.end() - 1] + 1))
    chosen: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        if not chosen or start >= chosen[-1][1]:
            chosen.append((start, stop))
    return chosen


def _fold(text: str) -> str:
    return _fold_with_origins(text)[0]


def _fold_with_origins(text: str) -> tuple[str, list[int]]:
    """Lower case without diacritics, and for each folded character the index it came from."""
    folded: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(text):
        for piece in normalize("NFD", character).casefold():
            if not combining(piece):
                folded.append(piece)
                origins.append(index)
    return "".join(folded), origins


def _find_free_stem(text: str) -> str:
    """The shortest run of rare letters that `text` does not hold, so that no placeholder is already there."""
    lowered = text.lower()
    letters = (product(_PLACEHOLDER_LETTERS, repeat=length) for length in count(2))
    candidates = ("".join(pair) for pairs in letters for pair in pairs if pair[0] != pair[-1])
    return next(stem for stem in candidates if stem.lower() not in lowered)
