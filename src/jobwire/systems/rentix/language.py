"""Which language a listing's description is written in: Romanian, Russian, English, Ukrainian or undetermined."""

import re
from functools import cache
from typing import Literal, NamedTuple

from py3langid.langid import MODEL_FILE, LanguageIdentifier

Language = Literal["ro", "ru", "en"]
SourceLanguage = Literal["ro", "ru", "en", "uk", "und"]

LANGUAGES: tuple[Language, ...] = ("ro", "ru", "en")
RECOGNISED: tuple[Literal["ro", "ru", "en", "uk"], ...] = ("ro", "ru", "en", "uk")

LETTERS_MIN = 3
# Of 75 labelled listing lines the least certain gives our four languages 0.20 of the probability of all 97;
# French, German, Italian, Polish, Turkish and transliterated Russian lines give them 0.01 or less.
RECOGNISED_SHARE_MIN = 0.05

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")


class Detection(NamedTuple):
    """The language and its share of the vote, from 0 to 1; `und` with 0.0 when no language can be named."""

    language: SourceLanguage
    confidence: float


def detect_language(text: str) -> Detection:
    """Name the language most of `text` is written in.

    Every sentence votes with its letters, split over the languages by probability: a short doubtful sentence
    moves little, and a bilingual text goes to the language that fills more of it. Text of fewer than
    LETTERS_MIN letters, or in some fifth language, is `und`.
    """
    votes = dict.fromkeys(RECOGNISED, 0.0)
    letters_total = 0
    for sentence in _SENTENCE_END.split(text):
        letters = sum(map(str.isalpha, sentence))
        letters_total += letters
        if letters >= LETTERS_MIN:
            ranking = dict(_load_identifier().rank(sentence))
            for language in RECOGNISED:
                votes[language] += letters * ranking[language]
    recognised = sum(votes.values())
    if letters_total < LETTERS_MIN or recognised < RECOGNISED_SHARE_MIN * letters_total:
        return Detection("und", 0.0)
    winner = max(RECOGNISED, key=votes.__getitem__)
    return Detection(winner, votes[winner] / recognised)


@cache
def _load_identifier() -> LanguageIdentifier:
    """Load our own model (0.8 s, once): the package's global one can be narrowed by anybody with set_languages."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
